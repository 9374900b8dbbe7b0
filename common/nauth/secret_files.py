"""Read a secret from a file as container platforms mount it: a value, a JSON object, or a folder of values.

The functions block and belong in a thread, except where a constructor reads its settings.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from nauth.secret import Secret

__all__ = ["FileProblemError", "is_file", "is_folder", "read_folder", "read_text", "retried"]

_T = TypeVar("_T")

_MAX_BYTES = 65_536
_TRIES = 3
_PAUSE_S = 0.05
"""A program that rewrites a file in place needs a few milliseconds."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Without O_NONBLOCK, opening a pipe that has no writer waits for ever."""

_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist",
    errno.EACCES: "may not be read by this process",
    errno.EPERM: "may not be read by this process",
    errno.ELOOP: "is a link that leads to itself",
}


class FileProblemError(Exception):
    """Why a file gave no secret, as the end of a sentence that begins with the file's name.

    Attributes:
        passing: whether the same read may succeed in a moment.
    """

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


def read_text(path: str | os.PathLike[str]) -> Secret:
    """Return the text of the regular file at `path`, without a byte order mark and white space around it.

    Raises:
        FileProblemError: there is none, it cannot be read, or it is empty, too large or not UTF-8.
    """
    try:
        text = Secret(_bytes(path).decode("utf-8-sig").strip())
    except UnicodeDecodeError:
        text = None
    except OSError as error:
        raise FileProblemError(_reason(error)) from None
    if text is None:
        raise FileProblemError("is not UTF-8 text: is it a binary or an encrypted file?")
    if not text:
        raise FileProblemError("is empty", passing=True)
    return text


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is a folder at `path`."""
    return Path(path).is_dir()


def is_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is a file at `path`."""
    return Path(path).is_file()


def read_folder(folder: str | os.PathLike[str], names: Mapping[str, str] | None) -> dict[str, Secret]:
    """Return the texts of several files in `folder`, all of one version where Kubernetes swaps versions.

    Args:
        folder: a mounted folder. Kubernetes links ``..data`` in it to the folder of the current version; the link is
            followed once, and all files are read from where it led.
        names: field -> name of its file; None takes every file whose name does not begin with a dot.

    Raises:
        FileProblemError: as for `read_text`, with the file's name.
    """
    version = Path(os.path.realpath(Path(folder) / "..data"))
    base = version if version.is_dir() else Path(os.path.realpath(folder))
    try:
        found = sorted(entry.name for entry in os.scandir(base) if not entry.name.startswith("."))
    except OSError as error:
        raise FileProblemError(_reason(error)) from None
    wanted = {name: name for name in found} if names is None else dict(names)
    return {field: _member(base, name) for field, name in wanted.items() if names is None or name in found}


def retried(read: Callable[[], _T], *, sleep: Callable[[float], None] = time.sleep) -> _T:
    """Call `read` up to three times, 50 ms apart, while a file is missing or half written.

    Raises:
        FileProblemError: of the last attempt.
    """
    for _ in range(_TRIES - 1):
        try:
            return read()
        except FileProblemError:
            sleep(_PAUSE_S)
    return read()


def _member(base: Path, name: str) -> Secret:
    try:
        return read_text(base / name)
    except FileProblemError as error:
        raise FileProblemError(f"holds a file {name!r} that {error}", passing=error.passing) from None


def _bytes(path: str | os.PathLike[str]) -> bytes:
    descriptor = os.open(path, _FLAGS)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise FileProblemError("is a folder" if stat.S_ISDIR(mode) else "is not a regular file")
        parts: list[bytes] = []
        left = _MAX_BYTES + 1
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        if left <= 0:
            raise FileProblemError(f"is larger than {_MAX_BYTES} bytes: it does not look like a secret")
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return _REASONS.get(
        error.errno or 0, f"could not be read ({errno.errorcode.get(error.errno or 0, 'unknown')})"
    )
