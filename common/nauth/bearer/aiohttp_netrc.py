"""Tell an `Authorization` that aiohttp took from ``~/.netrc`` from one that the caller chose."""

from __future__ import annotations

import asyncio

from aiohttp import ClientRequest
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.helpers import basicauth_from_netrc, netrc_from_env

__all__ = ["from_netrc"]


async def from_netrc(request: ClientRequest) -> bool:
    """Tell whether the request's `Authorization` is what the machine's netrc file says for its host.

    aiohttp looks there for sessions with ``trust_env=True``, when the caller has brought none. That the file knows the
    vendor's host, or has a default entry, is no choice against the token.
    """
    if not (request.session.trust_env and request.headers[AUTHORIZATION].startswith("Basic ")):
        return False
    # in a thread, as aiohttp does it: it is a file
    return request.headers[AUTHORIZATION] == await asyncio.to_thread(_entry, request.url.host or "")


def _entry(host: str) -> str | None:
    try:
        return basicauth_from_netrc(netrc_from_env(), host).encode()
    except LookupError:
        return None
