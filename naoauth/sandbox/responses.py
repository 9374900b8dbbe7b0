"""The bodies of every answer, in each shape that the pages leave open."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate

from aiohttp import web

from naoauth.sandbox import data
from naoauth.sandbox.switches import Switches
from nauth.testing.jwt import signed_jwt

__all__ = ["Answers"]

_TEXTS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    406: "Not acceptable",
    429: "Too many requests",
}
_FIELDS_STATUS = 422
_RELATIVE = {"expires_in", "ttl", "validity"}
_SHIFT_S = {"earlier_than_meta": -600.0, "later_than_meta": 600.0}
_ODD_JWT, _ODD_EXPIRY = "nao_pass", "good_until_then"

RETRY_S = 20
"""What a throttled answer asks to wait."""


class Answers:
    """Build answers as the switches say."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def success(
        self, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """Answer with `body`."""
        return self._json(status, body, headers)

    def failure(self, status: int, text: str | None = None) -> web.Response:
        """Refuse, with `errors` in the form that is switched on."""
        said = text or _TEXTS.get(status, "Unprocessable entity")
        form = self._switches.errors_form
        if form == "html":
            return web.Response(status=status, text=f"<html><h1>{said}</h1></html>", content_type="text/html")
        if form == "empty":
            return web.Response(status=status)
        return self._json(status, _ERRORS[form](status, said))

    def throttled(self, now_s: float) -> web.Response:
        """Answer 429, naming the wait as the switches say."""
        response = self.failure(429)
        if self._switches.throttle == "429_seconds":
            response.headers["Retry-After"] = str(RETRY_S)
        elif self._switches.throttle == "429_http_date":
            response.headers["Retry-After"] = formatdate(now_s + RETRY_S, usegmt=True)
        return response

    def session(self, jwt: str, expires_s: float, now_s: float, *, with_key: bool = True) -> web.Response:
        """Answer a sign-in: the JWT and its expiry in ``meta``, the account's key wherever it is switched to."""
        switches = self._switches
        shown = f"Bearer {jwt}" if switches.jwt_prefix == "bearer" else jwt
        key = _ODD_JWT if switches.jwt_key == "odd_name" else switches.jwt_key
        meta: dict[str, object] = self._expiry(expires_s, now_s)
        headers: dict[str, str] = {}
        match switches.jwt_place:
            case "meta":
                meta = {key: shown, **meta}
            case "meta_nested":
                meta = {"session": {key: shown, **meta}}
            case "response_header":
                headers["Authorization"] = shown
            case _:
                meta["build"] = 7
        attributes: dict[str, object] = {"id": 1, "email": data.EMAIL}
        user: dict[str, object] = {"id": "1", "type": "user", "attributes": attributes}
        body: dict[str, object] = {"data": user, "meta": meta}
        place = {"data.attributes": attributes, "data": user, "top_level": body, "meta": meta}.get(
            switches.auth_token_place
        )
        if place is not None and with_key:
            place["auth_token"] = data.auth_token(switches.auth_token_shape)
        return self._json(int(switches.session_status), body, headers)

    def jwt(self, issued_s: float, expires_s: float) -> str:
        """Return an HS256 token that no two calls share; what its ``exp`` says is switched by `jwt_exp`."""
        claims: dict[str, object] = {"sub": "1", "jti": secrets.token_hex(16), "iat": int(issued_s)}
        if self._switches.jwt_exp != "absent":
            # a short life must not be shifted away
            shift_s = _SHIFT_S.get(self._switches.jwt_exp, 0.0)
            claims["exp"] = int(max(expires_s + shift_s, issued_s + 1))
        return signed_jwt(claims)

    def _expiry(self, expires_s: float, now_s: float) -> dict[str, object]:
        key = self._switches.expiry_key
        if key == "absent":
            return {}
        if key in _RELATIVE:
            return {key: int(expires_s - now_s)}
        return {_ODD_EXPIRY if key == "odd_name" else key: _STAMPS[self._switches.expiry_form](expires_s)}

    def _json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.Response(
            status=status,
            body=json.dumps(body).encode(),
            content_type=self._switches.content_type,
            headers=headers,
        )


def _fields(status: int, said: str) -> object:
    return {"email": [said]} if status == _FIELDS_STATUS else {"base": [said]}


_ERRORS: Mapping[str, Callable[[int, str], object]] = {
    "jsonapi": lambda status, said: {
        "errors": [{"status": str(status), "title": said, "detail": said, "code": None, "source": None}]
    },
    "string_list": lambda _, said: {"errors": [said]},
    "field_map": lambda status, said: {"errors": _fields(status, said)},
    "string": lambda _, said: {"errors": said},
    "error_key": lambda _, said: {"error": said},
    "message_key": lambda _, said: {"message": said},
}


def _naive(at_s: float, timespec: str = "seconds", separator: str = "T") -> str:
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat(sep=separator, timespec=timespec)


_STAMPS: Mapping[str, Callable[[float], object]] = {
    "iso_z": lambda at_s: f"{_naive(at_s)}Z",
    "iso_ms_z": lambda at_s: f"{_naive(at_s, 'milliseconds')}Z",
    "iso_offset": lambda at_s: f"{_naive(at_s + 7200)}+02:00",
    "iso_offset_plain": lambda at_s: f"{_naive(at_s)}+0000",
    "ruby_utc": lambda at_s: f"{_naive(at_s, separator=' ')} UTC",
    "ruby_offset": lambda at_s: f"{_naive(at_s, separator=' ')} +0000",
    "http_date": lambda at_s: formatdate(at_s, usegmt=True),
    "epoch_s": int,
    "epoch_s_text": lambda at_s: str(int(at_s)),
    "epoch_ms": lambda at_s: int(at_s * 1000),
    "naive": _naive,
    "garbage": lambda _: "in a while",
}
