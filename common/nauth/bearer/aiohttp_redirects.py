"""Remember, across redirects, that a request carried the caller's own `Authorization`."""

from __future__ import annotations

import asyncio
from typing import TypeAlias
from weakref import ref

from aiohttp import ClientRequest, ClientResponse

from nauth.transport.aiohttp_private import call_timer

__all__ = ["Calls", "remember", "remembered"]

Calls: TypeAlias = dict[int, ref[ClientResponse]]
"""Calls whose caller set ``Authorization``: id of the call's timer -> the redirect response.

An entry is removed when its redirect response is collected. aiohttp keeps the response in ``history`` until the call
ends, and the response keeps the timer alive, so no other call can get the same id meanwhile.
"""

_FIRST_MOVE, _LAST_MOVE = 300, 399


def remember(calls: Calls, request: ClientRequest, response: ClientResponse) -> None:
    """Remember that the caller of `request` set ``Authorization``, if `response` is a redirect.

    aiohttp removes the header on a redirect to another origin, so a later hop could not tell.
    """
    if _FIRST_MOVE <= response.status <= _LAST_MOVE:
        key = _call(request)
        calls[key] = ref(response, lambda _: calls.pop(key, None))


def remembered(calls: Calls, request: ClientRequest) -> bool:
    """Tell whether an earlier hop of the same call carried the caller's own ``Authorization``."""
    return _call(request) in calls


def _call(request: ClientRequest) -> int:
    """Return the id of the call's total-timeout timer, which all its hops share and no other call has.

    If there is no timer (true of no aiohttp release so far), return the id of the task. Every request that the task
    makes while it holds the redirect response then goes without our token, which is safe.
    """
    return id(call_timer(request) or asyncio.current_task())
