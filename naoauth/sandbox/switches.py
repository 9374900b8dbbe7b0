"""Every point on which NAO Cloud's pages are silent or at odds, as a named switch."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, TypedDict

import attrs

from nauth.testing.switches import Switchboard, switch_values

__all__ = ["SWITCHES", "SwitchOptions", "Switches", "parse"]

SessionStatus: TypeAlias = Literal["201", "200"]
JwtKey: TypeAlias = Literal[
    "jwt",
    "token",
    "jwt_token",
    "json_web_token",
    "access_token",
    "id_token",
    "authentication_token",
    "session_token",
    "bearer",
    "jwtToken",
    "odd_name",
]
JwtPlace: TypeAlias = Literal["meta", "meta_nested", "response_header", "nowhere"]
JwtPrefix: TypeAlias = Literal["none", "bearer"]
JwtExp: TypeAlias = Literal["present", "absent", "earlier_than_meta", "later_than_meta"]
ExpiryKey: TypeAlias = Literal[
    "expires_at",
    "exp",
    "expires",
    "expiry",
    "expiration",
    "expiration_date",
    "expiration_time",
    "expire_at",
    "expired_at",
    "expires_on",
    "valid_until",
    "jwt_exp",
    "jwt_expires_at",
    "jwt_expiration",
    "jwt_expiration_date",
    "token_expires_at",
    "expires_in",
    "ttl",
    "validity",
    "odd_name",
    "absent",
]
ExpiryForm: TypeAlias = Literal[
    "iso_z",
    "iso_ms_z",
    "iso_offset",
    "iso_offset_plain",
    "ruby_utc",
    "ruby_offset",
    "http_date",
    "epoch_s",
    "epoch_s_text",
    "epoch_ms",
    "naive",
    "garbage",
]
JwtLife: TypeAlias = Literal["86400", "short"]
AuthTokenPlace: TypeAlias = Literal["data.attributes", "data", "top_level", "meta", "absent"]
AuthTokenShape: TypeAlias = Literal["opaque", "jwt_like"]
BearerJwt: TypeAlias = Literal["refused", "accepted"]
JwtRenewsItself: TypeAlias = Literal["no", "yes"]
SessionDelete: TypeAlias = Literal["404", "204", "405"]
BadCredentialsStatus: TypeAlias = Literal["401", "422", "400"]
TwoFactor: TypeAlias = Literal["off", "login_401", "login_422"]
ApiKeyLogin: TypeAlias = Literal["accepted", "refused_401"]
ErrorsForm: TypeAlias = Literal[
    "jsonapi", "string_list", "field_map", "string", "error_key", "message_key", "html", "empty"
]
ContentType: TypeAlias = Literal["application/json", "application/vnd.api+json"]
Throttle: TypeAlias = Literal["off", "429_seconds", "429_http_date", "429_bare"]
EmptyCollection: TypeAlias = Literal["named_root", "data_root"]
JobAnswer: TypeAlias = Literal["303_location", "202_id"]
OauthTokenPath: TypeAlias = Literal["/oauth/token", "other"]
OauthMePath: TypeAlias = Literal["/oauth/me", "/api/v2/me", "/me"]
OauthClientAuth: TypeAlias = Literal["body", "basic"]
OauthAnswer: TypeAlias = Literal["full", "only_access_token"]
OauthRefresh: TypeAlias = Literal[
    "none", "kept", "rotated_old_dies", "omitted_on_refresh", "old_until_new_used"
]
OauthLife: TypeAlias = Literal["7200", "absent", "short"]
OauthErrorStatus: TypeAlias = Literal["400", "401"]
OauthRevoke: TypeAlias = Literal["404", "200"]
OauthPkce: TypeAlias = Literal["ignored", "required", "refused"]

Span: TypeAlias = timedelta | float
"""A duration: a timedelta, or a number of seconds."""


class SwitchOptions(TypedDict, total=False):
    """The switches as `NaoSandbox` takes them: each may be left out."""

    session_status: SessionStatus
    jwt_key: JwtKey
    jwt_place: JwtPlace
    jwt_prefix: JwtPrefix
    jwt_exp: JwtExp
    expiry_key: ExpiryKey
    expiry_form: ExpiryForm
    jwt_life: JwtLife | Span
    auth_token_place: AuthTokenPlace
    auth_token_shape: AuthTokenShape
    bearer_jwt: BearerJwt
    jwt_renews_itself: JwtRenewsItself
    session_delete: SessionDelete
    bad_credentials_status: BadCredentialsStatus
    two_factor: TwoFactor
    api_key_login: ApiKeyLogin
    errors_form: ErrorsForm
    content_type: ContentType
    throttle: Throttle
    empty_collection: EmptyCollection
    job_answer: JobAnswer
    oauth_token_path: OauthTokenPath
    oauth_me_path: OauthMePath
    oauth_client_auth: OauthClientAuth
    oauth_answer: OauthAnswer
    oauth_refresh: OauthRefresh
    oauth_life: OauthLife | Span
    oauth_error_status: OauthErrorStatus
    oauth_revoke: OauthRevoke
    oauth_pkce: OauthPkce


SWITCHES: Mapping[str, tuple[str, ...]] = switch_values(SwitchOptions)
"""Switch -> all its values, the default first."""


_BOARD = Switchboard("NaoSandbox", SWITCHES)


@attrs.frozen(kw_only=True)
class Switches:
    """The switches as set, lifetimes as durations (`oauth_life` None: the answer states none)."""

    session_status: SessionStatus = "201"
    jwt_key: JwtKey = "jwt"
    jwt_place: JwtPlace = "meta"
    jwt_prefix: JwtPrefix = "none"
    jwt_exp: JwtExp = "present"
    expiry_key: ExpiryKey = "expires_at"
    expiry_form: ExpiryForm = "iso_z"
    jwt_life: timedelta = timedelta(seconds=86400)
    auth_token_place: AuthTokenPlace = "data.attributes"
    auth_token_shape: AuthTokenShape = "opaque"
    bearer_jwt: BearerJwt = "refused"
    jwt_renews_itself: JwtRenewsItself = "no"
    session_delete: SessionDelete = "404"
    bad_credentials_status: BadCredentialsStatus = "401"
    two_factor: TwoFactor = "off"
    api_key_login: ApiKeyLogin = "accepted"
    errors_form: ErrorsForm = "jsonapi"
    content_type: ContentType = "application/json"
    throttle: Throttle = "off"
    empty_collection: EmptyCollection = "named_root"
    job_answer: JobAnswer = "303_location"
    oauth_token_path: OauthTokenPath = "/oauth/token"
    oauth_me_path: OauthMePath = "/oauth/me"
    oauth_client_auth: OauthClientAuth = "body"
    oauth_answer: OauthAnswer = "full"
    oauth_refresh: OauthRefresh = "none"
    oauth_life: timedelta | None = timedelta(seconds=7200)
    oauth_error_status: OauthErrorStatus = "400"
    oauth_revoke: OauthRevoke = "404"
    oauth_pkce: OauthPkce = "ignored"


def parse(options: Mapping[str, object]) -> Switches:
    """Check `options` and return them with their defaults.

    Raises:
        ConfigurationError: an unknown switch or value; the text lists what there is.
    """
    checked = _BOARD.checked(options, _LIVES)
    return Switches(**checked)  # type: ignore[arg-type]  # each value was checked against its Literal's own members


_LIVES = {name: functools.partial(_BOARD.life, name) for name in ("jwt_life", "oauth_life")}
