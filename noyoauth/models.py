"""What travels between a client and Noyo, named as the components of an OpenAPI description would be.

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
"""Marks an instant that the wire carries as a number."""

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
    """Body of `POST /auth/public/token`: this one member and no other. The key goes into the Basic header."""

    grant_type: Literal["client_credentials"] = "client_credentials"


@attrs.frozen(kw_only=True)
class TokenAnswer:
    """Answer to `POST /auth/public/token`.

    Attributes:
        access_token: a JWT, says the documentation.
        expires_in: the documents say milliseconds; whatever came, uninterpreted. A number that no float can hold is
            its own text. See `noyoauth.lifetime`.
        token_type: documented as ``Bearer``; nothing depends on it.
    """

    access_token: Secret
    expires_in: object = attrs.field(default=None, repr=False)
    token_type: str | None = None


@attrs.frozen(kw_only=True)
class ListGroupsRequest:
    """Query of `GET /api/v1/groups`.

    Source: https://docs.noyo.com/docs/using-the-api

    Raises:
        ConfigurationError: `page_size` is not within 5 and 100, or `offset` is negative.
    """

    page_size: int = attrs.field(default=20, validator=_within(5, 100))
    offset: int = attrs.field(default=0, validator=_within(0, None))


@attrs.frozen(kw_only=True)
class PageMeta:
    """Where a page stands in its list.

    Attributes:
        offset: how many items come before this page.
        page_size: how many items a full page has.
        page_num: from 1; the documents' own samples contradict `offset`, so nothing here relies on it.
        total_records: how many items there are; not promised.
    """

    offset: int
    page_size: int
    page_num: int | None = None
    total_records: int | None = None


@attrs.frozen(kw_only=True)
class Group:
    """An employer group. `federal_ein` stays out of the repr: it identifies a tax payer."""

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
    """One page of the organization's groups; a fresh sandbox has one group."""

    meta: PageMeta
    response: tuple[Group, ...]


@attrs.frozen(kw_only=True)
class ErrorBody:
    """What an API's refusal said. Bodies are documented in four shapes, so everything may be missing.

    Attributes:
        status: repeats the HTTP status in most bodies, is the word ``error`` in some.
        message: Noyo's words, cleaned for people; never to branch on.
        fields: the whole JSON object, unknown keys included; empty if it was none.
        raw: the body as received.
    """

    status: int | str | None = None
    message: str | None = None
    fields: Mapping[str, object] = attrs.field(factory=dict[str, object], repr=_names_only, hash=False)
    raw: bytes = attrs.field(default=b"", repr=_size_only)
