"""aiohttp's sessions as nauth makes them: for token calls, and for requests of clients without a session of their own."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
from aiohttp import BaseConnector, ClientMiddlewareType, ClientSession, ClientTimeout

from nauth.transport.aiohttp_limits import FIELD_SIZE, BoundedResponse, TokenRequest
from nauth.transport.attempt import Attempt
from nauth.transport.network import Network
from nauth.transport.proxies import ThroughProxy

__all__ = ["request_session", "token_session"]

_TIMEOUT = ClientTimeout(total=300, sock_connect=10)
"""For the user's own requests: generous, for uploads, but never endless. ``timeout=`` overrides it."""


def token_session(connector: BaseConnector) -> ClientSession:
    """Return a session for token calls: no cookies, no middlewares, no netrc, and a trace that reports to an `Attempt`."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(_on_connecting)
    trace.on_connection_create_end.append(_on_connected)
    trace.on_request_headers_sent.append(_on_sent)
    return ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(),
        trust_env=False,
        trace_configs=[trace],
        request_class=TokenRequest,
        response_class=BoundedResponse,
        timeout=ClientTimeout(total=None, sock_connect=None),  # the attempt measures its own
        max_line_size=FIELD_SIZE,
        max_field_size=FIELD_SIZE,
    )


def request_session(
    connector: BaseConnector, network: Network, middlewares: tuple[ClientMiddlewareType, ...] = ()
) -> ClientSession:
    """Return a session for a client's requests: no cookies, no netrc, `middlewares` and then `network`'s proxies.

    Raises:
        ConfigurationError: see `Network.pick_proxy`.
    """
    pick = network.pick_proxy()
    return ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=middlewares if pick is None else (*middlewares, ThroughProxy(pick)),
        trust_env=False,
        response_class=BoundedResponse,
        timeout=_TIMEOUT,
        max_line_size=FIELD_SIZE,
        max_field_size=FIELD_SIZE,
    )


def _attempt(context: SimpleNamespace) -> Attempt:
    attempt: Attempt = context.trace_request_ctx
    return attempt


async def _on_connecting(_: ClientSession, context: SimpleNamespace, __: object) -> None:
    _attempt(context).connecting()


async def _on_connected(_: ClientSession, context: SimpleNamespace, __: object) -> None:
    _attempt(context).connected()


async def _on_sent(_: ClientSession, context: SimpleNamespace, __: object) -> None:
    # called just before the bytes are handed to the socket: from here on they may have arrived
    attempt = _attempt(context)
    attempt.sent = True
    attempt.work.sending()
