"""`NoyoSandbox`: the vendor's double."""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Unpack
from urllib.parse import unquote

from aiohttp import web
from yarl import URL

from nauth.clock import Clock
from nauth.secret import Secret
from nauth.testing.request_body import json_document
from nauth.testing.sandbox import Handler, Route
from nauth.testing.vendor_sandbox import Memory, VendorSandbox, bearer_token, body_digest, phrase
from noyoauth.config import TOKEN_PATH
from noyoauth.credentials import NoyoCredentials
from noyoauth.sandbox import data
from noyoauth.sandbox.limits import Outages
from noyoauth.sandbox.responses import Answers
from noyoauth.sandbox.sessions import Sessions
from noyoauth.sandbox.switches import Switches, SwitchOptions, parse

__all__ = ["NoyoSandbox"]

_PAGE_SIZES = range(5, 101)
_DEFAULT_PAGE_SIZE = 20
_LONGEST_NUMBER = 9


class NoyoSandbox(VendorSandbox[Switches]):
    """Be Noyo on loopback, as documented, with a switch for whatever only the real service could settle.

    Token endpoint and API are one server here. Endpoints (the names that `requests`, `committed`, `faults` and `log`
    use): token, groups, group (``/api/v1/groups/{id}``, a bare object), ping (needs no token), elsewhere (where
    `token_redirect` points) and echo (``POST /api/v1/echo``, not the vendor's: says how long the body was and its
    SHA-256).

    A token request is refused with 400 if it is form encoded, lacks the Basic pair, has it percent-encoded, or has
    anything in its body beside the grant type.

    Switches, the default first; `SWITCHES` lists them for parametrised tests:

    ==================  ============================================================================================
    token_kind          jwt_iat_exp, jwt_exp_only, jwt_no_times, jwt_bad_payload, opaque
    real_lifetime       600, 864, short (2 s), or seconds, or a timedelta: what is enforced and written into the JWT
    expires_in          864000, 600000, 600, 864, 86400, "864000", 0, -1, null, absent, "soon", 1e400: as in the JSON
    token_type          Bearer, bearer, absent
    token_refusal       401, 400, 403: a wrong id or secret
    token_error_body    message, message_status_int, message_status_error, oauth_error, text, html, empty
    api_401_body        message, message_status_int, oauth_error, text, html, empty: for a token that is missing,
                        malformed or expired alike
    www_authenticate    absent, bearer_error (``invalid_token``; no code where no token came), garbage
    cross_environment   401, 403, 404: a token of the other environment's key
    concurrent_tokens   all_live, newest_only, "max:N": how many tokens of one key live
    key_rotation        old_key_dies_tokens_live, old_key_and_tokens_die, overlap: what `rotate_key` does
    error_status_field  int, string_error, absent: in the body of any other API refusal
    total_records       present, absent
    page_num            consistent, inconsistent
    throttle            off, 429_seconds, 429_http_date, 429_bare: until `window` after the first request
    maintenance         off, 503_seconds, 503_http_date, 503_bare, 502_html: likewise; goes before `throttle`
    request_id          none, x-request-id, x-cloud-trace-context: on every answer
    token_redirect      off, 307_other_host (``localhost`` instead of 127.0.0.1), 302_same_host
    ==================  ============================================================================================

    Lifetimes end by the *wall* reading of the sandbox's clock, as a server on the other side of a suspended laptop
    would see it. Give it a clock of its own to test a machine whose wall clock is wrong.

    Args:
        clock: what lifetimes, windows, delays and the `Date` header are counted on.
        port: port to listen on; 0 lets the system choose.
        ssl_context: serve https with it.
        switches: see the table.

    Attributes:
        credentials: the API key to sign in with; another one after `rotate_key`.
        second_credentials: another key of the same organization.
        other_environment: a key of the vendor's other environment.
        groups: what the list of groups holds; `add_groups` makes more.
        reject_all: while true every API call meets a 401, whatever its token.
        unauthorized: API calls answered with 401.

    Raises:
        ConfigurationError: an unknown switch or value.
    """

    token_endpoints: ClassVar[Sequence[str]] = ("token",)
    second_credentials: NoyoCredentials = data.SECOND
    other_environment: NoyoCredentials = data.OTHER_ENVIRONMENT

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        **switches: Unpack[SwitchOptions],
    ) -> None:
        super().__init__(parse(switches), clock=clock, port=port, ssl_context=ssl_context)
        self.credentials: NoyoCredentials = data.MAIN
        self.groups: list[Mapping[str, object]] = [data.group(1)]
        self._keys = data.keys()
        self._retiring: NoyoCredentials | None = None
        self._answers = Answers(self.switches)
        self._sessions = Sessions(self.switches, self.clock)
        self._outages = Outages(self.switches, self.clock)

    @property
    def token_url(self) -> str:
        """Where tokens come from."""
        return f"{self.base_url}/{TOKEN_PATH}"

    @property
    def window(self) -> timedelta:
        """How long a throttle or an outage lasts."""
        return self._outages.window

    @window.setter
    def window(self, span: timedelta) -> None:
        self._outages.window = span

    def begin_outage(self) -> None:
        """Let the next request open a new window of `throttle` or `maintenance`."""
        self._outages.again()

    def add_groups(self, count: int) -> None:
        """Add `count` groups to the list."""
        self.groups += [data.group(len(self.groups) + number) for number in range(1, count + 1)]

    def memories(self) -> Sequence[Memory]:
        """Return what remembers this sandbox's tokens."""
        return (self._sessions,)

    def take_over(self) -> None:
        """Sign in as a second process with the same key would, ending other tokens as the switches say."""
        self._sessions.issue(self._keys[self.credentials.client_id])

    def rotate_key(self) -> None:
        """Replace `credentials` by a new key; what becomes of the old one is `key_rotation`'s to say."""
        old, new = self._keys[self.credentials.client_id], data.successor()
        old.active = self.switches.key_rotation == "overlap"
        if self.switches.key_rotation == "old_key_and_tokens_die":
            self._sessions.kill_key(old)
        self._keys[new.client_id] = data.Key(new)
        self.credentials = new

    def add_credentials(self) -> NoyoCredentials:
        """Return a further key that this sandbox accepts."""
        made = data.successor()
        self._keys[made.client_id] = data.Key(made)
        return made

    def rotate_secret(self, *, overlap: bool = False) -> NoyoCredentials:
        """Give the key of `credentials` a new secret and return it. Tokens live on.

        Args:
            overlap: the old secret stays valid until the next rotation; else it is refused at once.
        """
        self._retiring = self.credentials if overlap else None
        made = data.successor(self.credentials.client_id)
        self._keys[made.client_id].credentials = self.credentials = made
        return made

    def success(self, data: object = None) -> web.Response:
        """Return a success: Noyo's single records have no envelope. A list has `meta` and `response` in `data`."""
        return self._answers.bare(data)

    def failure(self, status: int, words: str | None = None, *, code: str | None = None) -> web.Response:  # noqa: ARG002 - Noyo has no codes
        """Return Noyo's refusal: HTTP status, and words under ``message``."""
        return self._answers.failure(status, words or phrase(status))

    def routes(self) -> Mapping[str, Route]:
        """Return the endpoints: name -> (method, path, handler)."""
        return {
            "token": ("POST", f"/{TOKEN_PATH}", self._watched(self._token, "token")),
            "groups": ("GET", "/api/v1/groups", self.guarded(self._groups)),
            "group": ("GET", "/api/v1/groups/{group_id}", self.guarded(self._group)),
            "echo": ("POST", "/api/v1/echo", self.guarded(self._echo)),
            "ping": ("GET", "/ping", self._named(self._ping)),
            "elsewhere": ("*", f"/{TOKEN_PATH}/elsewhere", self._ping),
        }

    async def unknown(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the path is known to be none
        """Answer a path that is no endpoint as a missing record."""
        return self._answers.failure(404)

    # --- before the handlers ------------------------------------------------------------------------------------

    def _named(self, handler: Handler) -> Handler:
        header = self.switches.request_id
        if header == "none":
            return handler

        async def serve(request: web.Request) -> web.Response:
            response = await handler(request)
            response.headers[header] = f"sandbox-{self.requests.total()}"
            return response

        return serve

    def _watched(self, handler: Handler, channel: str) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            verdict = self._outages.verdict(channel)
            return await handler(request) if verdict is None else self._answers.outage(verdict)

        return self._named(serve)

    def guarded(self, handler: Handler) -> Handler:
        """Wrap `handler` so that it serves only the requests that `refuse` lets through, while there is no outage."""
        return self._watched(super().guarded(handler), "api")

    def refuse(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request whose token does not open its endpoint; None if the token does."""
        access = self._sessions.access(bearer_token(request.headers) or "")
        dead = self.reject_all or access is None or not access.live(self.clock.wall())
        if not dead and access is not None and not access.session.key.foreign:
            return None
        status = 401 if dead else int(self.switches.cross_environment)
        if status != 401:  # noqa: PLR2004
            return self._answers.failure(status)
        self.note_unauthorized()
        return self._answers.unauthorized(presented="Authorization" in request.headers)

    # --- signing in ---------------------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        if self.switches.token_redirect != "off":
            return self._redirected()
        pair = _basic(request.headers.get("Authorization", ""))
        if pair is None or not await _as_documented(request):
            return self._answers.token_refusal(400)
        if self._known(*pair) is None and self._known(*map(unquote, pair)) is not None:
            return self._answers.token_refusal(400)
        key = self._known(*pair)
        if key is None or not key.active:
            return self._answers.token_refusal(int(self.switches.token_refusal))
        return self._answers.token(self._sessions.issue(key))

    def _known(self, client_id: str, client_secret: str) -> data.Key | None:
        key = self._keys.get(client_id)
        if key is None:
            return None
        retiring = self._retiring if self._retiring and self._retiring.client_id == client_id else None
        valid = [key.credentials, *([] if retiring is None else [retiring])]
        return key if Secret(client_secret) in [one.client_secret for one in valid] else None

    def _redirected(self) -> web.Response:
        status, _, where = self.switches.token_redirect.partition("_")
        target = URL(self.token_url) / "elsewhere"
        location = target.with_host("localhost") if where == "other_host" else target
        return web.Response(status=int(status), headers={"Location": str(location)})

    # --- resources ----------------------------------------------------------------------------------------------

    async def _groups(self, request: web.Request) -> web.Response:
        page_size = _number(request.query.get("page_size", str(_DEFAULT_PAGE_SIZE)))
        offset = _number(request.query.get("offset", "0"))
        if page_size is None or page_size not in _PAGE_SIZES or offset is None:
            return self._answers.failure(400)
        groups = self.groups[offset : offset + page_size]
        return self._answers.page(groups, offset=offset, page_size=page_size, total=len(self.groups))

    async def _group(self, request: web.Request) -> web.Response:
        wanted = request.match_info["group_id"]
        found = next((group for group in self.groups if group["id"] == wanted), None)
        return self._answers.failure(404) if found is None else self._answers.bare(found)

    async def _echo(self, request: web.Request) -> web.Response:
        return self._answers.bare(await body_digest(request))

    async def _ping(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler's shape
        return self._answers.bare({"message": "pong"})


async def _as_documented(request: web.Request) -> bool:
    """Tell whether the body is JSON, says so, and holds the grant type and nothing else."""
    if request.content_type != "application/json":
        return False
    return await json_document(request) == {"grant_type": "client_credentials"}


def _basic(header: str) -> tuple[str, str] | None:
    """Return id and secret of a Basic header, split at the first colon; None if it is none."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client_id, colon, client_secret = text.partition(":")
    return (client_id, client_secret) if scheme == "Basic" and colon else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else None
