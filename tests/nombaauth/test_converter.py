"""Nomba's spelling, both ways, and its codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nauth.wire.converter import MismatchError, decode, encode
from nombaauth import (
    Balance,
    Envelope,
    IssueTokenRequest,
    NombaMalformedResponseError,
    RefreshTokenRequest,
    RevokeTokenRequest,
    Secret,
    TokenData,
)
from nombaauth.converter import CONVERTER, code_text


@pytest.mark.parametrize(
    "value, text",
    [
        ("00", "00"),
        ("0", "00"),
        (0, "00"),
        (1, "01"),
        (" 2 ", "02"),
        ("401", "401"),
        (401, "401"),
        ("", ""),
        (" ", ""),
    ],
)
def test_a_code_is_text_of_two_digits(value: object, text: str) -> None:
    """Numbers and lone digits are filled up; an empty code is not the code of a success."""
    assert code_text(value) == text


@pytest.mark.parametrize("value", [None, True, 0.0, ["00"], {}])
def test_anything_else_is_no_code(value: object) -> None:
    """Flags, fractions, lists and null are refused by type."""
    with pytest.raises(MismatchError, match="expected str"):
        code_text(value)


@pytest.mark.parametrize(
    "request_, wire",
    [
        (
            IssueTokenRequest(client_id="id", client_secret=Secret("s")),
            {"grant_type": "client_credentials", "client_id": "id", "client_secret": "s"},
        ),
        (
            RefreshTokenRequest(refresh_token=Secret("r")),
            {"grant_type": "refresh_token", "refresh_token": "r"},
        ),
        (
            RevokeTokenRequest(client_id="id", access_token=Secret("a")),
            {"clientId": "id", "access_token": "a"},
        ),
    ],
)
def test_requests_are_spelled_as_documented(request_: object, wire: dict[str, str]) -> None:
    """Snake case for OAuth's own names, and the odd mixture of the revoke call."""
    assert json.loads(encode(CONVERTER, request_)) == wire


@pytest.mark.parametrize(
    "wire",
    [
        {
            "access_token": "a",
            "refresh_token": "r",
            "expiresAt": "2026-07-02T00:30:00Z",
            "businessId": "b",
            "expires_in": 5,
        },
        {
            "accessToken": "a",
            "refreshToken": "r",
            "expires_at": "2026-07-02T00:30:00Z",
            "business_id": "b",
            "expiresIn": 5,
        },
    ],
)
def test_token_data_is_read_in_either_case(wire: dict[str, Any]) -> None:
    """Snake and camel case give the same record."""
    data = decode(CONVERTER, wire, TokenData)
    assert (data.access_token, data.refresh_token) == (Secret("a"), Secret("r"))
    assert data.expires_at is not None
    assert (data.expires_at.isoformat(), data.business_id, data.expires_in) == (
        "2026-07-02T00:30:00+00:00",
        "b",
        5,
    )


def test_faults_name_the_wire_and_no_value() -> None:
    """The path is in the vendor's spelling, the value nowhere."""
    with pytest.raises(NombaMalformedResponseError) as refused:
        decode(
            CONVERTER,
            {"code": "00", "data": {"amount": "CANARY", "currency": 5}},
            Envelope[Balance],
            error=NombaMalformedResponseError,
        )
    assert refused.value.problems == (
        "$.data.amount: expected a decimal number, got another str",
        "$.data.currency: expected str, got int",
        "$.data.timeCreated: missing",
    )
    assert "CANARY" not in str(refused.value)
