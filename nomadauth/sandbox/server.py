"""`NomadSandbox`: the vendor's double."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import ClassVar, Unpack, cast

from aiohttp import web
from multidict import CIMultiDict

from nauth.clock import Clock
from nauth.secret import Secret
from nauth.testing.consent_page import ALLOW, consent_page, decision
from nauth.testing.issued_tokens import Access
from nauth.testing.request_body import json_document
from nauth.testing.sandbox import Handler, Route
from nauth.testing.vendor_sandbox import Memory, VendorSandbox, bearer_token, body_digest, phrase
from nomadauth.credentials import NomadApiKey, NomadPassword, NomadStaticToken
from nomadauth.sandbox import data
from nomadauth.sandbox.data import Account
from nomadauth.sandbox.limits import Throttle
from nomadauth.sandbox.responses import Answers, json_answer
from nomadauth.sandbox.sessions import Session, Sessions
from nomadauth.sandbox.switches import Switches, SwitchOptions, parse
from nomadauth.statuses import STEPS, LoginStatus, PingStatus

__all__ = ["NomadSandbox"]

_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 400, 401, 403, 404
_OK, _REDIRECT = 200, 302
_SSO_CODE, _SSO_STATE = "sso-code-1", "sso-state-1"


class NomadSandbox(VendorSandbox[Switches]):
    """Be Nomad Media on loopback, as documented, with a switch for whatever only a real tenant could settle.

    Endpoints (the names that `requests`, `committed`, `faults` and `log` use): login, refresh, logout, ping (keep-alive),
    user, server_ping (``GET /ping``), ping_auth, ping_auth_by_post (``POST /account/ping/auth``), sso_login, sso_consent (the
    button), sso_callback, renew and echo (``POST /echo``, not the vendor's: says how long the body was and its SHA-256).

    Switches, the default first; `SWITCHES` lists them for parametrised tests:

    =========================  ====================================================================================
    login_id_match             case_insensitive (username too, and every member so), exact (userName), email_alias
                               (email too)
    json_case, token_field     camel, pascal; token, authorizationToken, accessToken
    expiry_value               3600, 2700, short (2 s), string, missing, null, zero, negative, huge; or seconds, or a
                               timedelta, stated and true
    expiry_field               expirationSeconds, expiresIn
    token_life                 as_stated, 2700: whatever is stated
    token_kind                 jwt_iat_exp, jwt_exp_only, opaque
    refresh_rotation           omitted, same, new_old_lives, new_old_dies
    refresh_kills_old_token    no, yes
    refresh_life               unlimited, "seconds:N", or seconds, or a timedelta
    refresh_refused_status     404, 400, 401, 403
    bad_login_status           404, 404_html, 400, 401
    blocked_account            http_403, http_200_status
    status_wire                string, int, unknown_string, unknown_int
    expired_token_status       401, 403
    error_body                 problem, json_string, message_errors, error_list, error_map, text, html, empty
    public_calls               lenient, strict (400 if Authorization is sent to login or refresh)
    application_id             optional, required (else 400)
    user_session               many, newest_only
    replaced_session_signal    ping_status (its tokens live on), 401 (they die); with newest_only
    logout_session_id          optional, required (else 400)
    auth_ping                  both, get_ping_auth, post_account_ping_auth, absent
    mount, sso_mount           /api, /prefix/api; /api/auth (behind the mount), /auth (at the root)
    sso_prefix                 azure, azurePortal, okta: of the tokens' names; the provider is always azure
    sso_expires                absent, seconds, epoch_s, epoch_ms, iso8601, garbage
    sso_auth_callback          present, absent
    sso_token_encoding         percent, plain
    sso_location_header        Location, location
    sso_renew_auth             ignored, required (else 401), refused (400 if sent)
    sso_renew_refused_status   401, 400, 403, 404
    sso_renew_returns_refresh  same, new_old_dies, absent
    static_scheme              bearer (the token works), apikey (the key does), both
    throttle                   off, 429_seconds, 429_http_date, 429_bare, 503_seconds: each call that deals in tokens
                               is turned away at first, for as long as the answer says
    =========================  ====================================================================================

    The defaults are what Nomad's own SDK (nomad-media-pip 0.1.9) and printed JavaScript work with. Tests of a client that
    keeps to the letter ask for ``login_id_match="exact", public_calls="strict"``.

    Lifetimes end by the *wall* reading of the sandbox's clock.

    Args:
        clock: what lifetimes, delays and the `Date` header are counted on.
        port: port to listen on; 0 lets the system choose.
        ssl_context: serve https with it.
        sso_return: where a browser is sent with the tokens; a path of this server, or any address.
        consent_page: a person has to press a button at the single sign-on.
        switches: see the table.

    Attributes:
        credentials: an account to sign in with.
        second_credentials: another one.
        static_token, api_key: those that never expire.
        provider: of the single sign-on.
        code: the second factor's.
        reject_all: while true every call with a token meets `expired_token_status`, whatever its token.
        unauthorized: calls refused for their token.

    Raises:
        ConfigurationError: an unknown switch or value.
    """

    token_endpoints: ClassVar[Sequence[str]] = ("login", "refresh", "logout", "renew")
    credentials: NomadPassword = data.MAIN
    second_credentials: NomadPassword = data.SECOND
    static_token: NomadStaticToken = data.STATIC_TOKEN
    api_key: NomadApiKey = data.API_KEY
    provider: str = data.PROVIDER
    code: str = data.CODE

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        sso_return: str = "/signed-in",
        consent_page: bool = False,
        **switches: Unpack[SwitchOptions],
    ) -> None:
        super().__init__(parse(switches), clock=clock, port=port, ssl_context=ssl_context)
        self.sso_return = sso_return
        self._consent_page = consent_page
        self._accounts = data.accounts()
        self._answers = Answers(self.switches)
        self._sessions = Sessions(self.switches, self.clock)
        self._throttle = Throttle(self.switches, self.clock)

    @property
    def base_url(self) -> str:
        """The root to give to a client, which is what stands before ``/api``."""
        return super().base_url + self.switches.mount.removesuffix("/api")

    @property
    def sso_base_url(self) -> str | None:
        """What a client needs as `sso_base_url`; None where the documented place is right."""
        return super().base_url if self.switches.sso_mount == "/auth" else None

    def memories(self) -> Sequence[Memory]:
        """Return what remembers this sandbox's tokens."""
        return (self._sessions,)

    def account(self, status: LoginStatus) -> NomadPassword:
        """Return the credentials of an account that `status` keeps out."""
        return self._accounts[data.account_name(status)].credentials

    def take_over(self) -> None:
        """Sign in as a second process with the same account would, ending the first session as the switches say."""
        self._sessions.open(self._accounts[self.credentials.username])

    def add_credentials(self) -> NomadPassword:
        """Return name and password of a further account that this sandbox accepts."""
        made = data.another()
        self._accounts[made.credentials.username] = made
        return made.credentials

    def rotate_secret(self) -> NomadPassword:
        """Give the account of `credentials` a new password and return it. The old one is refused; sessions live on.

        A password has no time in which both are valid.
        """
        made = data.new_password(self.credentials)
        self._accounts[made.username].credentials = self.credentials = made
        return made

    def full_path(self, path: str) -> str:
        """Return the path on the server for one below the client's base URL."""
        return self.switches.mount + path

    def success(self, data: object = None) -> web.Response:
        """Return a success: Nomad's bodies have no envelope."""
        return json_answer(_OK, data)

    def failure(self, status: int, words: str | None = None, *, code: str | None = None) -> web.Response:  # noqa: ARG002 - Nomad has no codes
        """Return Nomad's refusal, in the form of `error_body` that is switched on."""
        return self._answers.failure(status, words=words or phrase(status))

    def sign_on(self) -> str:
        """Sign in as a person in a browser would; return the address the browser comes back to."""
        there = self.sso_return if "://" in self.sso_return else f"{self.base_url}{self.sso_return}"
        return f"{there}?{self._sso_query()}"

    def routes(self) -> Mapping[str, Route]:
        """Return the endpoints: name -> (method, path, handler)."""
        api = self.switches.mount
        sso = f"{api}/auth" if self.switches.sso_mount == "/api/auth" else "/auth"
        routes: dict[str, Route] = {
            "login": ("POST", f"{api}/account/login", self._metered("login", self._login)),
            "refresh": ("POST", f"{api}/account/refresh-token", self._metered("refresh", self._refresh)),
            "logout": ("POST", f"{api}/account/logout", self._metered("logout", self._logout)),
            "ping": ("POST", f"{api}/account/ping", self.guarded(self._ping)),
            "user": ("GET", f"{api}/account/user", self.guarded(self._user)),
            "server_ping": ("GET", f"{api}/ping", self._server_ping),
            "sso_login": ("GET", f"{sso}/{self.provider}/login", self._sso_login),
            "sso_callback": ("GET", f"{sso}/{self.provider}/callback", self._sso_callback),
            "renew": ("POST", f"{sso}/{self.provider}/renew", self._metered("renew", self._renew)),
            "echo": ("POST", f"{api}/echo", self.guarded(self._echo)),
        }
        if self._consent_page:  # not the vendor's
            routes["sso_consent"] = ("POST", f"{sso}/{self.provider}/login", self._sso_login)
        match self.switches.auth_ping:
            case "both" | "get_ping_auth":
                routes["ping_auth"] = ("GET", f"{api}/ping/auth", self.guarded(self._pong))
            case "post_account_ping_auth":
                routes["ping_auth"] = ("POST", f"{api}/account/ping/auth", self.guarded(self._pong))
            case _:
                pass
        if self.switches.auth_ping == "both":
            posted = ("POST", f"{api}/account/ping/auth", self.guarded(self._pong))
            routes["ping_auth_by_post"] = posted
        return routes

    async def unknown(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the path is known to be none
        """Answer a path that is no endpoint as a web server does."""
        return self._answers.markup(_NOT_FOUND)

    # --- before the handlers ------------------------------------------------------------------------------------

    def _metered(self, endpoint: str, handler: Handler) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            refused = self._throttle.refuse(endpoint)
            if refused is None:
                return await handler(request)
            response = self._answers.failure(refused.status)
            response.headers.update(refused.headers)
            return response

        return serve

    def refuse(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request whose token does not open its endpoint; None if the token does."""
        if self._may_enter(request.headers):
            return None
        self.note_unauthorized()
        return self._answers.failure(int(self.switches.expired_token_status))

    def _may_enter(self, headers: Mapping[str, str]) -> bool:
        if self.reject_all:
            return False
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and Secret(token) == self.static_token.token:
            return self.switches.static_scheme != "apikey"
        if scheme == "ApiKey":
            return Secret(token) == self.api_key.key and self.switches.static_scheme != "bearer"
        access = self._bearer(headers)
        return access is not None and access.live(self.clock.wall())

    def _bearer(self, headers: Mapping[str, str]) -> Access[Session] | None:
        return self._sessions.access(bearer_token(headers) or "")

    # --- user name and password ---------------------------------------------------------------------------------

    async def _login(self, request: web.Request) -> web.Response:
        body = await self._public(request)
        name, password = self._login_id(body), body.get("password")
        if not name or not password or not self._application_named(body):
            return self._answers.failure(_BAD_REQUEST)
        account = self._accounts.get(name)
        if account is None or account.credentials.password != Secret(password):
            return self._bad_login()
        wanted = self._wanted(account, body)
        if wanted is None:
            return self._answers.login(self._sessions.open(account))
        if wanted in STEPS or self.switches.blocked_account == "http_200_status":
            return self._answers.held_back(account, wanted)
        return self._answers.failure(_FORBIDDEN, wanted)

    async def _fields(self, request: web.Request) -> Mapping[str, str]:
        """Return the fields of the JSON body that hold text; none if it is no object."""
        body = await json_document(request)
        if not isinstance(body, dict):
            return {}
        named = {
            key: value for key, value in cast("dict[str, object]", body).items() if isinstance(value, str)
        }
        if self.switches.login_id_match != "case_insensitive":
            return named
        # ASP.NET binds JSON to members without regard to case
        return CIMultiDict(named)

    def _login_id(self, body: Mapping[str, str]) -> str | None:
        match self.switches.login_id_match:
            case "email_alias":
                return body.get("userName") or body.get("email")
            case _:
                return body.get("userName")

    def _wanted(self, account: Account, body: Mapping[str, str]) -> LoginStatus | None:
        """Return what keeps the account out, having taken the step that the login brings with it."""
        status, code, new = account.login_status, body.get("token"), body.get("newPassword")
        match status:
            case LoginStatus.TWO_FACTOR_CODE_REQUIRED:
                return None if code == self.code else status
            case LoginStatus.TWO_FACTOR_SETUP_REQUIRED if code == self.code:
                account.login_status = LoginStatus.TWO_FACTOR_CODE_REQUIRED
                return None
            case LoginStatus.IS_PENDING_NEW_PASSWORD if new:
                given = account.credentials
                account.credentials = NomadPassword(given.username, new, given.application_id)
                account.login_status = None
                return None
            case _:
                return status

    def _bad_login(self) -> web.Response:
        if self.switches.bad_login_status == "404_html":
            return self._answers.markup(_NOT_FOUND)
        return self._answers.failure(int(self.switches.bad_login_status))

    async def _refresh(self, request: web.Request) -> web.Response:
        token = (await self._public(request)).get("refreshToken")
        if not token:
            return self._answers.failure(_BAD_REQUEST)
        refresh = self._sessions.refresh_of(token, sso=False)
        if refresh is None or not refresh.live(self.clock.wall()):
            return self._answers.failure(int(self.switches.refresh_refused_status))
        return self._answers.login(self._sessions.rotate(token, refresh))

    async def _public(self, request: web.Request) -> Mapping[str, str]:
        """Return the fields of a call that wants no `Authorization`; none if it came with one."""
        if self.switches.public_calls == "strict" and "Authorization" in request.headers:
            return {}
        return await self._fields(request)

    async def _logout(self, request: web.Request) -> web.Response:
        access = self._bearer(request.headers)
        if access is None or not access.live(self.clock.wall()):
            return self._answers.failure(_UNAUTHORIZED)
        body = await self._fields(request)
        if self.switches.logout_session_id == "required" and "userSessionId" not in body:
            return self._answers.failure(_BAD_REQUEST)
        if not self._application_named(body) and not access.session.sso:
            return self._answers.failure(_BAD_REQUEST)
        access.session.end()
        return web.Response()

    async def _ping(self, request: web.Request) -> web.Response:
        body = await self._fields(request)
        session = self._sessions.session(body.get("userSessionId", ""))
        if session is None or not self._application_named(body):
            return self._answers.failure(_BAD_REQUEST)
        status = PingStatus.SESSION_DEACTIVATED if session.replaced else PingStatus.NORMAL
        return self._answers.body({"redirectUrl": None, "pingStatus": self._answers.status(status)})

    def _application_named(self, body: Mapping[str, str]) -> bool:
        return self.switches.application_id == "optional" or body.get("applicationId") == data.APPLICATION_ID

    # --- single sign-on -----------------------------------------------------------------------------------------

    async def _sso_login(self, request: web.Request) -> web.Response:
        # the identity provider in between is another company's: a button stands for it, or nothing
        pressed = await decision(request)
        if self._consent_page and pressed is None:
            return consent_page("Single sign-on sandbox")
        if pressed not in {None, ALLOW}:
            return self._answers.failure(_FORBIDDEN)
        query = {"code": _SSO_CODE, "state": _SSO_STATE, "session_state": "s"}
        where = request.url.with_name("callback").with_query(query)
        return web.Response(status=_REDIRECT, headers={"Location": str(where)})

    async def _sso_callback(self, request: web.Request) -> web.Response:
        if (request.query.get("code"), request.query.get("state")) != (_SSO_CODE, _SSO_STATE):
            return self._answers.failure(_BAD_REQUEST)
        name: str = self.switches.sso_location_header
        return web.Response(status=_REDIRECT, headers={name: f"{self.sso_return}?{self._sso_query()}"})

    def _sso_query(self) -> str:
        pair = self._sessions.open(self._accounts[self.credentials.username], sso=True)
        return self._answers.sso_query(pair, self.clock.wall())

    async def _renew(self, request: web.Request) -> web.Response:
        mode, named = self.switches.sso_renew_auth, "Authorization" in request.headers
        if mode == "required" and self._bearer(request.headers) is None:
            return self._answers.failure(_UNAUTHORIZED)
        token = (await self._fields(request)).get("refreshToken")
        if not token or (mode == "refused" and named):
            return self._answers.failure(_BAD_REQUEST)
        refresh = self._sessions.refresh_of(token, sso=True)
        if refresh is None or not refresh.live(self.clock.wall()):
            return self._answers.failure(int(self.switches.sso_renew_refused_status))
        return self._answers.renewed(self._sessions.rotate(token, refresh))

    # --- resources ----------------------------------------------------------------------------------------------

    async def _user(self, request: web.Request) -> web.Response:
        access = self._bearer(request.headers)
        account = self._accounts[self.credentials.username] if access is None else access.session.account
        return self._answers.body(
            {
                "id": account.user_id,
                "email": account.credentials.username,
                "firstName": "Svc",
                "lastName": "Acct",
                "isAdmin": False,
                "favouriteColour": "teal",
            }
        )

    async def _server_ping(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        return json_answer(200, "Pong")

    async def _pong(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        return json_answer(200, "Pong Auth")

    async def _echo(self, request: web.Request) -> web.Response:
        return json_answer(200, await body_digest(request))
