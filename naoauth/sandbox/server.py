"""`NaoSandbox`: the vendor's double."""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias, Unpack, cast, overload

from aiohttp import web
from yarl import URL

from naoauth.credentials import NaoApiKey, NaoCredentials, NaoOAuth, NaoSession
from naoauth.sandbox import data
from naoauth.sandbox.oauth import OAuth
from naoauth.sandbox.responses import Answers
from naoauth.sandbox.switches import Switches, SwitchOptions, parse
from nauth.clock import Clock
from nauth.secret import Secret
from nauth.testing.issued_tokens import IssuedTokens, Session
from nauth.testing.request_body import body_of, parsed
from nauth.testing.sandbox import Handler, Route
from nauth.testing.vendor_sandbox import Memory, VendorSandbox, body_digest, phrase

__all__ = ["Kind", "NaoSandbox"]

Kind: TypeAlias = Literal["api_key", "session", "session_by_key", "oauth"]

_JSON = ("application/json", "application/vnd.api+json")
_NEVER = re.compile(r"q\s*=\s*0(\.0*)?", re.ASCII)
"""The quality of a media type that is not accepted (RFC 9110 section 12.4.2)."""
_JOB = "/api/v2/background_jobs/1"
_OTHER_TOKEN_PATH = "/sign_in/oauth_token"


