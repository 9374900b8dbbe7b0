"""What each vendor's `api.py` and `client.py` do with transports: send, translate errors, make the one for token calls."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import TypeAlias

from nauth.clock import Clock, check_clock
from nauth.errors import CredentialsRejectedError, InteractionRequiredError, NauthError, recast
from nauth.token import RenewalPolicy, check_policy
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.network import Network
from nauth.transport.retry import Retrying, WaitHint

__all__ = ["ErrorClasses", "reading", "send", "token_calls", "translate"]

ErrorClasses: TypeAlias = Mapping[type[NauthError], type[NauthError]]
"""The vendor's own class for each kind that a transport raises. The first that fits counts, so the narrower kind comes first."""


def translate(error: NauthError, classes: ErrorClasses) -> NauthError:
    """Return a new error of the vendor's own class for `error`'s kind, or of its own class where there is none.

    An error that is the vendor's already keeps its class: a sign-in behind a resource call may have been throttled.
    """
    if isinstance(error, tuple(classes.values())):
        return recast(error, type(error))
    for kind, own in classes.items():
        if isinstance(error, kind):
            return recast(error, own)
    return recast(error, type(error))


async def send(transport: Transport, request: Request, classes: ErrorClasses) -> Answer:
    """Send `request`; what the transport raises comes out as the vendor's own errors.

    Raises:
        NauthError: the vendor's class for what `Transport.send` raised.
    """
    try:
        return await transport.send(request)
    except NauthError as error:
        translated = translate(error, classes)
    # outside the handler: the new error has neither cause nor context whose frames could hold the request
    raise translated


@contextlib.contextmanager
def reading(answer: Answer) -> Generator[None]:
    """Around the reading of `answer`: where the session's own `Authorization` was refused, say so and not that the token was.

    Raises:
        NauthError: of the class that was raised inside.
    """
    try:
        yield
    except (CredentialsRejectedError, InteractionRequiredError) as error:
        if not answer.foreign:
            raise
        told = recast(error, type(error))
        text = (
            f"HTTP {answer.status}, but no token of this client was on the request: this call's headers=, or your session (its "
            "headers, its auth, or a middleware) put another Authorization in its place, or took it off, and that was "
            "refused. Change the call or the session, or make the client without session"
        )
        told.args = (text,)
        raise told from None


def token_calls(
    *,
    user_agent: str,
    policy: RenewalPolicy,
    clock: Clock,
    wait_hint: WaitHint | None = None,
    network: Network | None = None,
) -> Transport:
    """Return the transport for calls that deal in tokens: by `network`, no redirects, careful repeats.

    Raises:
        ConfigurationError: `policy` or `clock` is none.
    """
    check_policy(policy)
    check_clock(clock)
    transport = AiohttpTransport(clock=clock, user_agent=user_agent, network=network)
    return Retrying(transport, policy=policy, clock=clock, wait_hint=wait_hint)
