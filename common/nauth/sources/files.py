"""`SecretFile` and `SecretFiles`: what a platform mounts into the file system."""

from __future__ import annotations

import abc
import asyncio
import json
import os
from collections.abc import Callable, Mapping

from nauth.secret_files import FileProblemError, is_folder, read_folder, read_text, retried
from nauth.sources.base import Fields, SourceRefusedError, SourceUnavailableError, fields_of_object

__all__ = ["SecretFile", "SecretFiles"]

_HINT = "A file mounted by subPath is not updated: mount the folder"


class _Mounted(abc.ABC):
    """Something at a path that is read anew for each question."""

    _path: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"

    @property
    def name(self) -> str:
        """What errors and store keys call it."""
        return f"file:{self._path}"

    @property
    def unchanged_hint(self) -> str:
        """What may be wrong if the vendor refuses a credential that has not changed."""
        return _HINT

    async def read(self) -> Fields:
        """Read what is there, in a thread.

        Raises:
            SourceRefusedError: it is missing, may not be read, or holds the wrong content.
            SourceUnavailableError: a file is empty or cut.
        """
        return await asyncio.to_thread(_described, self.name, lambda: retried(self._fields))

    def read_now(self) -> Fields:
        """Read what is there once; blocks for as long as its disk does.

        Raises:
            SourceRefusedError, SourceUnavailableError: as for `read`.
        """
        return _described(self.name, self._fields)

    @abc.abstractmethod
    def _fields(self) -> Fields: ...


class SecretFile(_Mounted):
    """A file that holds a JSON object, or a folder as for `SecretFiles`.

    It is read at each sign-in, and again when the vendor refuses the credential. An empty or cut file counts as being
    written just now: it is read three times within 0.1 s.

    Args:
        path: of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)

    def _fields(self) -> Fields:
        if is_folder(self._path):
            return Fields(read_folder(self._path, None))
        # no local holds the text: an error tracker would print it
        try:
            document = json.loads(read_text(self._path).reveal())
        except (ValueError, RecursionError):
            document = _CUT
        if document is _CUT:
            raise FileProblemError("holds no JSON, or only the beginning of it", passing=True)
        return fields_of_object(document, source=self.name)


_CUT = object()


class SecretFiles(_Mounted):
    """A folder with one file for each field, as Kubernetes and Docker mount secrets.

    Where Kubernetes swaps versions, all files are read from one version.

    Args:
        folder: of the files.
        names: field -> name of its file; by default each file is the field of its own name.
    """

    def __init__(self, folder: str | os.PathLike[str], *, names: Mapping[str, str] | None = None) -> None:
        self._path = os.fspath(folder)
        self._names = None if names is None else dict(names)

    def _fields(self) -> Fields:
        return Fields(read_folder(self._path, self._names))


def _described(name: str, read: Callable[[], Fields]) -> Fields:
    try:
        return read()
    except FileProblemError as error:
        problem = error
    # outside the handler: the frames of the reading hold the file's content
    if problem.passing:
        raise SourceUnavailableError(
            f"{name} {problem}; is it being written? It is read again at the next sign-in",
            source=name,
            problems=(str(problem),),
        )
    raise SourceRefusedError(
        f"{name} {problem}. Check path, mount and permissions", source=name, problems=(str(problem),)
    )
