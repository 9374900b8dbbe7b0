"""Requests and responses of Noyo, named as the components of an OpenAPI description would be.

Sources: https://docs.noyo.com/docs/introduction/getting-started/authentication and
https://docs.noyo.com/api-reference/ (fulfillment.json)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import attrs

from nauth.errors import ConfigurationError
from nauth.responses.reply import AnswerMeta, Reply
from nauth.secret import Secret

__all__ = [
    "EPOCH_S",
    "AnswerMeta",
    "ErrorBody",
    "Group",
    "GroupsPage",
    "IssueTokenRequest",
    "ListGroupsRequest",
    "PageMeta",
    "Reply",
    "TokenAnswer",
]

EPOCH_S: Final = "seconds since 1970"
"""Marks an instant that the JSON holds as a number."""

EpochInstant: TypeAlias = Annotated[datetime, EPOCH_S]


def _names_only(fields: Mapping[str, object]) -> str:
    return f"<{len(fields)} fields>"


def _size_only(raw: bytes) -> str:
    return f"<{len(raw)} bytes>"


def _within(low: int, high: int | None) -> Any:
    def check(_: object, attribute: attrs.Attribute[int], value: object) -> None:
        # type(), as True is an int
        if type(value) is not int or value < low or (high is not None and value > high):
            limits = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise ConfigurationError(f"{attribute.name} must be a whole number {limits}")

    return check


@attrs.frozen(kw_only=True)
class IssueTokenRequest:
    """Body of `POST /auth/public/token`: this one member and no other. The key goes into the Basic header.

    Attributes:
        grant_type: always ``client_credentials``.
    """

    grant_type: Literal["client_credentials"] = "client_credentials"


@attrs.frozen(kw_only=True)
class TokenAnswer:
    """Response to `POST /auth/public/token`.

    Attributes:
        access_token: a JWT, says the documentation.
        expires_in: the documents say milliseconds; here as received. A number that no float can hold is kept as text.
            See `noyoauth.lifetime`.
        token_type: documented as ``Bearer``; nothing depends on it.
    """

    access_token: Secret
    expires_in: object = attrs.field(default=None, repr=False)
    token_type: str | None = None


@attrs.frozen(kw_only=True)
class ListGroupsRequest:
    """Query of `GET /api/v1/groups`.

    Source: https://docs.noyo.com/docs/using-the-api

    Attributes:
        page_size: groups on a page, from 5 to 100.
        offset: groups to skip.

    Raises:
        ConfigurationError: `page_size` is not within 5 and 100, or `offset` is negative.
    """

    page_size: int = attrs.field(default=20, validator=_within(5, 100))
    offset: int = attrs.field(default=0, validator=_within(0, None))


@attrs.frozen(kw_only=True)
class PageMeta:
    """Position of a page in its list.

    Attributes:
        offset: how many items come before this page.
        page_size: how many items a full page has.
        page_num: from 1; the documents' own samples contradict `offset`, so nothing here relies on it.
        total_records: how many items there are; Noyo does not promise it.
    """

    offset: int
    page_size: int
    page_num: int | None = None
    total_records: int | None = None


@attrs.frozen(kw_only=True)
class Group:
    """An employer group.

    Attributes:
        id: Noyo's id of the group.
        version: changes with each update of the record; updates name it in their path.
        created: when the record was created.
        modified: when it was last changed.
        name: the group's name.
        organization_id: the organization it belongs to.
        dba_name: the name it does business under.
        federal_ein: tax number; not in the repr, because it identifies a tax payer.
        sic_code: code of its industry.
    """

    id: str
    version: str
    created: EpochInstant
    modified: EpochInstant
    name: str
    organization_id: str | None = None
    dba_name: str | None = None
    federal_ein: str | None = attrs.field(default=None, repr=False)
    sic_code: str | None = None


@attrs.frozen(kw_only=True)
class GroupsPage:
    """One page of the organization's groups; a fresh sandbox of Noyo has one group.

    Attributes:
        meta: position of the page in the list.
        response: the groups.
    """

    meta: PageMeta
    response: tuple[Group, ...]


@attrs.frozen(kw_only=True)
class ErrorBody:
    """The body of an error response. It is documented in four forms, so every member may be missing.

    Attributes:
        status: repeats the HTTP status in most bodies, is the word ``error`` in some.
        message: Noyo's message, cleaned; for people to read, not for code to compare.
        fields: the whole JSON object, unknown keys included; empty if the body was none.
        raw: the body as received.
    """

    status: int | str | None = None
    message: str | None = None
    fields: Mapping[str, object] = attrs.field(factory=dict[str, object], repr=_names_only, hash=False)
    raw: bytes = attrs.field(default=b"", repr=_size_only)
