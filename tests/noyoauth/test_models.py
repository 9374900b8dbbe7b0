"""Records are frozen, keyword-only, and show no secret."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from nauth.wire.converter import decode, encode
from noyoauth import (
    ConfigurationError,
    ErrorBody,
    Group,
    GroupsPage,
    IssueTokenRequest,
    ListGroupsRequest,
    PageMeta,
    Secret,
    TokenAnswer,
    models,
)
from noyoauth.converter import CONVERTER
from noyoauth.sandbox.data import EIN, group

_CANARY = "CANARY-4711"
_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "record",
    [
        TokenAnswer(access_token=Secret(_CANARY), expires_in=_CANARY),
        ErrorBody(fields={_CANARY: _CANARY}, raw=_CANARY.encode()),
        Group(id="1", version="1", created=_AT, modified=_AT, name="g", federal_ein=_CANARY),
    ],
)
def test_no_record_shows_a_secret(record: object) -> None:
    """Neither repr nor str of anything that travels shows what must not be seen."""
    assert _CANARY not in f"{record!r}{record}"


@pytest.mark.parametrize("name", [name for name in models.__all__ if isinstance(getattr(models, name), type)])
def test_records_are_frozen_and_keyword_only(name: str) -> None:
    """No record can be changed after it was made, or filled by position, but for those that each response makes two of."""
    fields = attrs.fields(getattr(models, name))
    assert all(field.kw_only for field in fields) or name in {"AnswerMeta", "Reply"}
    assert getattr(models, name).__setattr__ is not object.__setattr__


def test_the_token_request_has_one_member() -> None:
    """The grant type and nothing else, as JSON."""
    assert encode(CONVERTER, IssueTokenRequest()) == b'{"grant_type":"client_credentials"}'


def test_a_page_is_typed() -> None:
    """Instants are aware, what is optional is None, and unknown keys do no harm."""
    wire = {
        "meta": {"offset": 0, "page_num": 1, "page_size": 5, "total_records": 1, "new": 1},
        "response": [{**group(1), "new": []}],
    }
    page = decode(CONVERTER, wire, GroupsPage)
    assert page.meta == PageMeta(offset=0, page_num=1, page_size=5, total_records=1)
    (found,) = page.response
    assert (found.name, found.created, found.modified) == ("Sandbox Group", _AT, _AT)
    assert (found.federal_ein, found.dba_name, found.sic_code) == (EIN, None, None)
    assert EIN not in repr(page)


@pytest.mark.parametrize("page_size", [4, 101, 0, -1, True, 5.0, "5", None])
def test_a_page_size_out_of_bounds_is_refused(page_size: object) -> None:
    """Noyo's documented limits are 5 and 100; True is no number."""
    with pytest.raises(ConfigurationError, match="page_size must be a whole number from 5 to 100"):
        ListGroupsRequest(page_size=page_size)  # type: ignore[arg-type]  # that is the point


def test_a_negative_offset_is_refused() -> None:
    """An offset has no upper limit, but begins at nothing."""
    assert ListGroupsRequest(offset=10**9).page_size == 20
    with pytest.raises(ConfigurationError, match="offset must be a whole number of at least 0"):
        ListGroupsRequest(offset=-1)
