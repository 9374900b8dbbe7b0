"""What goes over the wire while a package talks to a sandbox, kept and held against the vendor's description."""

from __future__ import annotations

from pathlib import Path

import attrs
from yarl import URL

from nauth.transport.base import Answer, Request, Transport
from tests.support.openapi.description import Description, answer_problems, request_problems

__all__ = ["DESCRIBED", "Wire", "exchange_problems"]

_DOCS = Path(__file__).parents[3] / "docs" / "openapi"
DESCRIBED = {path.stem: Description.read(path) for path in sorted(_DOCS.glob("*.yaml"))}


class Wire(Transport):
    """Sends for real and keeps what went over the wire; puts `authorization` on what has none.

    Attributes:
        ours: exchanges whose request was written by a package.
        raw: those whose request a test wrote.
    """

    def __init__(
        self, inner: Transport, authorization: str | None = None, parent: Wire | None = None
    ) -> None:
        self.ours: list[tuple[Request, Answer]] = parent.ours if parent else []
        self.raw: list[tuple[Request, Answer]] = parent.raw if parent else []
        self._inner = inner
        self._authorization = authorization

    def bearing(self, authorization: str) -> Wire:
        """Return a wire that puts `authorization` on, and keeps what it sends in the same place."""
        return Wire(self._inner, authorization, self)

    async def send(self, request: Request) -> Answer:
        sent = self._signed(request)
        answer = await self._inner.send(sent)
        self.ours.append((sent, answer))
        return answer

    async def ask(self, method: str, url: str | URL, authorization: str | None = None) -> Answer:
        """Send a request that no package sends."""
        given = {} if authorization is None else {"Authorization": authorization}
        request = Request(method=method, url=URL(url), headers={"Accept": "application/json"} | given)
        answer = await self._inner.send(request)
        self.raw.append((request, answer))
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _signed(self, request: Request) -> Request:
        if self._authorization is None or "Authorization" in request.headers:
            return request
        return attrs.evolve(request, headers={**request.headers, "Authorization": self._authorization})


def exchange_problems(description: Description, wire: Wire) -> list[str]:
    """Say what in the exchanges is not as described."""
    found = [problem for request, _ in wire.ours for problem in request_problems(description, request)]
    for request, answer in wire.ours + wire.raw:
        found += answer_problems(description, request, answer)
    return found
