"""Noyo's hosts, lifetimes and margins, each with the page that says so, and how settings become URLs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, cast, get_args

import attrs
from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import is_loopback, parse_base_url
from nauth.redact import not_among
from nauth.token import RenewalPolicy

__all__ = [
    "DEFAULT_LIFETIME",
    "ENVIRONMENTS",
    "EXP_LEEWAY",
    "HOSTS",
    "MS_FROM",
    "POLICY",
    "TOKEN_PATH",
    "TOKEN_URL",
    "USER_AGENT",
    "VENDOR",
    "NoyoEnvironment",
    "NoyoHosts",
    "choose_base_url",
    "choose_origins",
    "choose_token_url",
]

VENDOR = "noyo"
USER_AGENT = "nauth (noyoauth)"

NoyoEnvironment: TypeAlias = Literal["live", "sandbox"]
ENVIRONMENTS: tuple[NoyoEnvironment, ...] = get_args(NoyoEnvironment)

TOKEN_PATH = "auth/public/token"  # noqa: S105 - a path, not a secret
TOKEN_URL = URL("https://accounts.noyo.com").joinpath(TOKEN_PATH)
"""The same for both environments: the key decides which one a token is for.
https://docs.noyo.com/docs/introduction/getting-started/authentication"""


@attrs.frozen(kw_only=True)
class NoyoHosts:
    """One environment's API hosts. Source: https://docs.noyo.com/docs/introduction/getting-started/environments.

    Attributes:
        fulfillment: the Fulfillment API, to which relative paths go.
        tracking: the Tracking API.
        group_installation: the Group Installation API.
    """

    fulfillment: URL
    tracking: URL
    group_installation: URL


HOSTS: Mapping[NoyoEnvironment, NoyoHosts] = {
    "live": NoyoHosts(
        fulfillment=URL("https://fulfillment.noyo.com"),
        tracking=URL("https://tracking.noyo.com"),
        # named in an older description only
        group_installation=URL("https://group-installation.noyo.com"),
    ),
    "sandbox": NoyoHosts(
        fulfillment=URL("https://fulfillment-sandbox.noyo.com"),
        tracking=URL("https://tracking-sandbox.noyo.com"),
        group_installation=URL("https://group-installation-sandbox.noyo.com"),
    ),
}

DEFAULT_LIFETIME = timedelta(seconds=600)
"""Documented lifetime of an access token, "about 10 minutes". It counts if a response states no usable lifetime, and
it is the longest one accepted from `expires_in`, whose documented sample (864000 "milliseconds") is 864 s.
https://docs.noyo.com/docs/introduction/getting-started/authentication"""

MS_FROM = 10_000
"""An `expires_in` from here on counts milliseconds, below it seconds: if Noyo corrects its server to send 600 or 864,
the tokens must not seem to live for half a second."""

EXP_LEEWAY = timedelta(seconds=10)
"""Subtracted from a lifetime computed from `exp` and a clock, because clocks differ; at most a tenth of it."""

POLICY = RenewalPolicy(
    # a minute of the documented ten; Noyo recommends renewing ahead of expiry, without a figure
    margin=timedelta(seconds=60),
    jitter=timedelta(seconds=15),
)


def choose_base_url(environment: object, base_url: object) -> tuple[NoyoEnvironment | None, URL]:
    """Return the environment and the base URL: `base_url` if given, else the Fulfillment host.

    A `base_url` that is one of Noyo's own hosts states its environment; any other leaves it None unless given.

    Raises:
        ConfigurationError: neither was given (no environment is ever guessed), one is unknown, or they contradict.
    """
    if environment is not None and environment not in ENVIRONMENTS:
        raise ConfigurationError(f"environment {not_among(ENVIRONMENTS, environment)}")
    named = environment
    if base_url is not None:
        url = parse_base_url(base_url, setting="base_url")
        return _agreed(named, url, "base_url"), url
    if named is None:
        raise ConfigurationError(
            "which Noyo is meant? Set environment='live' or environment='sandbox' (NOYO_ENVIRONMENT), or base_url "
            "(NOYO_BASE_URL). A key is good for one of them only, so none is assumed"
        )
    return named, HOSTS[named].fulfillment


def choose_token_url(token_url: object, base_url: URL | None) -> URL:
    """Return the token endpoint: `token_url` if given, else Noyo's.

    A base URL on loopback is a local test server, which has its token endpoint at the documented path: the secret of a
    test must not be sent to Noyo.

    Raises:
        ConfigurationError: `token_url` is no https URL, or has no path.
    """
    if token_url is None:
        double = base_url is not None and is_loopback(base_url.host)
        return base_url.joinpath(TOKEN_PATH) if double and base_url is not None else TOKEN_URL
    url = parse_base_url(token_url, setting="token_url")
    if url.raw_path.strip("/"):
        return url
    raise ConfigurationError(f"token_url must be the whole address, such as {TOKEN_URL}, not the host alone")


def choose_origins(
    environment: NoyoEnvironment | None, origins: object, *, overridden: bool
) -> tuple[URL, ...]:
    """Return the origins that may get the token beside the base URL: `origins` and the environment's other API hosts.

    Args:
        environment: the environment whose hosts are meant; None if it is not known.
        origins: further origins, named by the user.
        overridden: the user gave a base URL, so Noyo's other hosts do not get the token.

    Raises:
        ConfigurationError: an origin is no https URL, or is a host of the other environment.
    """
    if isinstance(origins, str | URL) or not isinstance(origins, Iterable):
        raise ConfigurationError(f"origins must be a list of URLs, not {type(origins).__name__}")
    named = [parse_base_url(origin, setting="origins") for origin in cast("Iterable[object]", origins)]
    seen = environment
    for url in named:
        seen = _agreed(seen, url, "origins")
    if overridden or environment is None:
        return tuple(named)
    hosts = HOSTS[environment]
    return (hosts.tracking, hosts.group_installation, *named)


def _agreed(environment: NoyoEnvironment | None, url: URL, setting: str) -> NoyoEnvironment | None:
    """Return the environment that `url` belongs to, or `environment` if it is no host of Noyo's."""
    for name, hosts in HOSTS.items():
        if url.host in {host.host for host in attrs.astuple(hosts)}:
            if environment not in {None, name}:
                raise ConfigurationError(
                    f"environment={environment!r} contradicts {setting}, which names Noyo's {name} host {url.host}; "
                    "a key and its tokens are good for one environment only"
                )
            return name
    return environment
