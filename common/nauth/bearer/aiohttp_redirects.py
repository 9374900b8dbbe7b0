"""Remember, across redirects, that a request carried the caller's own `Authorization`."""

from __future__ import annotations

import asyncio
from typing import TypeAlias
from weakref import ref

from aiohttp import ClientRequest, ClientResponse

from nauth.transport.aiohttp_private import call_timer

__all__ = ["Calls", "remember", "remembered"]

Calls: TypeAlias = dict[int, ref[ClientResponse]]
"""Calls whose caller brought an ``Authorization`` of their own: identity of the call, and the answer that moved it on.

An entry goes with its answer. aiohttp keeps that in the call's history, so it outlives the call's last hop, and it
holds the object that names the call, so no other call can take the name over.
"""

_FIRST_MOVE, _LAST_MOVE = 300, 399


def remember(calls: Calls, request: ClientRequest, response: ClientResponse) -> None:
    """Note that the caller of `request` brought an identity, if `response` sends the request elsewhere.

    aiohttp takes the header away between origins, so no later hop could tell.
    """
    if _FIRST_MOVE <= response.status <= _LAST_MOVE:
        key = _call(request)
        calls[key] = ref(response, lambda _: calls.pop(key, None))


def remembered(calls: Calls, request: ClientRequest) -> bool:
    """Tell whether an earlier hop of the same call carried the caller's own ``Authorization``."""
    return _call(request) in calls


def _call(request: ClientRequest) -> int:
    """Return what all hops of one call have in common, and no other call has: the timer of its total timeout.

    Without it (no aiohttp known so far) it is the task: all that a task asks for while it still holds the redirected
    answer then goes without our token, which is the safe side.
    """
    return id(call_timer(request) or asyncio.current_task())
