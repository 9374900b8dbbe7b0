"""The bodies of every answer, in each shape the documents or their contradictions allow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web

from noyoauth.sandbox.limits import Verdict
from noyoauth.sandbox.switches import Switches

__all__ = ["Answers"]

_WORDS: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
"""The sandbox's own: of Noyo's texts only "Unauthorized" is known."""

_CHALLENGES: Mapping[str, str] = {
    "bearer_error": 'Bearer realm="noyo", error="invalid_token", error_description="whatever it says"',
    "garbage": 'Bearer error=,,"\\ ;; =',
}
_NO_CREDENTIALS = 'Bearer realm="noyo"'
"""RFC 6750 section 3.1: without credentials no error code."""


class Answers:
    """Build answers as the switches say."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def token(self, token: str) -> web.Response:
        """Answer with a token. Written by hand: `expires_in` may be what no JSON library would write."""
        fields = [f'"access_token": {json.dumps(token)}']
        if self._switches.expires_in != "absent":
            fields.append(f'"expires_in": {self._switches.expires_in}')
        if self._switches.token_type != "absent":
            fields.append(f'"token_type": "{self._switches.token_type}"')
        return _raw(200, f"{{{', '.join(fields)}}}".encode())

    def page(
        self, groups: Sequence[Mapping[str, object]], *, offset: int, page_size: int, total: int
    ) -> web.Response:
        """Answer with one page of groups."""
        consistent = self._switches.page_num == "consistent"
        meta = {
            "offset": offset,
            "page_num": offset // page_size + 1 if consistent else offset + 2,
            "page_size": page_size,
        }
        if self._switches.total_records == "present":
            meta["total_records"] = total
        return self.bare({"meta": meta, "response": groups})

    def bare(self, body: object) -> web.Response:
        """Answer with an object as it is: single resources have no envelope."""
        return _raw(200, json.dumps(body).encode())

    def token_refusal(self, status: int) -> web.Response:
        """Refuse a token request."""
        return _shaped(status, self._switches.token_error_body)

    def unauthorized(self, *, presented: bool) -> web.Response:
        """Answer 401: the same body for a token that is missing, malformed or expired."""
        response = _shaped(401, self._switches.api_401_body)
        challenge = _CHALLENGES.get(self._switches.www_authenticate)
        if challenge is not None:
            bare = self._switches.www_authenticate == "bearer_error" and not presented
            response.headers["WWW-Authenticate"] = _NO_CREDENTIALS if bare else challenge
        return response

    def failure(self, status: int, words: str | None = None) -> web.Response:
        """Refuse an API call for any other reason."""
        return _shaped(status, _OF_STATUS_FIELD[self._switches.error_status_field], words)

    def outage(self, verdict: Verdict) -> web.Response:
        """Refuse for the time being."""
        response = _shaped(verdict.status, "html") if verdict.html else self.failure(verdict.status)
        if verdict.retry_after is not None:
            response.headers["Retry-After"] = verdict.retry_after
        return response


_OF_STATUS_FIELD = {"int": "message_status_int", "string_error": "message_status_error", "absent": "message"}


def _shaped(status: int, shape: str, words: str | None = None) -> web.Response:
    words = words or _WORDS[status]
    if shape == "html":
        return web.Response(status=status, text=f"<html><h1>{words}</h1></html>", content_type="text/html")
    if shape == "text":
        return web.Response(status=status, text=words)
    if shape == "empty":
        return web.Response(status=status)
    body: dict[str, object] = {"message": words}
    if shape == "oauth_error":
        body = {"error": "invalid_client", "error_description": words}
    elif shape == "message_status_int":
        body["status"] = status
    elif shape == "message_status_error":
        body["status"] = "error"
    return _raw(status, json.dumps(body).encode())


def _raw(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
