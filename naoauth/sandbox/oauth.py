"""The sandbox's OAuth endpoints: authorize (consents at once, or shows a page with a button), token, revoke."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus, urlencode

from aiohttp import web
from yarl import URL

from naoauth.sandbox import data
from naoauth.sandbox.responses import Answers
from naoauth.sandbox.sessions import Granted, Grants
from naoauth.sandbox.switches import Switches
from nauth.clock import Clock
from nauth.testing.consent_page import ALLOW, consent_page, decision
from nauth.testing.request_body import form_fields

__all__ = ["OAuth"]

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
"""The name localhost is not among them: RFC 8252 section 8.3 advises against it."""


class OAuth:
    """Serve the three OAuth endpoints; the switches decide how.

    Attributes:
        grants: the codes and tokens issued so far.
        deny: the error code with which the next sign-ins end; None approves them.
        redirect_uris: where the application may be sent back to. One on loopback without a port matches any port (RFC
            8252 section 7.3).
        consent_page: whether a person has to press a button.
    """

    def __init__(self, switches: Switches, answers: Answers, clock: Clock) -> None:
        self.redirect_uris: list[str] = [data.REDIRECT_URI]
        self.consent_page = False
        self.grants: Grants = Grants(switches, clock)
        self.deny: str | None = None
        self._switches = switches
        self._answers = answers
        self._clock = clock

    def approve(self, query: Mapping[str, str], *, denied: bool = False) -> str | None:
        """Return where the browser is sent after the consent; None if the request names no registered application."""
        redirect_uri = query.get("redirect_uri")
        if query.get("client_id") != data.CLIENT_ID or redirect_uri is None:
            return None
        if not any(_matches(redirect_uri, registered) for registered in self.redirect_uris):
            return None
        state = {"state": query["state"]} if "state" in query else {}
        refused = "access_denied" if denied else self._refused(query)
        if refused is not None:
            return f"{redirect_uri}?{urlencode({'error': refused, 'error_description': 'refused', **state})}"
        code = self.grants.new_code(redirect_uri, query.get("code_challenge") if self._pkce else None)
        return f"{redirect_uri}?{urlencode({'code': code, **state})}"

    async def authorize(self, request: web.Request) -> web.Response:
        """Redirect the browser back, at once or after a button was pressed."""
        pressed = await decision(request)
        if self.consent_page and pressed is None:
            return consent_page("NAO Cloud sandbox")
        target = self.approve(request.query, denied=pressed not in {None, ALLOW})
        if target is None:
            return self._answers.failure(401, "unknown application or redirect URI")
        return web.Response(status=302, headers={"Location": target})

    async def token(self, request: web.Request) -> web.Response:
        """Exchange a code or a refresh token."""
        fields = await form_fields(request)
        if not self._client_known(request.headers, fields):
            return self._error("invalid_client")
        granted: Granted | None
        match fields.get("grant_type"):
            case "authorization_code":
                if self._switches.oauth_pkce == "refused" and "code_verifier" in fields:
                    return self._error("invalid_request")
                granted = self.grants.exchange(
                    fields.get("code", ""), fields.get("redirect_uri", ""), fields.get("code_verifier")
                )
            case "refresh_token" if self._switches.oauth_refresh != "none":
                granted = self.grants.refresh(fields.get("refresh_token", ""))
            case _:
                return self._error("unsupported_grant_type")
        return self._error("invalid_grant") if granted is None else self._granted(granted)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a token; 404 if the switches give no revocation endpoint."""
        if self._switches.oauth_revoke == "404":
            return self._answers.failure(404)
        fields = await form_fields(request)
        if not self._client_known(request.headers, fields):
            return self._error("invalid_client")
        self.grants.revoke(fields.get("token", ""))
        return self._answers.success({})

    @property
    def _pkce(self) -> bool:
        return self._switches.oauth_pkce == "required"

    def _refused(self, query: Mapping[str, str]) -> str | None:
        if self.deny is not None:
            return self.deny
        if query.get("response_type") != "code":
            return "unsupported_response_type"
        given = query.get("code_challenge_method") == "S256" and bool(query.get("code_challenge"))
        wanted = self._switches.oauth_pkce
        return (
            "invalid_request"
            if (wanted == "required" and not given) or (wanted == "refused" and given)
            else None
        )

    def _client_known(self, headers: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        if self._switches.oauth_client_auth == "basic":
            scheme, _, packed = headers.get("Authorization", "").partition(" ")
            pair = _unpacked(packed) if scheme == "Basic" else None
        else:
            pair = (fields.get("client_id", ""), fields.get("client_secret", ""))
        return pair == (data.CLIENT_ID, data.CLIENT_SECRET.reveal())

    def _granted(self, granted: Granted) -> web.Response:
        body: dict[str, object] = {"access_token": granted.access}
        if self._switches.oauth_answer == "full":
            body |= {"token_type": "Bearer", "scope": "public", "created_at": int(self._clock.wall())}
            if self._switches.oauth_life is not None:
                body["expires_in"] = int(self._switches.oauth_life.total_seconds())
            if granted.refresh is not None:
                body["refresh_token"] = granted.refresh
        return self._answers.success(body)

    def _error(self, code: str) -> web.Response:
        status = 401 if code == "invalid_client" else int(self._switches.oauth_error_status)
        return self._answers.success(
            {"error": code, "error_description": "refused by the sandbox"}, status=status
        )


def _matches(redirect_uri: str, registered: str) -> bool:
    if redirect_uri == registered:
        return True
    given, known = URL(redirect_uri), URL(registered)
    return (
        known.scheme == "http"
        and known.host in _LOOPBACK
        and known.explicit_port is None
        and given.explicit_port is not None
        and str(given.with_port(None)) == str(known)
    )


def _unpacked(packed: str) -> tuple[str, str] | None:
    try:
        client_id, mark, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote_plus(client_id), unquote_plus(secret)) if mark else None
