"""`Function`: any async function that returns a credential, as a source."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from nauth.sources.base import SourceRefusedError

__all__ = ["Function"]

_C_co = TypeVar("_C_co", covariant=True)


class Function(Generic[_C_co]):
    """An async function that returns a credential; it is called at each sign-in that needs one.

    A client takes the bare function as well. Give it a name where several processes share one store: without one the
    store's key is made up for this object, and no other process finds the token.

    Args:
        fetch: returns the credential; bounded by the client, called by one caller at a time.
        name: what errors and store keys call it, the same in each process. Must tell accounts apart.
    """

    def __init__(self, fetch: Callable[[], Awaitable[_C_co]], *, name: str | None = None) -> None:
        self._fetch = fetch
        self._name = name or f"{getattr(fetch, '__qualname__', 'function')}#{secrets.token_hex(8)}"

    def __repr__(self) -> str:
        return f"Function({self._name})"

    @property
    def name(self) -> str:
        """What errors and store keys call it."""
        return f"function:{self._name}"

    async def fetch(self) -> _C_co:
        """Call the function.

        Raises:
            SourceRefusedError: it is not async.
        """
        given: object = self._fetch()
        if not isinstance(given, Awaitable):  # pyright: ignore[reportUnnecessaryIsInstance] # not every caller is checked
            raise SourceRefusedError(
                f"{self.name} must be an async function, not one that returns {type(given).__name__}",
                source=self.name,
                problems=("not async",),
            )
        return await cast("Awaitable[_C_co]", given)  # pyright: ignore[reportUnnecessaryCast] # mypy does not know
