"""Nomad Media's lifetimes and margins, each with the page that says so, and how settings become URLs."""

from __future__ import annotations

from datetime import timedelta

import attrs
from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import parse_base_url
from nauth.token import RenewalPolicy

__all__ = [
    "DEFAULT_LIFETIME",
    "INTERACTIVE_POLICY",
    "MAX_TOKEN_LIFETIME",
    "POLICY",
    "USER_AGENT",
    "VENDOR",
    "choose_base_url",
]

VENDOR = "nomad-media"
USER_AGENT = "nauth (nomadauth)"

DEFAULT_LIFETIME = timedelta(minutes=45)
"""Documented lifetime of a token, used if neither the response nor the token states one.
https://docs.nomad.media/docs/authentication-guide"""

MAX_TOKEN_LIFETIME = timedelta(hours=24)
"""Longest lifetime accepted: the tokens come from Amazon Cognito, which issues none for longer than a day."""

POLICY = RenewalPolicy(
    # three quarters of the default hour: the 45 minutes of https://docs.nomad.media/docs/authentication-guide
    margin=timedelta(minutes=15),
    jitter=timedelta(seconds=60),
)

INTERACTIVE_POLICY = attrs.evolve(POLICY, deadline=timedelta(minutes=5))
"""Used if a person may be asked for a code: half a minute is too short to find the phone."""

_API = "api"


def choose_base_url(base_url: object) -> URL:
    """Return the address of the API: the root as given, with ``/api`` appended unless its path already ends with it.

    Both forms occur in Nomad's own documents: https://docs.nomad.media/docs/quickstart and
    https://docs.nomad.media/docs/javascript-sdk-authentication

    Raises:
        ConfigurationError: no URL was given (each customer has other hosts), or an unsafe one.
    """
    if base_url is None:
        raise ConfigurationError(
            "which Nomad Media is meant? Set base_url (NOMAD_MEDIA_BASE_URL) to your own admin host, such as "
            "https://admin-app.example.com; each customer has one"
        )
    url = parse_base_url(base_url, setting="base_url")
    return url if url.name.lower() == _API else url / _API
