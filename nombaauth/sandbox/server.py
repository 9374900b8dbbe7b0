"""`NombaSandbox`: the vendor's double."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Unpack, cast

from aiohttp import web

from nauth.clock import Clock
from nauth.secret import Secret
from nauth.testing.issued_tokens import Access, Refresh
from nauth.testing.request_body import json_document
from nauth.testing.sandbox import Handler, Route
from nauth.testing.vendor_sandbox import Memory, VendorSandbox, bearer_token, body_digest, phrase
from nombaauth.credentials import NombaCredentials
from nombaauth.sandbox import data
from nombaauth.sandbox.limits import RateLimiter
from nombaauth.sandbox.responses import Answers, Failure, failure
from nombaauth.sandbox.sessions import Session, Sessions
from nombaauth.sandbox.switches import Switches, SwitchOptions, parse

__all__ = ["NombaSandbox"]

_BAD_REQUEST = failure("400")
_UNAUTHORIZED = failure("401")
_FORBIDDEN = failure("403")
_NOT_FOUND = failure("404")
_THROTTLED = failure("429")
_MEANS_401 = {"401", "02"}
_DATE_SKEW_S = 3600.0


class NombaSandbox(VendorSandbox[Switches]):
    """Be Nomba on loopback, as documented, with a switch for whatever only the real service could settle.

    Endpoints (the names that `requests`, `committed`, `faults` and `log` use): issue, refresh, revoke, balance,
    parent, sub_balance (``/v1/accounts/{id}/balance``), banks (``/v1/transfers/banks``) and echo (``POST /v1/echo``,
    not the vendor's: says how long the body was and its SHA-256).

    Switches, the default first; `SWITCHES` lists them for parametrised tests:

    ========================  =====================================================================================
    bad_secret                401_code_401, 401_code_01, 400_code_01, 403, 404, 200_code_01, 200_data_null
    bad_account_id            401, 403, 404, 200_code_401: header missing or wrong, on any endpoint that wants it
    sub_account_header        403, 401, works: the sub-account's id in the header of a resource call
    wrong_environment         issue_ok_then_403, issue_ok_then_401, issue_refused (as `bad_secret` says)
    access_ttl                1800, 3600, 10800, short (2 s), or seconds, or a timedelta
    expires_at                ms_z, s_z, nanos, offset_colon, offset_plain (+0100), naive, epoch_s, epoch_ms,
                              epoch_string (of seconds), expires_in, missing, garbage, past (an hour ago)
    expires_at_skew           none, plus_1h, minus_1h: what the stamp says beside the truth
    date_header               present, absent, skewed (an hour ahead: with plus_1h, a vendor whose clock is fast)
    refresh_bearer            live_only, expired_ok (any token of this key), not_needed; else 401, nothing spent
    refresh_rotation          same, new_old_lives, new_old_dies, omitted, empty (the old one stays good in both)
    refresh_kills_old_access  no, yes
    refresh_ttl               unlimited, "seconds:N", or seconds, or a timedelta
    refresh_refused           401_code_02, 401_code_401, 400, 403, 404, 200_code_02, 200_code_01: dead or spent
    session_scope             client_id, account, none: how far a second issue reaches
    second_issue              kills_first (both its tokens), kills_after_grace (5 s), keeps_first
    expired_token_signal      401_code_401, 401_code_02, 401_empty, 202_code_401, 200_code_401
    revoke_account_id         ignored, required
    revoke_scope              access_only, access_and_refresh
    revoke_dead_token         200_00, 401, 404, 200_code_02
    rate_class                off, regular (15 POST and 75 other a second), elevated (40, 100), low (1, 25 a minute)
    auth_quota                shared, separate, none
    rate_headers              window_1s, window_60s, absent, retry_after_seconds, retry_after_date (the last two
                              on a 429). The window's text is as switched, whatever the window really is
    code_type, field_case     string, int; snake, camel
    business_id, error_data   present, absent; absent, null
    status_field              absent, true, false_on_success
    error_body                code_description, message, response_code, errors_array, html, empty, list
    failure_transport         http_status, http_200 (only where the body carries a code)
    ip_allow_list             off, 401, 403: resource calls only, so that the token looks like the culprit;
                              issue_403: signing in only, as from an address outside Nigeria
    ========================  =====================================================================================

    **Not as documented:** `rate_class` is "off" by default. The vendor's regular class lets 75 GETs a second through,
    and this double is there to be asked thousands at a time.

    Lifetimes end by the *wall* reading of the sandbox's clock, as a server on the other side of a suspended laptop
    would see it. Give it a clock of its own to test a machine whose wall clock is wrong.

    Args:
        clock: what lifetimes, rate windows, delays and the `Date` header are counted on.
        port: port to listen on; 0 lets the system choose.
        ssl_context: serve https with it.
        switches: see the table.

    Attributes:
        credentials: the API key to sign in with.
        second_credentials: another key of the same account.
        other_environment: a key of the vendor's other environment.
        sub_account_id: a sub-account of the account.
        reject_all: while true every resource call meets `expired_token_signal`, whatever its token.
        unauthorized: resource calls answered with what means 401, whatever the HTTP status.

    Raises:
        ConfigurationError: an unknown switch or value.
    """

    token_endpoints: ClassVar[Sequence[str]] = ("issue", "refresh", "revoke")
    credentials: NombaCredentials = data.MAIN
    second_credentials: NombaCredentials = data.SECOND
    other_environment: NombaCredentials = data.OTHER_ENVIRONMENT
    sub_account_id: str = data.SUB_ACCOUNT_ID

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        **switches: Unpack[SwitchOptions],
    ) -> None:
        super().__init__(parse(switches), clock=clock, port=port, ssl_context=ssl_context)
        self._keys = data.keys()
        self._answers = Answers(self.switches)
        self._sessions = Sessions(self.switches, self.clock)
        self._limiter = RateLimiter(self.switches, self.clock)
        self._bad_account = failure(self.switches.bad_account_id)
        self._dead_token = failure(self.switches.expired_token_signal)
        self._retiring: Secret | None = None

    def memories(self) -> Sequence[Memory]:
        """Return what remembers this sandbox's tokens."""
        return (self._sessions,)

    def take_over(self) -> None:
        """Sign in as a second process with the same key would, ending the first session as the switches say."""
        self._sessions.issue(self._keys[self.credentials.client_id])

    def add_credentials(self, *, account_id: str | None = None) -> NombaCredentials:
        """Return a further key that this sandbox accepts: of its account, or of another one."""
        made = data.another(account_id or self.credentials.account_id)
        self._keys[made.client_id] = data.Key(made)
        return made

    def rotate_secret(self, *, overlap: bool = False) -> NombaCredentials:
        """Give the key of `credentials` a new secret, as the dashboard does, and return it. Tokens live on.

        Args:
            overlap: the old secret stays valid until the next rotation; else it is refused at once.
        """
        old = self.credentials
        made = data.another(old.account_id, old.client_id)
        self._retiring = old.client_secret if overlap else None
        self._keys[made.client_id].credentials = self.credentials = made
        return made

    def success(self, data: object = None) -> web.Response:
        """Return Nomba's envelope of a success around `data`."""
        return self._answers.success(data)

    def failure(self, status: int, words: str | None = None, *, code: str | None = None) -> web.Response:
        """Return Nomba's refusal, in the form that is switched on; with status 200 and a `code` a business failure.

        Args:
            status: HTTP status.
            words: the envelope's description.
            code: the envelope's code; the status if None.
        """
        return self._answers.failure(Failure(status, code or str(status), words=words or phrase(status)))

    def routes(self) -> Mapping[str, Route]:
        """Return the endpoints: name -> (method, path, handler)."""
        return {
            "issue": ("POST", "/v1/auth/token/issue", self._metered(self._issue, auth=True)),
            "refresh": ("POST", "/v1/auth/token/refresh", self._metered(self._refresh, auth=True)),
            "revoke": ("POST", "/v1/auth/token/revoke", self._metered(self._revoke, auth=True)),
            "balance": ("GET", "/v1/accounts/balance", self.guarded(self._balance)),
            "parent": ("GET", "/v1/accounts/parent", self.guarded(self._parent)),
            "sub_balance": ("GET", "/v1/accounts/{account_id}/balance", self.guarded(self._balance)),
            "banks": ("GET", "/v1/transfers/banks", self.guarded(self._banks)),
            "echo": ("POST", "/v1/echo", self.guarded(self._echo)),
        }

    async def unknown(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the path is known to be none
        """Answer a path that is no endpoint as a missing record."""
        return self._answers.failure(_NOT_FOUND)

    def date(self) -> str | None:
        """Return the `Date` header as `date_header` says."""
        if self.switches.date_header == "absent":
            return None
        skew_s = _DATE_SKEW_S if self.switches.date_header == "skewed" else 0.0
        return self.http_date(self.clock.wall() + skew_s)

    # --- before the handlers ------------------------------------------------------------------------------------

    def _metered(self, handler: Handler, *, auth: bool) -> Handler:
        if not self._limiter.watches(auth=auth):
            return handler

        async def serve(request: web.Request) -> web.Response:
            account = request.headers.get("accountId", "")
            verdict = self._limiter.admit(account, post=request.method == "POST", auth=auth)
            response = await handler(request) if verdict.admitted else self._answers.failure(_THROTTLED)
            response.headers.update(verdict.headers)
            return response

        return serve

    def guarded(self, handler: Handler) -> Handler:
        """Wrap `handler` so that it serves only the requests that `refuse` lets through, at the rate allowed."""
        return self._metered(super().guarded(handler), auth=False)

    def refuse(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request whose token does not open its endpoint; None if the token does."""
        refused = self._refusal(request.headers)
        if refused is None:
            return None
        if refused.code in _MEANS_401:
            self.note_unauthorized()
        return self._answers.failure(refused)

    def _refusal(self, headers: Mapping[str, str]) -> Failure | None:
        switches = self.switches
        if switches.ip_allow_list in {"401", "403"}:
            return failure(switches.ip_allow_list)
        access = self._bearer(headers)
        if self.reject_all or access is None or not access.live(self.clock.wall()):
            return self._dead_token
        if access.session.key.foreign:
            return failure(switches.wrong_environment.removeprefix("issue_ok_then_"))
        account = headers.get("accountId")
        if account == self.sub_account_id:
            return None if switches.sub_account_header == "works" else failure(switches.sub_account_header)
        return None if account == access.session.key.credentials.account_id else self._bad_account

    def _bearer(self, headers: Mapping[str, str]) -> Access[Session] | None:
        return self._sessions.access(bearer_token(headers) or "")

    # --- signing in ---------------------------------------------------------------------------------------------

    async def _issue(self, request: web.Request) -> web.Response:
        body = await _fields(request, "client_id", "client_secret", grant_type="client_credentials")
        if body is None:
            return self._answers.failure(_BAD_REQUEST)
        if self.switches.ip_allow_list == "issue_403":
            return self._answers.failure(_FORBIDDEN)
        if not self._parent_named(request):
            return self._answers.failure(self._bad_account)
        key = self._keys.get(body["client_id"])
        if key is None or Secret(body["client_secret"]) not in self._secrets(key):
            return self._bad_secret()
        if key.foreign and self.switches.wrong_environment == "issue_refused":
            return self._bad_secret()
        if request.headers["accountId"] != key.credentials.account_id:
            return self._answers.failure(self._bad_account)
        return self._answers.pair(self._sessions.issue(key), key.credentials.account_id)

    def _secrets(self, key: data.Key) -> list[Secret]:
        own = key.credentials
        retiring = self._retiring if own.client_id == self.credentials.client_id else None
        return [own.client_secret] if retiring is None else [own.client_secret, retiring]

    def _bad_secret(self) -> web.Response:
        if self.switches.bad_secret == "200_data_null":
            return self._answers.success(None)
        return self._answers.failure(failure(self.switches.bad_secret))

    async def _refresh(self, request: web.Request) -> web.Response:
        body = await _fields(request, "refresh_token", grant_type="refresh_token")
        if body is None:
            return self._answers.failure(_BAD_REQUEST)
        if not self._parent_named(request):
            return self._answers.failure(self._bad_account)
        refresh = self._sessions.presented(body["refresh_token"])
        if refresh is None or not refresh.live(self.clock.wall()):
            return self._answers.failure(failure(self.switches.refresh_refused))
        if not self._may_refresh(self._bearer(request.headers), refresh):
            return self._answers.failure(_UNAUTHORIZED)
        return self._answers.pair(
            self._sessions.rotate(body["refresh_token"], refresh), refresh.session.key.credentials.account_id
        )

    def _may_refresh(self, access: Access[Session] | None, refresh: Refresh[Session]) -> bool:
        if self.switches.refresh_bearer == "not_needed":
            return True
        if access is None or access.session.key is not refresh.session.key:
            return False
        return self.switches.refresh_bearer == "expired_ok" or access.live(self.clock.wall())

    async def _revoke(self, request: web.Request) -> web.Response:
        body = await _fields(request, "clientId", "access_token")
        if body is None:
            return self._answers.failure(_BAD_REQUEST)
        if self.switches.revoke_account_id == "required" and not self._parent_named(request):
            return self._answers.failure(self._bad_account)
        access = self._sessions.access(body["access_token"])
        if access is not None and access.session.key.credentials.client_id != body["clientId"]:
            return self._answers.failure(_UNAUTHORIZED)
        if access is not None and access.live(self.clock.wall()):
            self._sessions.revoke(access)
        elif self.switches.revoke_dead_token != "200_00":
            return self._answers.failure(failure(self.switches.revoke_dead_token))
        return self._answers.success(description="Token revoked successfully", with_data=False)

    def _parent_named(self, request: web.Request) -> bool:
        accounts = {key.credentials.account_id for key in self._keys.values()}
        return request.headers.get("accountId") in accounts

    # --- resources ----------------------------------------------------------------------------------------------

    async def _balance(self, request: web.Request) -> web.Response:
        amount = data.BALANCES.get(request.match_info.get("account_id", "parent"))
        if amount is None:
            return self._answers.failure(_NOT_FOUND)
        now = datetime.fromtimestamp(self.clock.wall(), UTC).replace(tzinfo=None)
        stamp = f"{now.isoformat(timespec='milliseconds')}Z"
        return self._answers.success({"amount": amount, "currency": "NGN", "timeCreated": stamp})

    async def _parent(self, request: web.Request) -> web.Response:
        return self._answers.success({**data.PARENT, "accountId": request.headers["accountId"]})

    async def _banks(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        return self._answers.success(data.BANKS)

    async def _echo(self, request: web.Request) -> web.Response:
        return self._answers.success(await body_digest(request))


async def _fields(
    request: web.Request, *names: str, grant_type: str | None = None
) -> Mapping[str, str] | None:
    """Return `names` from the JSON body if each is text in it and the grant type is right, else None."""
    body = await json_document(request)
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, object]", body)
    if grant_type is not None and fields.get("grant_type") != grant_type:
        return None
    found = {name: text for name in names if isinstance(text := fields.get(name), str) and text}
    return found if len(found) == len(names) else None
