"""Records are frozen, keyword-only, and show no secret."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from nauth.wire.converter import decode
from nombaauth import (
    AnswerMeta,
    Balance,
    Envelope,
    IssueTokenRequest,
    RateLimit,
    RefreshTokenRequest,
    RevokeTokenRequest,
    Secret,
    TokenData,
    models,
)
from nombaauth.converter import CONVERTER

_CANARY = "CANARY-4711"


@pytest.mark.parametrize(
    "record",
    [
        IssueTokenRequest(client_id="id", client_secret=Secret(_CANARY)),
        RefreshTokenRequest(refresh_token=Secret(_CANARY)),
        RevokeTokenRequest(client_id="id", access_token=Secret(_CANARY)),
        TokenData(access_token=Secret(_CANARY), refresh_token=Secret(_CANARY), expires_in=_CANARY),
        Envelope(code="00", data=TokenData(access_token=Secret(_CANARY))),
    ],
)
def test_no_record_shows_a_secret(record: object) -> None:
    """Neither repr nor str of anything that travels shows what must not be seen."""
    assert _CANARY not in f"{record!r}{record}"


@pytest.mark.parametrize("name", models.__all__)
def test_records_are_frozen_and_keyword_only(name: str) -> None:
    """No record can be changed after it was made, or filled by position, but for those that each response makes two of."""
    fields = attrs.fields(getattr(models, name))
    assert all(field.kw_only for field in fields) or name in {"AnswerMeta", "Envelope"}
    assert getattr(models, name).__setattr__ is not object.__setattr__


def test_a_balance_is_exact() -> None:
    """The amount is a decimal and the instant is aware."""
    wire = {"amount": "281946.10", "currency": "NGN", "timeCreated": "2026-03-08T14:56:59.000Z"}
    assert decode(CONVERTER, wire, Balance) == Balance(
        amount=Decimal("281946.10"), currency="NGN", time_created=datetime(2026, 3, 8, 14, 56, 59, tzinfo=UTC)
    )


def test_meta_is_not_read_from_the_body() -> None:
    """A body cannot bring status or headers of its own."""
    read = decode(CONVERTER, {"code": "00", "data": 1, "meta": {"status": 1}}, Envelope[object])
    assert read.meta == AnswerMeta(status=200, sent_wall_s=0.0)
    assert AnswerMeta(status=200, sent_wall_s=0.0).rate_limit is None
    assert RateLimit() == RateLimit(limit=None, remaining=None, window=None)
