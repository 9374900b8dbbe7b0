"""What travels between a client and Nomad Media, named as the components of an OpenAPI description would be.

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
"""On a field that nothing depends on: what is not of its type means "none", not a malformed answer."""
LOGIN_STATUS: Final = _Mark("LOGIN_STATUS")
PING_STATUS: Final = _Mark("PING_STATUS")

_Text = Annotated[str | None, LOOSE]
_Flag = Annotated[bool | None, LOOSE]
_Hidden = Annotated[Secret | None, LOOSE]


@attrs.frozen(kw_only=True)
class LoginRequest:
    """Body of `POST /account/login`.

    Attributes:
        user_name: the login id; not ``email`` and not ``username``, whatever some pages say.
        password: the password.
        token: the code of a second factor. The wire really calls it so.
        new_password: where the login asked for one.
        application_id: a UUID, where the environment wants one.
    """

    user_name: str
    password: Secret
    token: Secret | None = None
    new_password: Secret | None = None
    application_id: str | None = None


@attrs.frozen(kw_only=True)
class RefreshTokenRequest:
    """Body of `POST /account/refresh-token` and of `POST /auth/{provider}/renew`."""

    refresh_token: Secret


@attrs.frozen(kw_only=True)
class LogoutRequest:
    """Body of `POST /account/logout`."""

    user_session_id: str | None = None
    application_id: str | None = None


@attrs.frozen(kw_only=True)
class PingRequest:
    """Body of `POST /account/ping`."""

    user_session_id: str
    application_id: str | None = None


@attrs.frozen(kw_only=True)
class AccountLoginResponse:
    """Answer to a login, a refresh or an SSO renewal. A success is a 2xx **and** a token.

    Attributes:
        token: goes on requests; ``authorizationToken`` on some of Nomad's pages, which is read too.
        refresh_token: may be absent: the old one stays valid then.
        expiration_seconds: a duration, not a date; as it came.
        expires_in: what Nomad's SDK calls the same; as it came.
        expires: what an SSO answer may call it; seconds or an instant, as it came.
        id: the user's.
        login_status: why there is no token; None is a success.
        user_session_id: what logout and ping want back.
        two_factor_qr_code: what an authenticator app reads during enrolment.
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
    """Answer to `POST /account/ping`: where to send the user, if anywhere, and how the session is."""

    redirect_url: _Text = attrs.field(default=None, repr=False)
    ping_status: Annotated[AnyPingStatus | None, PING_STATUS] = None


@attrs.frozen(kw_only=True)
class User:
    """Answer to `GET /account/user`. What a tenant has added to it is dropped here."""

    id: _Text = None
    email: _Text = attrs.field(default=None, repr=False)
    first_name: _Text = attrs.field(default=None, repr=False)
    last_name: _Text = attrs.field(default=None, repr=False)
    is_admin: _Flag = None


@attrs.frozen(kw_only=True)
class NomadCheck:
    """What proved that the credentials work.

    Attributes:
        endpoint: ``"ping_auth"`` (`GET /ping/auth`), or ``"user"`` (`GET /account/user`) where the first is missing.
        message: what the ping said.
        user: who is signed in, if that was asked.
    """

    endpoint: Literal["ping_auth", "user"]
    message: str | None = None
    user: User | None = None
