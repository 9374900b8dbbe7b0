"""Requests and responses of NAO Cloud, named as the components of an OpenAPI description would be.

Sources: https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication and .../4-fetching-data
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs

from nauth.secret import Secret

__all__ = ["Pagination", "Session", "SessionLogin", "SessionRequest", "Site", "SitePage"]


@attrs.frozen(kw_only=True)
class SessionLogin:
    """E-mail and password of the account that signs in."""

    email: str
    password: Secret


@attrs.frozen(kw_only=True)
class SessionRequest:
    """Body of `POST /api/v2/sessions` in its variant with e-mail and password; the other has none."""

    session: SessionLogin


@attrs.frozen(kw_only=True)
class Session:
    """The content of a sessions response, found by the rules of `naoauth.session_response`.

    Attributes:
        jwt: sent in `Authorization` without a scheme.
        lifetime: counted from when the request was sent.
        sent_wall_s: when the request was sent, in epoch seconds of this machine's clock.
        auth_token: the account's permanent API key, if the response holds it. The client does not keep it.
    """

    jwt: Secret
    lifetime: timedelta
    sent_wall_s: float
    auth_token: Secret | None = None


@attrs.frozen(kw_only=True)
class Site:
    """One site. `attributes` is as received: no page documents its members."""

    id: str
    type: str | None = None
    attributes: Mapping[str, object] = attrs.field(factory=dict[str, object], repr=False, hash=False)

    @property
    def name(self) -> str | None:
        """The site's name, if it has one."""
        name = self.attributes.get("name")
        return name if isinstance(name, str) else None


@attrs.frozen(kw_only=True)
class Pagination:
    """Number of this page (from 1) and of all records; None if the response does not say."""

    current: int | None = None
    records: int | None = None


@attrs.frozen(kw_only=True)
class SitePage:
    """One page of `GET /api/v2/sites`."""

    sites: tuple[Site, ...] = ()
    pagination: Pagination = Pagination()
