"""Every point on which Noyo's documents are silent or at odds, as a named switch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias, TypedDict, get_args

import attrs

from nauth.testing.switches import Switchboard

__all__ = ["SWITCHES", "SwitchOptions", "Switches", "parse"]

TokenKind: TypeAlias = Literal["jwt_iat_exp", "jwt_exp_only", "jwt_no_times", "jwt_bad_payload", "opaque"]
RealLifetime: TypeAlias = Literal["600", "864", "short"]
ExpiresIn: TypeAlias = Literal[
    "864000",
    "600000",
    "600",
    "864",
    "86400",
    '"864000"',
    "0",
    "-1",
    "null",
    "absent",
    '"soon"',
    "1e400",
]
TokenType: TypeAlias = Literal["Bearer", "bearer", "absent"]
TokenRefusal: TypeAlias = Literal["401", "400", "403"]
TokenErrorBody: TypeAlias = Literal[
    "message", "message_status_int", "message_status_error", "oauth_error", "text", "html", "empty"
]
Api401Body: TypeAlias = Literal["message", "message_status_int", "oauth_error", "text", "html", "empty"]
WwwAuthenticate: TypeAlias = Literal["absent", "bearer_error", "garbage"]
CrossEnvironment: TypeAlias = Literal["401", "403", "404"]
ConcurrentTokens: TypeAlias = Literal["all_live", "newest_only", "max:2"]
KeyRotation: TypeAlias = Literal["old_key_dies_tokens_live", "old_key_and_tokens_die", "overlap"]
ErrorStatusField: TypeAlias = Literal["int", "string_error", "absent"]
TotalRecords: TypeAlias = Literal["present", "absent"]
PageNum: TypeAlias = Literal["consistent", "inconsistent"]
Throttle: TypeAlias = Literal["off", "429_seconds", "429_http_date", "429_bare"]
Maintenance: TypeAlias = Literal["off", "503_seconds", "503_http_date", "503_bare", "502_html"]
RequestId: TypeAlias = Literal["none", "x-request-id", "x-cloud-trace-context"]
TokenRedirect: TypeAlias = Literal["off", "307_other_host", "302_same_host"]

Span: TypeAlias = timedelta | float
"""A duration: a timedelta, or a number of seconds."""

_SHORT = timedelta(seconds=2)


class SwitchOptions(TypedDict, total=False):
    """The switches as `NoyoSandbox` takes them: each may be left out."""

    token_kind: TokenKind
    real_lifetime: RealLifetime | Span
    expires_in: ExpiresIn
    token_type: TokenType
    token_refusal: TokenRefusal
    token_error_body: TokenErrorBody
    api_401_body: Api401Body
    www_authenticate: WwwAuthenticate
    cross_environment: CrossEnvironment
    concurrent_tokens: str
    key_rotation: KeyRotation
    error_status_field: ErrorStatusField
    total_records: TotalRecords
    page_num: PageNum
    throttle: Throttle
    maintenance: Maintenance
    request_id: RequestId
    token_redirect: TokenRedirect


SWITCHES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "token_kind": get_args(TokenKind),
        "real_lifetime": get_args(RealLifetime),
        "expires_in": get_args(ExpiresIn),
        "token_type": get_args(TokenType),
        "token_refusal": get_args(TokenRefusal),
        "token_error_body": get_args(TokenErrorBody),
        "api_401_body": get_args(Api401Body),
        "www_authenticate": get_args(WwwAuthenticate),
        "cross_environment": get_args(CrossEnvironment),
        "concurrent_tokens": get_args(ConcurrentTokens),
        "key_rotation": get_args(KeyRotation),
        "error_status_field": get_args(ErrorStatusField),
        "total_records": get_args(TotalRecords),
        "page_num": get_args(PageNum),
        "throttle": get_args(Throttle),
        "maintenance": get_args(Maintenance),
        "request_id": get_args(RequestId),
        "token_redirect": get_args(TokenRedirect),
    }
)
"""Switch -> all its values, the default first. `concurrent_tokens` takes any "max:N"; one stands here for all."""


_BOARD = Switchboard("NoyoSandbox", SWITCHES)


@attrs.frozen(kw_only=True)
class Switches:
    """The switches as set, the lifetime as a duration (`concurrent_tokens` None: without limit)."""

    token_kind: TokenKind = "jwt_iat_exp"
    real_lifetime: timedelta = timedelta(seconds=600)
    expires_in: ExpiresIn = "864000"
    token_type: TokenType = "Bearer"
    token_refusal: TokenRefusal = "401"
    token_error_body: TokenErrorBody = "message"
    api_401_body: Api401Body = "message"
    www_authenticate: WwwAuthenticate = "absent"
    cross_environment: CrossEnvironment = "401"
    concurrent_tokens: int | None = None
    key_rotation: KeyRotation = "old_key_dies_tokens_live"
    error_status_field: ErrorStatusField = "int"
    total_records: TotalRecords = "present"
    page_num: PageNum = "consistent"
    throttle: Throttle = "off"
    maintenance: Maintenance = "off"
    request_id: RequestId = "none"
    token_redirect: TokenRedirect = "off"


def parse(options: Mapping[str, object]) -> Switches:
    """Check `options` and return them with their defaults.

    Raises:
        ConfigurationError: an unknown switch or value; the text lists what there is.
    """
    checked = _BOARD.checked(options, _SPECIAL)
    return Switches(**checked)  # type: ignore[arg-type]  # each value was checked against its Literal's own members


def _real_lifetime(value: object) -> timedelta:
    if value == "short":
        return _SHORT
    if isinstance(value, str) and value in SWITCHES["real_lifetime"]:
        return timedelta(seconds=int(value))
    return _BOARD.span("real_lifetime", value)


def _concurrent_tokens(value: object) -> int | None:
    if value == "all_live":
        return None
    if value == "newest_only":
        return 1
    number = value.removeprefix("max:") if isinstance(value, str) and value.startswith("max:") else ""
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise _BOARD.wrong("concurrent_tokens", value, ", with any number")
    return int(number)


_SPECIAL = {"real_lifetime": _real_lifetime, "concurrent_tokens": _concurrent_tokens}
