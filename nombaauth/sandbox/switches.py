"""Every point on which Nomba's documents are silent or at odds, as a named switch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, TypedDict, get_args

import attrs

from nauth.testing.switches import Switchboard, switch_values

__all__ = ["SWITCHES", "SwitchOptions", "Switches", "parse"]

BadSecret: TypeAlias = Literal[
    "401_code_401", "401_code_01", "400_code_01", "403", "404", "200_code_01", "200_data_null"
]
BadAccountId: TypeAlias = Literal["401", "403", "404", "200_code_401"]
SubAccountHeader: TypeAlias = Literal["403", "401", "works"]
WrongEnvironment: TypeAlias = Literal["issue_ok_then_403", "issue_ok_then_401", "issue_refused"]
AccessTtl: TypeAlias = Literal["1800", "3600", "10800", "short"]
ExpiresAt: TypeAlias = Literal[
    "ms_z",
    "s_z",
    "nanos",
    "offset_colon",
    "offset_plain",
    "naive",
    "epoch_s",
    "epoch_ms",
    "epoch_string",
    "expires_in",
    "missing",
    "garbage",
    "past",
]
ExpiresAtSkew: TypeAlias = Literal["none", "plus_1h", "minus_1h"]
DateHeader: TypeAlias = Literal["present", "absent", "skewed"]
RefreshBearer: TypeAlias = Literal["live_only", "expired_ok", "not_needed"]
RefreshRotation: TypeAlias = Literal["same", "new_old_lives", "new_old_dies", "omitted", "empty"]
NoYes: TypeAlias = Literal["no", "yes"]
RefreshTtl: TypeAlias = Literal["unlimited", "seconds:60"]
RefreshRefused: TypeAlias = Literal[
    "401_code_02", "401_code_401", "400", "403", "404", "200_code_02", "200_code_01"
]
SessionScope: TypeAlias = Literal["client_id", "account", "none"]
SecondIssue: TypeAlias = Literal["kills_first", "kills_after_grace", "keeps_first"]
ExpiredTokenSignal: TypeAlias = Literal[
    "401_code_401", "401_code_02", "401_empty", "202_code_401", "200_code_401"
]
RevokeAccountId: TypeAlias = Literal["ignored", "required"]
RevokeScope: TypeAlias = Literal["access_only", "access_and_refresh"]
RevokeDeadToken: TypeAlias = Literal["200_00", "401", "404", "200_code_02"]
RateClass: TypeAlias = Literal["off", "regular", "elevated", "low"]
AuthQuota: TypeAlias = Literal["shared", "separate", "none"]
RateHeaders: TypeAlias = Literal[
    "window_1s", "window_60s", "absent", "retry_after_seconds", "retry_after_date"
]
CodeType: TypeAlias = Literal["string", "int"]
FieldCase: TypeAlias = Literal["snake", "camel"]
BusinessId: TypeAlias = Literal["present", "absent"]
StatusField: TypeAlias = Literal["absent", "true", "false_on_success"]
ErrorData: TypeAlias = Literal["absent", "null"]
ErrorBody: TypeAlias = Literal[
    "code_description", "message", "response_code", "errors_array", "html", "empty", "list"
]
FailureTransport: TypeAlias = Literal["http_status", "http_200"]
IpAllowList: TypeAlias = Literal["off", "401", "403", "issue_403"]

Span: TypeAlias = timedelta | float
"""A duration: a timedelta, or a number of seconds."""


class SwitchOptions(TypedDict, total=False):
    """The switches as `NombaSandbox` takes them: each may be left out."""

    bad_secret: BadSecret
    bad_account_id: BadAccountId
    sub_account_header: SubAccountHeader
    wrong_environment: WrongEnvironment
    access_ttl: AccessTtl | Span
    expires_at: ExpiresAt
    expires_at_skew: ExpiresAtSkew
    date_header: DateHeader
    refresh_bearer: RefreshBearer
    refresh_rotation: RefreshRotation
    refresh_kills_old_access: NoYes
    refresh_ttl: str | Span
    refresh_refused: RefreshRefused
    session_scope: SessionScope
    second_issue: SecondIssue
    expired_token_signal: ExpiredTokenSignal
    revoke_account_id: RevokeAccountId
    revoke_scope: RevokeScope
    revoke_dead_token: RevokeDeadToken
    rate_class: RateClass
    auth_quota: AuthQuota
    rate_headers: RateHeaders
    code_type: CodeType
    field_case: FieldCase
    business_id: BusinessId
    status_field: StatusField
    error_data: ErrorData
    error_body: ErrorBody
    failure_transport: FailureTransport
    ip_allow_list: IpAllowList


SWITCHES: Mapping[str, tuple[str, ...]] = switch_values(SwitchOptions, {"refresh_ttl": get_args(RefreshTtl)})
"""Switch -> all its values, the default first. `refresh_ttl` takes any "seconds:N"; one stands here for all."""


_BOARD = Switchboard("NombaSandbox", SWITCHES)


@attrs.frozen(kw_only=True)
class Switches:
    """The switches as set, lifetimes as durations (`refresh_ttl` None: without limit)."""

    bad_secret: BadSecret = "401_code_401"
    bad_account_id: BadAccountId = "401"
    sub_account_header: SubAccountHeader = "403"
    wrong_environment: WrongEnvironment = "issue_ok_then_403"
    access_ttl: timedelta = timedelta(seconds=1800)
    expires_at: ExpiresAt = "ms_z"
    expires_at_skew: ExpiresAtSkew = "none"
    date_header: DateHeader = "present"
    refresh_bearer: RefreshBearer = "live_only"
    refresh_rotation: RefreshRotation = "same"
    refresh_kills_old_access: NoYes = "no"
    refresh_ttl: timedelta | None = None
    refresh_refused: RefreshRefused = "401_code_02"
    session_scope: SessionScope = "client_id"
    second_issue: SecondIssue = "kills_first"
    expired_token_signal: ExpiredTokenSignal = "401_code_401"
    revoke_account_id: RevokeAccountId = "ignored"
    revoke_scope: RevokeScope = "access_only"
    revoke_dead_token: RevokeDeadToken = "200_00"
    rate_class: RateClass = "off"
    auth_quota: AuthQuota = "shared"
    rate_headers: RateHeaders = "window_1s"
    code_type: CodeType = "string"
    field_case: FieldCase = "snake"
    business_id: BusinessId = "present"
    status_field: StatusField = "absent"
    error_data: ErrorData = "absent"
    error_body: ErrorBody = "code_description"
    failure_transport: FailureTransport = "http_status"
    ip_allow_list: IpAllowList = "off"


def parse(options: Mapping[str, object]) -> Switches:
    """Check `options` and return them with their defaults.

    Raises:
        ConfigurationError: an unknown switch or value; the text lists what there is.
    """
    checked = _BOARD.checked(options, _LIFETIMES)
    return Switches(**checked)  # type: ignore[arg-type]  # each value was checked against its Literal's own members


_LIFETIMES: Mapping[str, Callable[[object], object]] = {
    "access_ttl": functools.partial(_BOARD.life, "access_ttl"),
    "refresh_ttl": functools.partial(_BOARD.limit, "refresh_ttl"),
}
