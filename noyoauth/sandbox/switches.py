"""Every point on which Noyo's documents are silent or at odds, as a named switch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, TypedDict, get_args

import attrs

from nauth.testing.switches import Switchboard, switch_values

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


SWITCHES: Mapping[str, tuple[str, ...]] = switch_values(
    SwitchOptions, {"concurrent_tokens": get_args(ConcurrentTokens)}
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


def _concurrent_tokens(value: object) -> int | None:
    if value == "all_live":
        return None
    if value == "newest_only":
        return 1
    number = value.removeprefix("max:") if isinstance(value, str) and value.startswith("max:") else ""
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise _BOARD.wrong("concurrent_tokens", value, ", with any number")
    return int(number)


_SPECIAL: Mapping[str, Callable[[object], object]] = {
    "real_lifetime": functools.partial(_BOARD.life, "real_lifetime"),
    "concurrent_tokens": _concurrent_tokens,
}
