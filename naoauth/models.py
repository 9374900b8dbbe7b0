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
    """The account that signs in.

    Attributes:
        email: its e-mail address.
        password: its password.
    """

    email: str
    password: Secret


@attrs.frozen(kw_only=True)
class SessionRequest:
    """Body of `POST /api/v2/sessions` with e-mail and password; with the API key there is no body.

    Attributes:
        session: e-mail and password.
    """

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
    """One site.

    Attributes:
        id: the site's id; a number is kept as text.
        type: JSON:API's resource type, if the response has it.
        attributes: as received, because no page documents its members. Not in the repr.
    """

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
    """Position of a page; each member is None if the response does not say.

    Attributes:
        current: number of this page, from 1.
        records: number of all records.
    """

    current: int | None = None
    records: int | None = None


@attrs.frozen(kw_only=True)
class SitePage:
    """One page of `GET /api/v2/sites`.

    Attributes:
        sites: the sites on it.
        pagination: its position.
    """

    sites: tuple[Site, ...] = ()
    pagination: Pagination = Pagination()
