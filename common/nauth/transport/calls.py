"""What every vendor's `api.py` and `client.py` do with transports, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from nauth.clock import Clock
from nauth.errors import NauthError, recast
from nauth.token import RenewalPolicy
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.retry import Retrying, WaitHint

__all__ = ["Leaves", "send", "token_calls", "translate"]

Leaves: TypeAlias = Mapping[type[NauthError], type[NauthError]]
"""The vendor's own class for each kind a transport raises; looked through in order, so the narrower kind first."""


def translate(error: NauthError, leaves: Leaves) -> NauthError:
    """Return a new error of the vendor's own class for `error`'s kind, or of its own class where there is none.

    An error that is the vendor's already keeps its class: a sign-in behind a resource call may have been throttled.
    """
    if isinstance(error, tuple(leaves.values())):
        return recast(error, type(error))
    for kind, leaf in leaves.items():
        if isinstance(error, kind):
            return recast(error, leaf)
    return recast(error, type(error))


async def send(transport: Transport, request: Request, leaves: Leaves) -> Answer:
    """Send `request`; what the transport raises comes out as the vendor's own errors.

    Raises:
        NauthError: the vendor's leaf for what `Transport.send` raised.
    """
    try:
        return await transport.send(request)
    except NauthError as error:
        translated = translate(error, leaves)
    # outside the handler: the new error has neither cause nor context whose frames could hold the request
    raise translated


def token_calls(
    *, user_agent: str, policy: RenewalPolicy, clock: Clock, wait_hint: WaitHint | None = None
) -> Transport:
    """Return the transport for calls that deal in tokens: sessions of its own, no redirects, careful repeats."""
    transport = AiohttpTransport(clock=clock, user_agent=user_agent)
    return Retrying(transport, policy=policy, clock=clock, wait_hint=wait_hint)
