"""Which origins may see a token, and what a base URL must look like."""

from __future__ import annotations

import functools
import ipaddress
import re
import ssl
from collections.abc import Callable
from typing import TypeAlias

from yarl import URL

from nauth.errors import ConfigurationError, OriginError

__all__ = [
    "AS_HTTP",
    "OriginKey",
    "Targets",
    "address",
    "check_origin",
    "is_host",
    "is_loopback",
    "origin_key",
    "parse_base_url",
    "place",
    "read_url",
    "resolve",
    "unverified",
]

OriginKey: TypeAlias = tuple[str, str | None, int | None]

_LONGEST_HOST = 253
_LONGEST_URL = 65_536
"""Longest URL that is parsed, in characters. No server accepts a longer one, and IDNA is slow on many labels."""

AS_HTTP = {"ws": "http", "wss": "https"}
"""Websockets begin as requests to the http origin of the same host."""
_HOST = re.compile(
    rf"(?![^%]*(?:\A|\.)(?:\.|[^.%]{{64}}))[\w.:-]{{1,{_LONGEST_HOST}}}(%\w{{1,32}})?", re.ASCII
)
"""Characters of a host, an IPv6 zone included, up to the lengths that DNS allows (RFC 1035 section 2.3.4): 63 for each part,
and none that is empty. yarl accepts spaces, control characters and any length, and name resolution then fails in its own
words."""


def origin_key(url: URL) -> OriginKey:
    """Return (scheme, host, port), with websocket schemes as the http ones they start from.

    Not ``URL.origin()``: it tells ``http://h`` from ``http://h:80``, and it costs more.
    """
    scheme = url.scheme
    return AS_HTTP.get(scheme, scheme), url.raw_host, url.port


