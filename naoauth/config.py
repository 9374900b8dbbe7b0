"""NAO Cloud's host, lifetimes and margins, each with the page that says so, and how a setting becomes a URL.

K2 is https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication
"""

from __future__ import annotations

from datetime import timedelta

from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import parse_base_url
from nauth.token import RenewalPolicy

__all__ = [
    "API_PATH",
    "AUTHORIZE_PATH",
    "DEFAULT_LIFETIME",
    "HOST",
    "NAME",
    "POLICY",
    "REVOKE_PATH",
    "TOKEN_PATH",
    "USER_AGENT",
    "VENDOR",
    "below",
    "choose_base_url",
]

VENDOR = "nao"
NAME = "NAO Cloud"
USER_AGENT = "nauth (naoauth)"

HOST = URL("https://www.nao-cloud.com")
"""K2. There is no sandbox; branded and on-premises instances have other hosts."""

API_PATH = "/api/v2"
"""K2 and https://polestar.zohodesk.com/portal/en/kb/articles/3-url-design"""

AUTHORIZE_PATH = "/oauth/authorize"
"""https://polestar.zohodesk.com/portal/en/kb/articles/overview-19-9-2024-1"""

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
REVOKE_PATH = "/oauth/revoke"
"""Not documented: the defaults of the software that is likely behind it. Each is a setting of `NaoOAuth`."""

DEFAULT_LIFETIME = timedelta(hours=24)
"""K2: "The token validity is usually 24 hours". Used if a response states no expiry that can be read."""

POLICY = RenewalPolicy(margin=timedelta(minutes=5), jitter=timedelta(seconds=30))
"""K2 says to use the expiry date to know when to renew, not how early: five minutes is our choice."""


def choose_base_url(environment: object, base_url: object) -> URL:
    """Return the address of the service, without ``/api/v2``.

    Args:
        environment: must be None: NAO Cloud has no environments. The parameter exists because every vendor's client
            has it.
        base_url: another instance, with or without ``/api/v2``; NAO Cloud itself if None.

    Raises:
        ConfigurationError: an environment was named, or the address is no https URL.
    """
    if environment is not None:
        raise ConfigurationError(
            "NAO Cloud has no environments: leave environment out, and name another instance by base_url (NAO_BASE_URL)"
        )
    if base_url is None:
        return HOST
    url = parse_base_url(base_url, setting="base_url")
    return url.with_path(url.raw_path.removesuffix(API_PATH).rstrip("/"), encoded=True)


def below(base_url: URL, path: str) -> URL:
    """Return the address of `path`, which starts with a slash, below the path of `base_url`."""
    return base_url.with_path(f"{base_url.raw_path.rstrip('/')}{path}", encoded=True)