class NaoSandbox(VendorSandbox[Switches]):
    """Be NAO Cloud on loopback, as its pages say, with a switch for whatever only the real service could settle.

    Answers 406 to a request that does not name JSON in `Accept` (``/oauth/*`` does not look at it), and 401 to a key or JWT with a scheme unless `bearer_jwt` says
    otherwise.

    Endpoints (the names that `requests`, `committed`, `faults` and `log` use): sessions, session_delete, sites, publish
    (``POST /api/v2/sites/{id}/publish``, a long job), job, authorize, consent (the button), token, revoke, me and echo (``POST /api/v2/echo``,
    not the vendor's: says how long the body was and its SHA-256).

    Switches, the default first; `SWITCHES` lists them for parametrised tests:

    ======================  =======================================================================================
    session_status          201, 200
    jwt_key                 jwt, token, jwt_token, json_web_token, access_token, id_token, authentication_token,
                            session_token, bearer, jwtToken, odd_name (``nao_pass``)
    jwt_place               meta, meta_nested, response_header, nowhere
    jwt_prefix              none, bearer
    jwt_exp                 present, absent, earlier_than_meta, later_than_meta (by ten minutes)
    expiry_key              expires_at, the other names of `naoauth.lifetime`, odd_name (``good_until_then``), absent
    expiry_form             iso_z, iso_ms_z, iso_offset, iso_offset_plain, ruby_utc, ruby_offset, http_date, epoch_s,
                            epoch_s_text, epoch_ms, naive, garbage
    jwt_life                86400, short (2 s), or seconds, or a timedelta
    auth_token_place        data.attributes, data, top_level, meta, absent
    auth_token_shape        opaque, jwt_like
    bearer_jwt              refused, accepted
    jwt_renews_itself       no, yes
    session_delete          404, 204, 405
    bad_credentials_status  401, 422, 400
    two_factor              off, login_401, login_422
    api_key_login           accepted, refused_401: the key as a credential, on resources and sessions alike
    errors_form             jsonapi, string_list, field_map, string, error_key, message_key, html, empty
    content_type            application/json, application/vnd.api+json
    throttle                off, 429_seconds, 429_http_date, 429_bare: every call, while `throttled` is true
    empty_collection        named_root, data_root: a page of sites that has none
    job_answer              303_location, 202_id
    oauth_token_path        /oauth/token, other (``/sign_in/oauth_token``)
    oauth_me_path           /oauth/me, /api/v2/me, /me
    oauth_client_auth       body, basic
    oauth_answer            full, only_access_token
    oauth_refresh           none, kept, rotated_old_dies (re-use kills the whole consent), omitted_on_refresh,
                            old_until_new_used (Doorkeeper: a refresh token that was exchanged works until the new access
                            token is first used, which ends the old access token too; later it is refused, no more)
    oauth_life              7200, absent (not stated; 7200), short (2 s), or seconds, or a timedelta
    oauth_error_status      400, 401
    oauth_revoke            404, 200
    oauth_pkce              ignored, required, refused
    ======================  =======================================================================================

    Lifetimes end by the *wall* reading of the sandbox's clock.

    Args:
        clock: what lifetimes, delays and the `Date` header are counted on.
        port: port to listen on; 0 lets the system choose.
        ssl_context: serve https with it.
        redirect_uri: where the application is registered to be called back; `redirect_uris` takes further ones. One on
            loopback without a port matches any port.
        consent_page: a person has to press a button at the authorize endpoint, as with a real service.
        switches: see the table.

    Attributes:
        throttled: whether `throttle`, unless it is off, is in force.
        reject_all: while true every resource call meets a 401, whatever its credential.
        unauthorized: resource calls answered with 401.

    Raises:
        ConfigurationError: an unknown switch or value.
    """

    token_endpoints: ClassVar[Sequence[str]] = ("sessions", "token", "revoke")

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        redirect_uri: str = data.REDIRECT_URI,
        consent_page: bool = False,
        **switches: Unpack[SwitchOptions],
    ) -> None:
        super().__init__(parse(switches), clock=clock, port=port, ssl_context=ssl_context)
        self.throttled = True
        self._answers = Answers(self.switches)
        self._oauth = OAuth(self.switches, self._answers, self.clock)
        self._oauth.redirect_uris = [redirect_uri]
        self._oauth.consent_page = consent_page
        self._key = data.auth_token(self.switches.auth_token_shape)
        self._email = data.EMAIL
        self._passwords = {data.EMAIL: Secret(data.PASSWORD)}
        self._jwts: IssuedTokens[Session] = IssuedTokens(self.clock)

    # --- what a test may ask and do ------------------------------------------------------------------------------

    @property
    def redirect_uri(self) -> str:
        """The application's registered callback, which is the first of `redirect_uris`."""
        return self._oauth.redirect_uris[0]

    @property
    def redirect_uris(self) -> list[str]:
        """All registered callbacks."""
        return self._oauth.redirect_uris

    @property
    def credentials(self) -> NaoSession:
        """E-mail and password of the account."""
        return NaoSession(email=self._email, password=self._passwords[self._email])

    def add_credentials(self) -> NaoSession:
        """Return e-mail and password of a further account that this sandbox accepts."""
        email = f"user-{secrets.token_hex(4)}@sites.example"
        self._passwords[email] = Secret(secrets.token_hex(16))
        return NaoSession(email=email, password=self._passwords[email])

    def rotate_secret(self) -> NaoSession:
        """Give the account of `credentials` a new password and return it. The old one is refused; sessions live on.

        A password has no time in which both are valid.
        """
        self._passwords[self._email] = Secret(secrets.token_hex(16))
        return self.credentials

    def success(self, data: object = None) -> web.Response:
        """Return a success: NAO Cloud's bodies stand as they are, a resource under ``data``."""
        return self._answers.success(data)

    def failure(self, status: int, words: str | None = None, *, code: str | None = None) -> web.Response:  # noqa: ARG002 - NAO Cloud has no codes
        """Return NAO Cloud's refusal: HTTP status, and words in the form of ``errors`` that is switched on."""
        return self._answers.failure(status, words or phrase(status))

    @overload
    def credentials_of(self, kind: Literal["api_key"]) -> NaoApiKey: ...

    @overload
    def credentials_of(self, kind: Literal["session", "session_by_key"]) -> NaoSession: ...

    @overload
    def credentials_of(self, kind: Literal["oauth"]) -> NaoOAuth: ...

    @overload
    def credentials_of(self, kind: Kind) -> NaoCredentials: ...

    def credentials_of(self, kind: Kind) -> NaoCredentials:
        """Return the account's credentials of one kind, fit for the switches.

        Those of "oauth" carry the refresh token of a consent given just now, where there are refresh tokens; else
        a person has to sign in: see `approve`.
        """
        if kind == "api_key":
            return NaoApiKey(self._key)
        if kind == "session_by_key":
            return NaoSession(auth_token=self._key)
        return self.credentials if kind == "session" else self._application()

    def _application(self) -> NaoOAuth:
        return NaoOAuth(
            client_id=data.CLIENT_ID,
            client_secret=data.CLIENT_SECRET,
            redirect_uri=self.redirect_uri,
            refresh_token=self._oauth.grants.seed(),
            client_auth=self.switches.oauth_client_auth,
            pkce=self.switches.oauth_pkce == "required",
            token_path=self.token_path,
        )

    @property
    def token_path(self) -> str:
        """Where codes are exchanged."""
        return (
            _OTHER_TOKEN_PATH if self.switches.oauth_token_path == "other" else self.switches.oauth_token_path
        )

    def approve(self, authorization_url: str) -> str:
        """Be the person: sign in at `authorization_url` and return the address they are sent back to.

        Raises:
            LookupError: the address names no application that is registered here.
        """
        target = self._oauth.approve(URL(authorization_url).query)
        if target is None:
            raise LookupError("the authorization URL names no application or redirect URI of this sandbox")
        return target

    def deny(self, code: str | None = "access_denied") -> None:
        """Let the next sign-ins end with an error instead of a code; None approves them again."""
        self._oauth.deny = code

    def memories(self) -> Sequence[Memory]:
        """Return what remembers this sandbox's tokens: its JWTs, and what was granted by OAuth."""
        return (self._jwts, self._oauth.grants)

    # --- endpoints -------------------------------------------------------------------------------------------------

    def routes(self) -> Mapping[str, Route]:
        """Return the endpoints: name -> (method, path, handler)."""
        # Doorkeeper, which is likely behind /oauth, does not look at Accept
        by_oauth = self.switches.oauth_me_path.startswith("/oauth/")
        me = self._metered(super().guarded(self._me)) if by_oauth else self.guarded(self._me)
        return {
            "sessions": ("POST", "/api/v2/sessions", self._polite(self._session)),
            "session_delete": ("DELETE", "/api/v2/sessions", self._polite(self._session_delete)),
            "sites": ("GET", "/api/v2/sites", self.guarded(self._sites)),
            "publish": ("POST", "/api/v2/sites/{site_id}/publish", self.guarded(self._publish)),
            "job": ("GET", _JOB, self.guarded(self._job)),
            "authorize": ("GET", "/oauth/authorize", self._oauth.authorize),
            "token": ("POST", self.token_path, self._metered(self._oauth.token)),
            "revoke": ("POST", "/oauth/revoke", self._metered(self._oauth.revoke)),
            "me": ("GET", self.switches.oauth_me_path, me),
            "echo": ("POST", "/api/v2/echo", self.guarded(self._echo)),
            # the page and its form are not the vendor's
            **(
                {"consent": ("POST", "/oauth/authorize", self._oauth.authorize)}
                if self._oauth.consent_page
                else {}
            ),
        }

    async def unknown(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the path is known to be none
        """Answer a path that is no endpoint as a missing record."""
        return self._answers.failure(404)

    def _polite(self, handler: Handler) -> Handler:
        """Refuse a caller who does not accept JSON, and throttle."""
        metered = self._metered(handler)

        async def serve(request: web.Request) -> web.Response:
            if not _accepts_json(request.headers.get("Accept", "")):
                return self._answers.failure(406)
            return await metered(request)

        return serve

    def _metered(self, handler: Handler) -> Handler:
        """Throttle."""

        async def serve(request: web.Request) -> web.Response:
            if self.throttled and self.switches.throttle != "off":
                return self._answers.throttled(self.clock.wall())
            return await handler(request)

        return serve

    def guarded(self, handler: Handler) -> Handler:
        """Wrap `handler` so that it serves only polite requests that `refuse` lets through."""
        return self._polite(super().guarded(handler))

    def refuse(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request whose token does not open its endpoint; None if the token does."""
        if not self.reject_all and self._opens(request.headers.get("Authorization", "")):
            return None
        self.note_unauthorized()
        return self._answers.failure(401)

    def _opens(self, authorization: str) -> bool:
        scheme, mark, token = authorization.partition(" ")
        if not mark:
            return self._jwts.opens(authorization) or self._is_key(authorization)
        accepted = self.switches.bearer_jwt == "accepted" and (self._jwts.opens(token) or self._is_key(token))
        return scheme == "Bearer" and (self._oauth.grants.opens(token) or accepted)

    def _is_key(self, token: str) -> bool:
        return token == self._key and self.switches.api_key_login == "accepted"

    # --- signing in ------------------------------------------------------------------------------------------------

    async def _session(self, request: web.Request) -> web.Response:
        given, body = request.headers.get("Authorization"), await body_of(request)
        if given is not None and body:
            return self._answers.failure(400, "two credentials at once")
        if given is not None:
            renews = self.switches.jwt_renews_itself == "yes" and self._jwts.opens(given)
            return self._signed_in() if renews or self._is_key(given) else self._refused()
        if request.content_type != "application/json" or not self._is_account(body):
            return self._refused()
        if self.switches.two_factor != "off":
            return self._answers.failure(int(self.switches.two_factor.removeprefix("login_")))
        return self._signed_in()

    def _signed_in(self) -> web.Response:
        now = self.clock.wall()
        life_s = self.switches.jwt_life.total_seconds()
        jwt = self._answers.jwt(now, now + life_s)
        self._jwts.add_access(jwt, Session(), life_s)
        return self._answers.session(jwt, now + life_s, now)

    def _refused(self) -> web.Response:
        return self._answers.failure(int(self.switches.bad_credentials_status), "Invalid email or password")

    async def _session_delete(self, request: web.Request) -> web.Response:
        status = int(self.switches.session_delete)
        self._jwts.kill_access(request.headers.get("Authorization", ""))
        return web.Response(status=status) if status == 204 else self._answers.failure(status)  # noqa: PLR2004

    # --- resources -------------------------------------------------------------------------------------------------

    async def _sites(self, request: web.Request) -> web.Response:
        page = request.query.get("page[number]", "1")
        if page != "1":
            return self._answers.success(
                {"sites" if self.switches.empty_collection == "named_root" else "data": []}
            )
        found = {"current": 1, "records": len(data.SITES)}
        return self._answers.success(
            {"data": data.SITES, "meta": {"pagination": found, "resource_count": found["records"]}}
        )

    async def _publish(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        if self.switches.job_answer == "303_location":
            return web.Response(status=303, headers={"Location": _JOB})
        return self._answers.success({"data": {"id": "1", "type": "background_job"}}, status=202)

    async def _job(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        attributes = {"has_finished": True, "status": "success"}
        return self._answers.success(
            {"data": {"id": "1", "type": "background_job", "attributes": attributes}}
        )

    async def _me(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        return self._answers.success({"id": 1, "name": "Ada", "email": data.EMAIL})

    async def _echo(self, request: web.Request) -> web.Response:
        return self._answers.success(await body_digest(request))

    def _is_account(self, body: bytes) -> bool:
        document = parsed(body)
        found = cast("dict[str, object]", document).get("session") if isinstance(document, dict) else None
        session = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        email, password = session.get("email"), session.get("password")
        if not isinstance(email, str) or not isinstance(password, str):
            return False
        return self._passwords.get(email) == Secret(password)


def _accepts_json(header: str) -> bool:
    """Tell whether `Accept` names a kind of JSON as a media type, and does not rule it out by ``q=0``."""
    for entry in header.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        if kind in _JSON and not any(_NEVER.fullmatch(parameter) for parameter in parameters):
            return True
    return False
