"""What the core must know of aiohttp and aiohttp does not publish: one function for each, tested on the oldest and newest.

`tests/nauth/transport/test_aiohttp_private.py` fails where a release of aiohttp has moved one of these, and `.ci/run` runs it with
the oldest supported release as well.
"""

from __future__ import annotations

import asyncio

from aiohttp import (
    BaseConnector,
    BasicAuth,
    ClientMiddlewareType,
    ClientRequest,
    ClientSession,
    StreamReader,
)
from aiohttp.payload import IOBasePayload
from aiohttp.typedefs import StrOrURL

__all__ = [
    "call_timer",
    "close_now",
    "connector_tls",
    "more_of",
    "seekable",
    "session_loop",
    "session_middlewares",
    "session_proxy",
]


def connector_tls(session: ClientSession) -> object:
    """Return the TLS setting of the session's connector: True, False, an `ssl.SSLContext` or a fingerprint.

    `TCPConnector(ssl=...)` keeps it in `_ssl` and has no property for it. A connector without that attribute (a Unix
    socket's) has no setting of its own, which is True.
    """
    return getattr(session.connector, "_ssl", True)


def session_middlewares(session: ClientSession) -> tuple[ClientMiddlewareType, ...]:
    """Return the middlewares that the session was made with.

    A call's `middlewares=` replace them, so a call that adds one must name the others, and `ClientSession` keeps them
    in `_middlewares` only.
    """
    return tuple(getattr(session, "_middlewares", ()))


def session_proxy(session: ClientSession) -> tuple[StrOrURL | None, BasicAuth | None]:
    """Return what the session was made with as `proxy=` and `proxy_auth=`; it keeps both in private names only."""
    return getattr(session, "_default_proxy", None), getattr(session, "_default_proxy_auth", None)


def session_loop(session: ClientSession) -> asyncio.AbstractEventLoop:
    """Return the loop that the session belongs to; its public name is deprecated, and warns."""
    return session._loop  # noqa: SLF001 - see the docstring


def call_timer(request: ClientRequest) -> object | None:
    """Return the timer of the call's total timeout, which all hops of one call share and no other call has.

    aiohttp hands each hop's request the same object, in `_timer`. None where a release of aiohttp keeps none.
    """
    return getattr(request, "_timer", None)


def seekable(body: IOBasePayload) -> bool:
    """Tell whether the file that `body` was made from can be read again from where it began.

    A payload keeps the file it was given in `_value` and has no public way to it. False for what is not a real file,
    and for a closed one.
    """
    try:
        return bool(body._value.seekable())  # noqa: SLF001 - see the docstring
    except (AttributeError, ValueError):
        return False


async def more_of(content: StreamReader) -> None:
    """Wait until more of a body has come or its end has, and read nothing of it.

    Every public way to wait takes out what has come, and the public way to put it back is deprecated.

    Raises:
        aiohttp.ClientError: the body broke off.
    """
    lost = content.exception()
    if lost is not None:
        raise lost
    await content._wait("more_of")  # noqa: SLF001 - see the docstring


def close_now(connector: BaseConnector) -> None:
    """Close the connector's sockets without waiting, from outside its loop.

    For a session whose loop is gone or whose owner was forgotten: the public `close()` must be awaited, and no task is
    left to do so. `_close` is what aiohttp's own `__del__` calls.
    """
    connector._close()  # noqa: SLF001 - see the docstring
