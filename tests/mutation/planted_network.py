"""Bugs on the way out: proxies, trust, shared connectors, and 401s that nobody sees."""

from __future__ import annotations

from tests.mutation.bug import Planted, core

__all__ = ["NETWORK"]

NETWORK: tuple[Planted, ...] = (
    core(
        "token calls go past the proxy",
        "transport/aiohttp",
        "            middlewares=() if pick is None else (ThroughProxy(pick),),\n",
        "            middlewares=(),\n",
        "../network/ways",
        simulated=False,
    ),
    core(
        "a client's own requests go past the proxy",
        "transport/aiohttp_session",
        "        middlewares=() if pick is None else (ThroughProxy(pick),),\n",
        "        middlewares=(),\n",
        "../network/ways",
        simulated=False,
    ),
    core(
        "a context may switch checks off after it was given",
        "transport/aiohttp",
        "        self._network.check()\n",
        "",
        "../network/network",
        simulated=False,
    ),
    core(
        "a token in clear text goes to a proxy of the network",
        "transport/proxies",
        'AS_HTTP.get(url.scheme, url.scheme) == "https" or is_loopback(self.url.host)',
        "True",
        "../network/proxies",
        simulated=False,
    ),
    core(
        "SSL_CERT_FILE is read at import only",
        "transport/network",
        "        return _environments_context(file, folder) if file or folder else True\n",
        "        return True if file or folder else True\n",
        "../network/ways",
        simulated=False,
    ),
    core(
        "the first client that is closed closes the connector of all",
        "transport/connectors",
        "            if shared.users or self._table.get(key) is not shared:\n",
        "            if self._table.get(key) is not shared:\n",
        "../network/sharing",
        simulated=False,
    ),
    core(
        "a child of a fork closes its parent's connections",
        "transport/connectors",
        "        self._table, self._guard = {}, threading.RLock()\n",
        "        self._guard = threading.RLock()\n",
        "../network/sharing",
        simulated=False,
    ),
    core(
        "waiting for a free connection counts as failing to connect",
        "transport/attempt",
        "        self.deadline = asyncio.timeout(QUEUE_S)\n",
        "        self.deadline = asyncio.timeout(self._connect.total_seconds())\n",
        "../network/limits",
        simulated=False,
    ),
    core(
        "interim responses are read without end",
        "transport/aiohttp_limits",
        "            if seen > INTERIM + 1:\n",
        "            if seen < 0:\n",
        "../network/limits",
        simulated=False,
    ),
    core(
        "netrc takes the token's place",
        "bearer/aiohttp",
        "        if AUTHORIZATION in headers and not await from_netrc(request):\n",
        "        if AUTHORIZATION in headers:\n",
        "bearer/netrc",
        simulated=False,
    ),
    core(
        "a hook that raises hides the 401",
        "bearer/aiohttp",
        "            if await self._refused_unseen(request, token):\n",
        "            if request is None:\n",
        "bearer/raising_hooks",
        simulated=False,
    ),
    core(
        "httpx: a hook that raises hides the 401",
        "bearer/httpx_redirects",
        "            if self._status == _UNAUTHORIZED:\n",
        "            if self._status is NotImplemented:\n",
        "bearer/raising_hooks",
        simulated=False,
    ),
    core(
        "a 401 in the place of 100 Continue breaks the replay",
        "bearer/aiohttp",
        "        expect_again(request)\n",
        "",
        "bearer/expect_continue",
        simulated=False,
    ),
)
