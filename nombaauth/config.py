"""Nomba's hosts, lifetimes and margins, each with the page that says so, and how settings become one URL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, get_args

from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import parse_base_url
from nauth.redact import not_among
from nauth.token import RenewalPolicy

__all__ = [
    "DEFAULT_LIFETIME",
    "ENVIRONMENTS",
    "HOSTS",
    "MAX_TOKEN_LIFETIME",
    "POLICY",
    "USER_AGENT",
    "VENDOR",
    "NombaEnvironment",
    "choose_base_url",
]

VENDOR = "nomba"
USER_AGENT = "nauth (nombaauth)"

NombaEnvironment: TypeAlias = Literal["production", "sandbox"]
ENVIRONMENTS: tuple[NombaEnvironment, ...] = get_args(NombaEnvironment)

HOSTS: Mapping[NombaEnvironment, URL] = {
    # https://developer.nomba.com/docs/api-basics/authentication
    "production": URL("https://api.nomba.com"),
    # https://developer.nomba.com/docs/products/accept-payment/sandbox-testing
    "sandbox": URL("https://sandbox.nomba.com"),
}

_NOT_A_HOST = "sandbox.api.nomba.com"
"""Named in Nomba's training material; it does not resolve."""

DEFAULT_LIFETIME = timedelta(minutes=30)
"""Documented lifetime of an access token, used if a response states none that can be read.
https://developer.nomba.com/docs/api-basics/authentication"""

MAX_TOKEN_LIFETIME = timedelta(hours=24)
"""Longest lifetime accepted. Tokens of up to three hours have been seen; more than a day is a wrong timestamp."""

POLICY = RenewalPolicy(
    # "at least 5 minutes before it expires": https://developer.nomba.com/docs/api-basics/authentication
    margin=timedelta(minutes=5),
    jitter=timedelta(seconds=30),
)


def choose_base_url(environment: object, base_url: object) -> URL:
    """Return the base URL: `base_url` if given, else the environment's host.

    Raises:
        ConfigurationError: neither was given (no environment is ever guessed), one is unknown, or they contradict.
    """
    if environment is not None and environment not in ENVIRONMENTS:
        raise ConfigurationError(f"environment {not_among(ENVIRONMENTS, environment)}")
    if base_url is not None:
        url = parse_base_url(base_url, setting="base_url")
        _check_host(environment, url)
        return url
    for name, host in HOSTS.items():
        if environment == name:
            return host
    raise ConfigurationError(
        "which Nomba is meant? Set environment='production' or environment='sandbox' (NOMBA_ENVIRONMENT), or base_url "
        "(NOMBA_BASE_URL). Live and test keys are not interchangeable, so none is assumed"
    )


def _check_host(environment: object, url: URL) -> None:
    if url.host == _NOT_A_HOST:
        raise ConfigurationError(f"{_NOT_A_HOST} does not exist; Nomba's sandbox is {HOSTS['sandbox']}")
    for name, host in HOSTS.items():
        if url.host == host.host and environment not in {None, name}:
            raise ConfigurationError(
                f"environment={environment!r} contradicts base_url, which is Nomba's {name} host; give one of them"
            )
