"""The fleet's vendor: Nomba's double at its strictest, which also knows who is signing in and can have him killed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import inf
from typing import Literal

import attrs
from aiohttp import web

from nauth.testing.sandbox import Handler, Route
from nombaauth.sandbox import NombaSandbox
from nombaauth.sandbox.responses import Failure

__all__ = ["Ambush", "FleetVendor", "Made", "Moment"]

Moment = Literal["before", "after", "answered"]
"""When a worker is killed: before the vendor acts on its token call, after that but before the answer, or some
milliseconds after the answer, which may be before or after the worker has stored it."""

_ANSWERED_S = 0.012
"""The latest that "answered" strikes: enough for the worker to have read the answer, stored it, or neither."""

_OK = 200


@attrs.frozen
class Made:
    """A token the vendor made: when, in monotonic seconds, how and for whom."""

    at: float
    call: str
    worker: str


@attrs.frozen(eq=False)
class Ambush:
    """The next token call's worker is to be killed; `struck` brings its name."""

    moment: Moment
    struck: asyncio.Future[str]


class FleetVendor(NombaSandbox):
    """One session per key; each refresh token works once, and one that comes back ends the whole session.

    Args:
        lifetime_s: of each access token.
        old_token_dies: whether a renewal ends the old access token at once, so that requests in flight meet a 401.

    Attributes:
        made: every token made, in order.
        refused: token calls that brought none, by call.
        refusals: requests answered 401, by what ailed their token: "expired", "replaced" by a renewal, "session" over.
        kill: kills the named worker; set by the fleet.
    """

    def __init__(self, *, lifetime_s: int, old_token_dies: bool) -> None:
        super().__init__(
            access_ttl=timedelta(seconds=lifetime_s),
            # a `Date` of whole seconds beside a stamp of milliseconds would make such short lives a second longer
            expires_at="expires_in",
            refresh_rotation="new_old_dies",
            refresh_bearer="expired_ok",
            refresh_kills_old_access="yes" if old_token_dies else "no",
            session_scope="client_id",
            second_issue="kills_first",
        )
        self.made: list[Made] = []
        self.refused: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.kill: Callable[[str], None] = lambda name: None  # noqa: ARG005 - replaced by the fleet
        self._ambush: Ambush | None = None

    def lay_ambush(self, moment: Moment) -> asyncio.Future[str]:
        """Have the worker killed that makes the next token call; the future brings its name."""
        self._ambush = Ambush(moment, asyncio.get_running_loop().create_future())
        return self._ambush.struck

    def routes(self) -> Mapping[str, Route]:
        """Return the vendor's endpoints, those for tokens watched."""
        routes = dict(super().routes())
        for call in ("issue", "refresh"):
            method, path, handler = routes[call]
            routes[call] = method, path, self._watched(call, handler)
        return routes

    def _watched(self, call: str, handler: Handler) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            worker = request.headers["User-Agent"]
            ambush, self._ambush = self._ambush, None
            if ambush is not None and ambush.moment == "before":
                self._strike(ambush, worker)
                return web.Response(status=503)
            reuses = self.refresh_reuses
            response = await handler(request)
            if response.status == _OK:
                self.made.append(Made(time.monotonic(), call, worker))
            else:
                self.refused[call] += 1
            if self.refresh_reuses > reuses:  # a stolen token, for all the vendor knows
                self.kill_sessions(kill_refresh=True)
            if ambush is not None and ambush.moment == "after":
                self._strike(ambush, worker)
            elif ambush is not None:
                later_s = random.uniform(0, _ANSWERED_S)
                asyncio.get_running_loop().call_later(later_s, self._strike, ambush, worker)
            return response

        return serve

    def _strike(self, ambush: Ambush, worker: str) -> None:
        self.kill(worker)
        ambush.struck.set_result(worker)

    def _refusal(self, headers: Mapping[str, str]) -> Failure | None:
        refusal = super()._refusal(headers)
        if refusal is not None:
            self.refusals[self._ailment(headers)] += 1
        return refusal

    def _ailment(self, headers: Mapping[str, str]) -> str:
        access = self._bearer(headers)
        if access is None:
            return "unknown"
        if access.expires_at == -inf:
            return "replaced"
        return "session" if access.session.dies_at <= self.clock.wall() else "expired"
