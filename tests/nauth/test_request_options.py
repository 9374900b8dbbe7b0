"""A request takes aiohttp's options, less those that would weaken TLS."""

from __future__ import annotations

import inspect
import typing

from aiohttp import ClientSession

from nauth.request_options import RequestOptions

_LEFT_OUT = {
    "ssl": "verification cannot be switched off",
    "verify_ssl": "the same",
    "ssl_context": "the same",
    "fingerprint": "the same",
    "server_hostname": "the certificate is checked for the host that is called",
    "auth": "the token is the authentication",
    "proxy_auth": "deprecated, with all of BasicAuth",
    "proxy_headers": "only useful with the above",
    "max_headers": "not in every aiohttp from 3.14.4 on",
    "upload_tracker": "not in every aiohttp from 3.14.4 on",
}


def test_options_are_aiohttps() -> None:
    """Every option exists in aiohttp, and each of aiohttp's that is missing is missing on purpose."""
    theirs = set(inspect.signature(ClientSession._request).parameters) - {"self", "method", "str_or_url"}
    ours = set(typing.get_type_hints(RequestOptions))
    assert ours <= theirs
    assert theirs - ours <= set(_LEFT_OUT)


def test_no_tls_option() -> None:
    """There is no way to name TLS settings."""
    assert not {"ssl", "verify_ssl", "ssl_context", "fingerprint"} & set(
        typing.get_type_hints(RequestOptions)
    )
