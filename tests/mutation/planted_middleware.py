"""Bugs in the middleware: origins, replays, the second refusal."""

from __future__ import annotations

from tests.mutation.bug import Planted, core

__all__ = ["MIDDLEWARE"]

MIDDLEWARE: tuple[Planted, ...] = (
    core(
        "no look at the origin: the token follows redirects",
        "bearer/aiohttp",
        "            return await self._elsewhere(request, handler)\n",
        "            pass\n",
        "bearer/aiohttp_cross_origin",
        "bearer/redirect_matrix",
        simulated=False,
    ),
    core(
        "the caller's own Authorization is overwritten",
        "bearer/aiohttp",
        "        if AUTHORIZATION in headers and not await from_netrc(request):\n",
        "        if request is None:\n",
        "bearer/aiohttp",
        simulated=False,
    ),
    core(
        "on the way back from another origin, ours replaces the caller's own Authorization",
        "bearer/aiohttp",
        "        if self._foreign and remembered(self._foreign, request):\n",
        "        if request is None:\n",
        "bearer/aiohttp_cross_origin",
        "bearer/aiohttp_redirects",
        simulated=False,
    ),
    core(
        "half a stream is sent a second time",
        "bearer/aiohttp",
        "        if not replayable(request.body):  # looked at again: an upload may have been running a moment ago\n",
        "        if request.body is NotImplemented:\n",
        "bearer/aiohttp_replay",
        simulated=False,
    ),
    core(
        "the first attempt is not settled: callers fill the pool while they wait",
        "bearer/aiohttp",
        "            await settle(request, response)\n",
        "            pass\n",
        "bearer/aiohttp_unauthorized",
        simulated=False,
    ),
    core(
        "a wrong account id becomes a renewal for each request",
        "bearer/aiohttp",
        "await self._hides_401(replayed):\n            self._manager.refused(renewed, at=_endpoint(request))\n",
        "await self._hides_401(replayed):\n            pass\n",
        "bearer/aiohttp_unauthorized",
        simulated=False,
    ),
    core(
        "TLS verification may be off",
        "bearer/aiohttp",
        "        if tls is not True and unverified(tls):\n",
        "        if tls is None:\n",
        "bearer/aiohttp",
        simulated=False,
    ),
    core(
        "httpx: the token follows redirects",
        "bearer/httpx_redirects",
        "            request.headers = list(self._foreign(request.headers))\n",
        "            pass\n",
        "bearer/httpx_redirects",
        simulated=False,
    ),
    core(
        "httpx: no look at the origin",
        "bearer/httpx",
        "        if key not in self._origins:\n",
        "        if key is None:\n",
        "bearer/httpx",
        "bearer/httpx_redirects",
        simulated=False,
    ),
)
