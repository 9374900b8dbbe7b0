"""Every point on which Nomad's documents are silent or at odds, as a named switch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, TypedDict, get_args

import attrs

from nauth.testing.switches import Switchboard, switch_values

__all__ = ["SWITCHES", "SwitchOptions", "Switches", "parse"]

LoginIdMatch: TypeAlias = Literal["case_insensitive", "exact", "email_alias"]
JsonCase: TypeAlias = Literal["camel", "pascal"]
TokenField: TypeAlias = Literal["token", "authorizationToken", "accessToken"]
ExpiryValue: TypeAlias = Literal[
    "3600", "2700", "short", "string", "missing", "null", "zero", "negative", "huge"
]
ExpiryField: TypeAlias = Literal["expirationSeconds", "expiresIn"]
TokenLife: TypeAlias = Literal["as_stated", "2700"]
TokenKind: TypeAlias = Literal["jwt_iat_exp", "jwt_exp_only", "opaque"]
RefreshRotation: TypeAlias = Literal["omitted", "same", "new_old_lives", "new_old_dies"]
RefreshKillsOldToken: TypeAlias = Literal["no", "yes"]
RefreshLife: TypeAlias = Literal["unlimited", "seconds:60"]
RefreshRefusedStatus: TypeAlias = Literal["404", "400", "401", "403"]
BadLoginStatus: TypeAlias = Literal["404", "404_html", "400", "401"]
BlockedAccount: TypeAlias = Literal["http_403", "http_200_status"]
StatusWire: TypeAlias = Literal["string", "int", "unknown_string", "unknown_int"]
ExpiredTokenStatus: TypeAlias = Literal["401", "403"]
ErrorBody: TypeAlias = Literal[
    "problem", "json_string", "message_errors", "error_list", "error_map", "text", "html", "empty"
]
PublicCalls: TypeAlias = Literal["lenient", "strict"]
ApplicationId: TypeAlias = Literal["optional", "required"]
UserSession: TypeAlias = Literal["many", "newest_only"]
ReplacedSessionSignal: TypeAlias = Literal["ping_status", "401"]
LogoutSessionId: TypeAlias = Literal["optional", "required"]
AuthPing: TypeAlias = Literal["both", "get_ping_auth", "post_account_ping_auth", "absent"]
Mount: TypeAlias = Literal["/api", "/prefix/api"]
SsoMount: TypeAlias = Literal["/api/auth", "/auth"]
SsoPrefix: TypeAlias = Literal["azure", "azurePortal", "okta"]
SsoExpires: TypeAlias = Literal["absent", "seconds", "epoch_s", "epoch_ms", "iso8601", "garbage"]
SsoAuthCallback: TypeAlias = Literal["present", "absent"]
SsoTokenEncoding: TypeAlias = Literal["percent", "plain"]
SsoLocationHeader: TypeAlias = Literal["Location", "location"]
SsoRenewAuth: TypeAlias = Literal["ignored", "required", "refused"]
SsoRenewRefusedStatus: TypeAlias = Literal["401", "400", "403", "404"]
SsoRenewReturnsRefresh: TypeAlias = Literal["same", "new_old_dies", "absent"]
StaticScheme: TypeAlias = Literal["bearer", "apikey", "both"]
Throttle: TypeAlias = Literal["off", "429_seconds", "429_http_date", "429_bare", "503_seconds"]

Span: TypeAlias = timedelta | float
"""A duration: a timedelta, or a number of seconds."""


class SwitchOptions(TypedDict, total=False):
    """The switches as `NomadSandbox` takes them: each may be left out."""

    login_id_match: LoginIdMatch
    json_case: JsonCase
    token_field: TokenField
    expiry_value: ExpiryValue | Span
    expiry_field: ExpiryField
    token_life: TokenLife
    token_kind: TokenKind
    refresh_rotation: RefreshRotation
    refresh_kills_old_token: RefreshKillsOldToken
    refresh_life: str | Span
    refresh_refused_status: RefreshRefusedStatus
    bad_login_status: BadLoginStatus
    blocked_account: BlockedAccount
    status_wire: StatusWire
    expired_token_status: ExpiredTokenStatus
    error_body: ErrorBody
    public_calls: PublicCalls
    application_id: ApplicationId
    user_session: UserSession
    replaced_session_signal: ReplacedSessionSignal
    logout_session_id: LogoutSessionId
    auth_ping: AuthPing
    mount: Mount
    sso_mount: SsoMount
    sso_prefix: SsoPrefix
    sso_expires: SsoExpires
    sso_auth_callback: SsoAuthCallback
    sso_token_encoding: SsoTokenEncoding
    sso_location_header: SsoLocationHeader
    sso_renew_auth: SsoRenewAuth
    sso_renew_refused_status: SsoRenewRefusedStatus
    sso_renew_returns_refresh: SsoRenewReturnsRefresh
    static_scheme: StaticScheme
    throttle: Throttle


SWITCHES: Mapping[str, tuple[str, ...]] = switch_values(
    SwitchOptions, {"refresh_life": get_args(RefreshLife)}
)
"""Switch -> all its values, the default first. `refresh_life` takes any "seconds:N"; one stands here for all."""


_BOARD = Switchboard("NomadSandbox", SWITCHES)


@attrs.frozen(kw_only=True)
class Switches:
    """The switches as set, lifetimes as durations (`refresh_life` None: without limit)."""

    login_id_match: LoginIdMatch = "case_insensitive"
    json_case: JsonCase = "camel"
    token_field: TokenField = "token"
    expiry_value: ExpiryValue | timedelta = "3600"
    expiry_field: ExpiryField = "expirationSeconds"
    token_life: TokenLife = "as_stated"
    token_kind: TokenKind = "jwt_iat_exp"
    refresh_rotation: RefreshRotation = "omitted"
    refresh_kills_old_token: RefreshKillsOldToken = "no"
    refresh_life: timedelta | None = None
    refresh_refused_status: RefreshRefusedStatus = "404"
    bad_login_status: BadLoginStatus = "404"
    blocked_account: BlockedAccount = "http_403"
    status_wire: StatusWire = "string"
    expired_token_status: ExpiredTokenStatus = "401"
    error_body: ErrorBody = "problem"
    public_calls: PublicCalls = "lenient"
    application_id: ApplicationId = "optional"
    user_session: UserSession = "many"
    replaced_session_signal: ReplacedSessionSignal = "ping_status"
    logout_session_id: LogoutSessionId = "optional"
    auth_ping: AuthPing = "both"
    mount: Mount = "/api"
    sso_mount: SsoMount = "/api/auth"
    sso_prefix: SsoPrefix = "azure"
    sso_expires: SsoExpires = "absent"
    sso_auth_callback: SsoAuthCallback = "present"
    sso_token_encoding: SsoTokenEncoding = "percent"
    sso_location_header: SsoLocationHeader = "Location"
    sso_renew_auth: SsoRenewAuth = "ignored"
    sso_renew_refused_status: SsoRenewRefusedStatus = "401"
    sso_renew_returns_refresh: SsoRenewReturnsRefresh = "same"
    static_scheme: StaticScheme = "bearer"
    throttle: Throttle = "off"

    @property
    def stated_life(self) -> timedelta:
        """What the answer and the token itself say of a token's life, where they say it."""
        if isinstance(self.expiry_value, timedelta):
            return self.expiry_value
        return {"2700": timedelta(minutes=45), "short": timedelta(seconds=2)}.get(
            self.expiry_value, timedelta(hours=1)
        )

    @property
    def real_life(self) -> timedelta:
        """How long a token really lives."""
        return self.stated_life if self.token_life == "as_stated" else timedelta(minutes=45)


def parse(options: Mapping[str, object]) -> Switches:
    """Check `options` and return them with their defaults.

    Raises:
        ConfigurationError: an unknown switch or value; the text lists what there is.
    """
    checked = _BOARD.checked(options, _LIFETIMES)
    return Switches(**checked)  # type: ignore[arg-type]  # each value was checked against its Literal's own members


def _expiry_value(value: object) -> object:
    return (
        value
        if isinstance(value, str) and value in SWITCHES["expiry_value"]
        else _BOARD.span("expiry_value", value)
    )


_LIFETIMES: Mapping[str, Callable[[object], object]] = {
    "expiry_value": _expiry_value,
    "refresh_life": functools.partial(_BOARD.limit, "refresh_life"),
}