@functools.lru_cache(maxsize=128)
def is_loopback(host: str | None) -> bool:
    """Tell whether `host` is this machine's loopback: ``localhost``, 127.0.0.0/8 or ::1."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(host: str | None) -> bool:
    """Tell whether `host`, as a URL holds it, can be looked up or is an address."""
    return _HOST.fullmatch(host or "") is not None


def read_url(value: str | URL) -> URL:
    """Return `value` as a URL.

    Raises:
        ValueError: not a URL, or longer than 65,536 characters.
    """
    if not isinstance(value, str):
        return value
    if len(value) > _LONGEST_URL:
        raise ValueError("too long for a URL")
    try:
        return URL(value)
    except IndexError:  # yarl raises this for "//[a]@"
        raise ValueError("not a URL") from None


def parse_base_url(value: object, *, setting: str) -> URL:
    """Return `value` as a base URL: https, or http on loopback; a path prefix is kept, its trailing slash dropped.

    Args:
        value: what the user gave.
        setting: its name, for the error text.

    Raises:
        ConfigurationError: not a URL; not https; user info, a query or a fragment in it. The text never quotes the
            URL, because user info is a credential.
    """
    if not isinstance(value, str | URL):
        raise ConfigurationError(f"{setting} must be a URL as text, not {type(value).__name__}")
    try:
        url = read_url(value.strip() if isinstance(value, str) else value)
        host, port = url.host, url.port
        _check_ipv6(url.raw_host or "")
    except ValueError:
        url, host, port = URL(), None, None
    readable = host and is_host(url.raw_host) and url.scheme in {"http", "https"} and port != 0
    if not readable:
        raise ConfigurationError(f"{setting} must be an absolute https URL such as https://api.example.com")
    if url.user is not None or url.password is not None:
        raise ConfigurationError(f"{setting} must not contain a user name or password")
    if url.raw_query_string or url.raw_fragment:
        raise ConfigurationError(f"{setting} must not have a query or fragment")
    if url.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"{setting} uses plain http for {host}, which would show the token to every machine on the way; "
            "use https (http is allowed for loopback only)"
        )
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def resolve(base: URL, url: str | URL, *, allowed: frozenset[OriginKey]) -> URL:
    """Return where a request for `url` goes: a path below `base`, or an absolute URL of an `allowed` origin.

    A relative path is appended to the base's own path; ``/v1/x`` and ``v1/x`` mean the same. Percent-encoding is as
    yarl normalises it; ``URL(..., encoded=True)`` is sent unchanged.

    Raises:
        OriginError: `url` names a host that was not configured, has a dot segment, or cannot be read as a URL.
    """
    if _has_dot_segment(url):
        raise OriginError(
            "the request's path has a '.' or '..' segment, which could lead out of the base URL; nothing was sent. "
            "Percent-encode what comes from outside: urllib.parse.quote(name, safe='')"
        )
    try:
        target = read_url(url)
        host = target.raw_host
    except ValueError:
        raise OriginError("the request's URL cannot be read; nothing was sent") from None
    if host is None and not target.scheme and not str(url).startswith("//"):
        path = f"{base.raw_path.rstrip('/')}/{target.raw_path.lstrip('/')}"
        joined = base.with_path(path, encoded=True)
        query = target.raw_query_string
        # not `with_query`: it would write "?flag" as "?flag=" and encode the caller's encoding again
        return URL(f"{joined}?{query}", encoded=True) if query else joined
    if origin_key(target) not in allowed:
        raise OriginError(
            f"the request goes to {_shown(target)}, which is not an origin of this client "
            f"({', '.join(sorted(_text(key) for key in allowed))}); nothing was sent. For another host use a plain "
            "aiohttp.ClientSession, which carries no token"
        )
    return target


_MOST_TARGETS = 128
_LONGEST_TARGET = 2_048
"""Characters of a path that is remembered: a client for each of thousands of tenants must stay small."""

_PLAIN = re.compile(r"/[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*(?:\?[A-Za-z0-9_=&-]+)?")
"""Paths, with or without a query, that hold nothing that is encoded, normalised or dropped."""


class Targets:
    """Remembers where a client's paths go. A path that comes again is not read again, nor is its address.

    A `str` alone can be remembered: a subclass may compare as it likes, and a `URL` costs as much to look up as to read.

    Args:
        base: where relative paths go.
        allowed: origins that absolute addresses may have.
    """

    __slots__ = ("_allowed", "_base", "_prefix", "_table", "get")

    def __init__(self, base: URL, allowed: frozenset[OriginKey]) -> None:
        self._base, self._allowed = base, allowed
        self._prefix = str(base).rstrip("/")
        self._table: dict[str, URL] = {}
        self.get: Callable[[str], URL | None] = self._table.get
        """Returns the target of a path that is remembered, else None."""

    def add(self, url: str | URL) -> URL:
        """Return where a request for `url` goes, as `resolve` does, and remember it.

        Raises:
            ConfigurationError: `url` is neither text nor a URL.
            OriginError: see `resolve`.
        """
        if not isinstance(url, str | URL):  # pyright: ignore[reportUnnecessaryIsInstance] # not every caller is checked
            raise ConfigurationError(
                f"nothing was sent: the path must be text or a yarl.URL, not {type(url).__name__}"
            )
        if type(url) is not str:
            return resolve(self._base, url, allowed=self._allowed)
        if _PLAIN.fullmatch(url):  # what `resolve` would make of it, for a third of the cost
            target = URL(self._prefix + url, encoded=True)
        else:
            target = resolve(self._base, url, allowed=self._allowed)
        if len(url) <= _LONGEST_TARGET:
            if len(self._table) >= _MOST_TARGETS:
                self._table.clear()
            self._table[url] = target
        return target


def _has_dot_segment(url: str | URL) -> bool:
    path = re.split("[?#]", str(url), maxsplit=1)[0]
    # servers decode %2e before they look at segments, and some take a backslash for a slash
    return any(
        part.lower().replace("%2e", ".") in {".", ".."} for part in re.split(r"[/\\]|%2[fF]|%5[cC]", path)
    )


def unverified(tls: object) -> bool:
    """Tell whether aiohttp's setting `tls` accepts any certificate: False, or a context that demands none.

    One that does not compare host names accepts the certificate of any host.
    """
    return tls is False or (
        isinstance(tls, ssl.SSLContext) and (tls.verify_mode is ssl.CERT_NONE or not tls.check_hostname)
    )


def _check_ipv6(host: str) -> None:
    # yarl accepts [::g] and drops the brackets, which makes a URL that yarl itself cannot read
    if ":" in host:
        ipaddress.IPv6Address(host.partition("%")[0])


def _shown(url: URL) -> str:
    return _text(origin_key(url)) if url.raw_host else "a URL without a host"


def _text(key: OriginKey) -> str:
    scheme, host, port = key[0], (key[1] or "")[:_LONGEST_HOST], key[2]
    return f"{scheme}://{host}" if port in {443, 80, None} else f"{scheme}://{host}:{port}"


def check_origin(url: URL) -> None:
    """Refuse to send a credential to `url` unencrypted.

    Raises:
        ConfigurationError: `url` is relative, or plain http to another machine than this one.
    """
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(
            "nothing was sent: the address is not an absolute https URL. "
            "Check the base URL: it starts with https:// and a host name."
        )
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigurationError(
            f"nothing was sent: http to {place(url)} would carry the credential over the network unencrypted. "
            "Use https://; plain http is allowed to this machine only (localhost, 127.0.0.0/8, ::1)."
        )


def address(url: URL) -> str:
    """Return `url` without user, query and fragment: what an error may show of the address that was asked."""
    return f"{url.scheme}://{place(url)}{url.raw_path}"


def place(url: URL) -> str:
    """Return host and port of `url`: the part of a URL that errors and logs may show."""
    return f"{url.host_subcomponent}:{url.port}"
