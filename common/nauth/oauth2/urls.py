"""Addresses of an authorization server: checked, and given parameters."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import parse_base_url, read_url

__all__ = ["endpoint_url", "with_parameters"]


def endpoint_url(value: object, *, setting: str) -> URL:
    """Return `value` as the address of an endpoint: https, or http on loopback.

    A query is kept, as RFC 6749 section 3.1 asks; a fragment is refused, as it asks too.

    Raises:
        ConfigurationError: as for `nauth.origins.parse_base_url`. The text never quotes the address.
    """
    if not isinstance(value, str | URL):
        raise ConfigurationError(f"{setting} must be a URL as text, not {type(value).__name__}")
    try:
        url = read_url(value.strip() if isinstance(value, str) else value)
        bare = url.with_query(None)
    except ValueError:
        url = bare = URL()
    parse_base_url(bare, setting=setting)
    return url


def with_parameters(url: URL, given: Mapping[str, str]) -> str:
    """Return `url` with what is `given` merged into its query; that wins over equal names."""
    kept = [
        (name, value)
        for name, value in parse_qsl(url.raw_query_string, keep_blank_values=True)
        if name not in given
    ]
    # half of a surrogate pair in a setting is for the server to refuse, as any other value it does not know
    return f"{url.with_query(None)}?{urlencode([*kept, *given.items()], errors='surrogatepass')}"
