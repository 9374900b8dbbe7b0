"""Which proxy a request goes through: one given, or one of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
from aiohttp import BasicAuth, ClientRequest, ClientResponse
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.hdrs import PROXY_AUTHORIZATION
from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import AS_HTTP, is_host, is_loopback, read_url
from nauth.secret import Secret

__all__ = ["EnvironmentProxies", "PickProxy", "Proxy", "ThroughProxy"]

_SCHEMES = ("http", "https")


@attrs.frozen
class Proxy:
    """The address of a proxy, and what it wants as `Proxy-Authorization`, kept apart: errors of aiohttp's show addresses."""

    url: URL
    authorization: Secret | None = None

    @classmethod
    def read(cls, value: object, *, setting: str) -> Proxy:
        """Return the proxy at `value`, a URL that may hold user name and password.

        Args:
            value: what the user gave.
            setting: its name, for the error text.

        Raises:
            ConfigurationError: not the address of an http or https proxy. The text never quotes it.
        """
        if not isinstance(value, str | URL):
            raise ConfigurationError(f"{setting} must be a URL as text, not {type(value).__name__}")
        try:
            url = read_url(value.strip() if isinstance(value, str) else value)
            bare = URL.build(scheme=url.scheme, host=url.host or "", port=url.port)
        except ValueError:
            url = bare = URL()
        if url.scheme not in _SCHEMES or not is_host(bare.raw_host) or not bare.port:
            raise ConfigurationError(
                f"{setting} must be the address of an http or https proxy, such as http://user:password@proxy:3128; "
                "SOCKS proxies need a session whose connector speaks SOCKS"
            )
        if url.user is None and url.password is None:
            return cls(bare)
        pair = f"{url.user or ''}:{url.password or ''}".encode()
        return cls(bare, Secret(f"Basic {base64.b64encode(pair).decode('ascii')}"))

    @classmethod
    def of_session(cls, value: str | URL, auth: BasicAuth | None) -> Proxy:
        """Return the proxy of a session of the user's."""
        proxy = cls.read(value, setting="the session's proxy")
        return proxy if auth is None else attrs.evolve(proxy, authorization=Secret(auth.encode()))

    def carries(self, url: URL) -> bool:
        """Tell whether `url` may go through it: what is not encrypted goes to a proxy on this machine only."""
        return AS_HTTP.get(url.scheme, url.scheme) == "https" or is_loopback(self.url.host)


PickProxy: TypeAlias = Callable[[URL], Proxy | None]
"""Says through which proxy a URL is reached; None is directly."""


class ThroughProxy:
    """The client middleware that sends each hop through the proxy of its URL.

    A middleware, because a redirect may lead to a host that `NO_PROXY` names, and because a request's own ``proxy=`` wins.
    """

    def __init__(self, pick: PickProxy) -> None:
        self._pick = pick

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Name the proxy, and send."""
        proxy = None if request.proxy is not None else self._pick(request.url)
        if proxy is not None:
            headers: dict[str, str] = {}
            if proxy.authorization is not None:
                # aiohttp sends these to the proxy with CONNECT; without a tunnel the request itself is the proxy's
                where = headers if request.is_ssl() else request.headers
                where[PROXY_AUTHORIZATION] = proxy.authorization.reveal()
            request.update_proxy(proxy.url, None, headers or None)
        return await handler(request)


@attrs.frozen
class EnvironmentProxies:
    """The proxies of the environment's variables, as most HTTP clients read them.

    A name in lower case wins over the same in capitals, also where it is empty. `ALL_PROXY` stands in for both others;
    one that names a SOCKS proxy is passed over. An address without a scheme is taken for http.
    """

    http: Proxy | None = None
    https: Proxy | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> EnvironmentProxies:
        """Return those of `environ`, the process environment if None.

        Raises:
            ConfigurationError: `HTTP_PROXY` or `HTTPS_PROXY` is not the address of an http or https proxy.
        """
        environ = os.environ if environ is None else environ
        everything = _variable(environ, "all_proxy")
        if everything.partition("://")[0].lower().startswith("socks"):
            everything = ""
        # a CGI program's HTTP_PROXY is a header that a stranger sent
        plain = (
            environ.get("http_proxy", "") if "REQUEST_METHOD" in environ else _variable(environ, "http_proxy")
        )
        secure = _variable(environ, "https_proxy")
        if not (plain or secure or everything):
            return _NONE
        return cls(
            http=_proxy(plain or everything, "HTTP_PROXY" if plain else "ALL_PROXY"),
            https=_proxy(secure or everything, "HTTPS_PROXY" if secure else "ALL_PROXY"),
            no_proxy=tuple(_variable(environ, "no_proxy").lower().replace(",", " ").split()),
        )

    def __bool__(self) -> bool:
        return self.http is not None or self.https is not None

    def __call__(self, url: URL) -> Proxy | None:
        """Return the proxy for `url`, or None where it is reached directly."""
        proxy = self.https if AS_HTTP.get(url.scheme, url.scheme) == "https" else self.http
        if proxy is None or not proxy.carries(url) or self._excluded(url):
            return None
        return proxy

    def _excluded(self, url: URL) -> bool:
        # a name with other than ASCII letters may stand in the variable as it is read, or as it is sent
        hosts = {(host or "").lower().rstrip(".") for host in (url.host, url.raw_host)}
        return any(_names(entry, host, url.port) for entry in self.no_proxy for host in hosts)


_NONE = EnvironmentProxies()


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, environ.get(name.upper(), "")).strip()


def _proxy(value: str, setting: str) -> Proxy | None:
    if not value:
        return None
    return Proxy.read(value if "://" in value else f"http://{value}", setting=setting)


def _names(entry: str, host: str, port: int | None) -> bool:
    """Tell whether `entry` of `NO_PROXY` names `host`: itself, a domain above it, a network around it, or "*"."""
    if entry == "*":
        return True
    network = _network(entry.strip("[]"))
    if network is not None:
        try:
            return ipaddress.ip_address(host) in network
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal():
        return port == int(number) and _names(name, host, None)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
