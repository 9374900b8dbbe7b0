"""Requests and responses of Nomad Media, named as the components of an OpenAPI description would be.

Source: https://docs.nomad.media/reference/post_account-login and its neighbours
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import attrs

from nauth.responses.reply import AnswerMeta, Reply
from nauth.secret import Secret
from nomadauth.statuses import AnyLoginStatus, AnyPingStatus

__all__ = [
    "LOGIN_STATUS",
    "LOOSE",
    "PING_STATUS",
    "AccountLoginResponse",
    "AnswerMeta",
    "LoginRequest",
    "LogoutRequest",
    "NomadCheck",
    "PingRequest",
    "PingResponse",
    "RefreshTokenRequest",
    "Reply",
    "User",
]


class _Mark:
    """Tell the converter which lenient hook reads a field."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


LOOSE: Final = _Mark("LOOSE")
"""On a field that nothing depends on: a value of another type means "none", not a malformed response."""
LOGIN_STATUS: Final = _Mark("LOGIN_STATUS")
PING_STATUS: Final = _Mark("PING_STATUS")

_Text = Annotated[str | None, LOOSE]
_Flag = Annotated[bool | None, LOOSE]
_Hidden = Annotated[Secret | None, LOOSE]


@attrs.frozen(kw_only=True)
class LoginRequest:
    """Body of `POST /account/login`.

    Attributes:
        user_name: the login id; some pages call it ``email`` or ``username``, wrongly.
        password: the password.
        token: the code of a second factor. That really is its name in the JSON.
        new_password: if the login asked for one.
        application_id: a UUID, if the environment requires one.
    """

    user_name: str
    password: Secret
    token: Secret | None = None
    new_password: Secret | None = None
    application_id: str | None = None


@attrs.frozen(kw_only=True)
class RefreshTokenRequest:
    """Body of `POST /account/refresh-token` and of `POST /auth/{provider}/renew`.

    Attributes:
        refresh_token: from the last login or refresh.
    """

    refresh_token: Secret


@attrs.frozen(kw_only=True)
class LogoutRequest:
    """Body of `POST /account/logout`.

    Attributes:
        user_session_id: from the login's response, if it named one.
        application_id: as for the login.
    """

    user_session_id: str | None = None
    application_id: str | None = None


@attrs.frozen(kw_only=True)
class PingRequest:
    """Body of `POST /account/ping`.

    Attributes:
        user_session_id: from the login's response.
        application_id: as for the login.
    """

    user_session_id: str
    application_id: str | None = None


@attrs.frozen(kw_only=True)
class AccountLoginResponse:
    """Response to a login, a refresh or an SSO renewal. It is a success if the status is 2xx **and** it has a token.

    Attributes:
        token: sent on requests. Some of Nomad's pages call it ``authorizationToken``, which is read too.
        refresh_token: may be absent; then the old one stays valid.
        expiration_seconds: a duration, not a date; as received.
        expires_in: the same under the name in Nomad's SDK; as received.
        expires: the same in an SSO response: seconds or an instant, as received.
        id: the user's id.
        login_status: why there is no token; None if there is one.
        user_session_id: sent with logout and ping.
        two_factor_qr_code: text of the QR code that sets up a second factor.
        two_factor_qr_code_image: the same as a base64 picture.
    """

    token: Secret | None = None
    refresh_token: Secret | None = None
    expiration_seconds: object = attrs.field(default=None, repr=False)
    expires_in: object = attrs.field(default=None, repr=False)
    expires: object = attrs.field(default=None, repr=False)
    id: _Text = None
    user_name: _Text = attrs.field(default=None, repr=False)
    first_name: _Text = attrs.field(default=None, repr=False)
    last_name: _Text = attrs.field(default=None, repr=False)
    login_status: Annotated[AnyLoginStatus | None, LOGIN_STATUS] = None
    user_session_id: _Text = attrs.field(default=None, repr=False)
    is_admin: _Flag = None
    is_guest: _Flag = None
    scope_id: _Text = None
    scope_name: _Text = None
    two_factor_qr_code: _Hidden = None
    two_factor_qr_code_image: _Hidden = None


@attrs.frozen(kw_only=True)
class PingResponse:
    """Response to `POST /account/ping`.

    Attributes:
        redirect_url: where to redirect the user, if anywhere.
        ping_status: the session's status.
    """

    redirect_url: _Text = attrs.field(default=None, repr=False)
    ping_status: Annotated[AnyPingStatus | None, PING_STATUS] = None


@attrs.frozen(kw_only=True)
class User:
    """Response to `GET /account/user`. Members that a tenant has added are dropped.

    Attributes:
        id: the user's id.
        email: the user's e-mail address, not in the repr.
        first_name: not in the repr.
        last_name: not in the repr.
        is_admin: whether the user is an administrator.
    """

    id: _Text = None
    email: _Text = attrs.field(default=None, repr=False)
    first_name: _Text = attrs.field(default=None, repr=False)
    last_name: _Text = attrs.field(default=None, repr=False)
    is_admin: _Flag = None


@attrs.frozen(kw_only=True)
class NomadCheck:
    """The call that showed that the credentials work, and its result.

    Attributes:
        endpoint: ``"ping_auth"`` (`GET /ping/auth`), or ``"user"`` (`GET /account/user`) if the host lacks the first.
        message: text of the ping's response.
        user: the signed-in user, if that was requested.
    """

    endpoint: Literal["ping_auth", "user"]
    message: str | None = None
    user: User | None = None
