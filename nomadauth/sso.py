"""Single sign-on: the address to open in a browser, and the tokens in the address it comes back to.

Source: https://docs.nomad.media/docs/authentication-guide
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

import attrs
from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import parse_base_url
from nauth.secret import Secret
from nomadauth.config import choose_base_url
from nomadauth.errors import NomadMalformedResponseError
from nomadauth.lifetime import sso_expiry

__all__ = ["SSOReturn", "check_provider", "hidden", "parse_callback", "sso_login_url", "sso_root"]

_log = logging.getLogger("nomadauth")

_PROVIDER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?", re.ASCII)
_TOKEN, _REFRESH = "_token", "_refresh_token"
_LONGEST = 65_536
"""Longest address that is parsed, in characters; no server accepts a longer one."""


@attrs.frozen(kw_only=True)
class SSOReturn:
    """The tokens in the address the browser came back to. The repr shows neither.

    Attributes:
        prefix: the text before ``_token``; usually the provider.
        token: the bearer token.
        refresh_token: renews it, if there was one.
        expires_at: expiry of `token`, if the address states it.
        confirmed: whether the address has ``authCallback``.
    """

    prefix: str
    token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    confirmed: bool = True


def check_provider(provider: object) -> str:
    """Return `provider` if it can be one segment of a path.

    Raises:
        ConfigurationError: it cannot.
    """
    if not isinstance(provider, str) or not _PROVIDER.fullmatch(provider.strip()):
        raise ConfigurationError(
            "provider must be the word your environment was set up with, such as 'azure': letters, digits, '.', '_' "
            "and '-'"
        )
    return provider.strip()


def sso_root(base_url: URL, sso_base_url: object) -> URL:
    """Return the URL that ``/{provider}/...`` is below: ``/auth`` below the API's address or `sso_base_url`.

    Raises:
        ConfigurationError: an unsafe `sso_base_url`.
    """
    root = base_url if sso_base_url is None else parse_base_url(sso_base_url, setting="sso_base_url")
    return root / "auth"


def sso_login_url(provider: str, base_url: str | URL, *, sso_base_url: str | URL | None = None) -> str:
    """Return the address to open in a browser. Pass the address it comes back to, to `NomadSSO.from_callback`.

    Args:
        provider: the word your environment was set up with, such as ``"azure"``.
        base_url: as for `NomadClient`.
        sso_base_url: the URL that ``/auth`` is below, if not the API's address.

    Raises:
        ConfigurationError: `provider` cannot be part of a path, or an address is unsafe.
    """
    return str(sso_root(choose_base_url(base_url), sso_base_url) / check_provider(provider) / "login")


def parse_callback(
    returned: str | Secret, *, provider: str | None = None, now: datetime, request_id: str | None = None
) -> SSOReturn:
    """Read tokens out of the address a browser came back to.

    The tokens stand in ``{provider}_token`` and ``{provider}_refresh_token``; Nomad's own code uses another prefix
    than its documents, so if that key is missing, a single other key that ends in ``_token`` counts. Percent-encoding
    is decoded once; a plus sign stays a plus sign.

    Args:
        returned: the whole address, or its query with or without the question mark. A secret: never logged, never
            quoted in an error.
        provider: the prefix to look for; if None, there must be exactly one.
        now: aware wall time, for an `expires` in seconds.
        request_id: of the response that held the address, for the error.

    Raises:
        NomadMalformedResponseError: the address holds no token, or several.
        ConfigurationError: `returned` is no text.
    """
    found = _query(hidden(returned))
    # an error tracker prints the locals of every frame the error passed through
    del returned
    prefix = _prefix(found, provider, request_id)
    confirmed = "authCallback" in found
    if not confirmed:
        _log.warning("the SSO return has no authCallback; its tokens are taken all the same")
    return SSOReturn(
        prefix=prefix,
        token=found[f"{prefix}{_TOKEN}"],
        refresh_token=found.get(f"{prefix}{_REFRESH}"),
        expires_at=sso_expiry(found["expires"].reveal(), now=now) if "expires" in found else None,
        confirmed=confirmed,
    )


def hidden(returned: object) -> Secret:
    """Wrap the address a browser came back to as a `Secret`.

    Raises:
        ConfigurationError: it is no text.
    """
    if not isinstance(returned, str | Secret):
        raise ConfigurationError(f"an SSO return is text, not {type(returned).__name__}")
    return Secret(str(returned)) if isinstance(returned, str) else returned


def _query(returned: Secret) -> Mapping[str, Secret]:
    """Return the keys that matter with decoded values, without blank ones. No local holds a value unwrapped."""
    found: dict[str, Secret] = {}
    for pair in map(Secret, _query_text(returned).reveal().split("&")):
        name = Secret(unquote(pair.reveal().partition("=")[0]))
        value = Secret(unquote(pair.reveal().partition("=")[2]).strip())
        # other names are dropped: they may be anything, even a token pasted in the wrong place
        if name.reveal() == "authCallback" or (value and name.reveal().endswith((_TOKEN, "expires"))):
            found.setdefault(name.reveal(), value)
    return found


def _query_text(returned: Secret) -> Secret:
    if len(returned.reveal()) > _LONGEST:
        return Secret("")
    # the query is what follows the last question mark; a bare query has none
    return Secret(returned.reveal().strip().partition("#")[0].rpartition("?")[2])


def _prefix(found: Mapping[str, Secret], provider: str | None, request_id: str | None) -> str:
    if provider is not None and f"{provider}{_TOKEN}" in found:
        return provider
    others = [name for name in found if name.endswith(_TOKEN) and not name.endswith(_REFRESH)]
    if len(others) == 1:
        return others[0].removesuffix(_TOKEN)
    problem = "no key ends" if not others else f"{len(others)} keys end"
    raise NomadMalformedResponseError(
        f"the SSO return could not be understood: {problem} in _token. It should be the whole address the browser "
        "came back to, with the tokens in its query; sign in again and copy it, or name the provider",
        problems=(f"{problem} in _token",),
        request_id=request_id,
    )
