"""`Environment`: variables of the process, and the files that some of them name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from nauth.env_settings import EnvironmentReader
from nauth.secret import Secret
from nauth.sources.base import Fields, SourceRefusedError

__all__ = ["Environment"]


class Environment:
    """The variables that begin with `prefix`; each may be given as ``NAME``, or as ``NAME_FILE``, never as both.

    Args:
        prefix: such as ``"NOMBA_"``.
        environ: the variables; the process environment if None.
    """

    def __init__(self, prefix: str, environ: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix
        self._environ = environ

    def __repr__(self) -> str:
        return f"Environment({self._prefix!r})"

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"the environment ({self._prefix}*)"

    @property
    def unchanged_hint(self) -> str:
        """What may be wrong if the vendor refuses a credential that has not changed."""
        return "A file mounted by subPath is not updated: mount the folder"

    async def read(self) -> Fields:
        """Read the variables and files, in a thread.

        Raises:
            SourceRefusedError: a file cannot be read, or a variable is given in both ways.
        """
        return await asyncio.to_thread(self.read_now)

    def read_now(self) -> Fields:
        """Read the variables and files; blocks for as long as the files' disk does.

        Raises:
            SourceRefusedError: as for `read`.
        """
        environ = os.environ if self._environ is None else self._environ
        reader = EnvironmentReader(environ)
        names = {name.removesuffix("_FILE") for name in environ if name.startswith(self._prefix)}
        values = {name: Secret(text) for name in sorted(names) if (text := reader.optional(name)) is not None}
        if reader.faults:
            raise SourceRefusedError(
                f"{self.name} cannot be read: {'; '.join(reader.faults)}",
                source=self.name,
                problems=reader.faults,
            )
        return Fields(values)
