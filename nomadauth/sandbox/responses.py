"""The bodies of every answer, in each shape the documents or their contradictions allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

from nomadauth.sandbox.data import QR_CODE, QR_IMAGE, Account
from nomadauth.sandbox.sessions import Pair
from nomadauth.sandbox.switches import Switches
from nomadauth.statuses import LoginStatus, PingStatus

__all__ = ["Answers", "json_answer"]

_WORDS = {
    400: "The request is not valid",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Invalid user name or password",
    429: "Too many requests",
    503: "Service unavailable",
}
_OK = 200

_UNUSUAL: Mapping[str, object] = {
    "string": "3600",
    "null": None,
    "zero": 0,
    "negative": -3600.0,
    "huge": 1e300,
}


class Answers:
    """Build answers as the switches say."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def body(self, fields: Mapping[str, object]) -> web.Response:
        """Answer 200 with `fields`, their names spelled as switched."""
        if self._switches.json_case == "pascal":
            fields = {name[:1].upper() + name[1:]: value for name, value in fields.items()}
        return json_answer(_OK, fields)

    def login(self, pair: Pair) -> web.Response:
        """Answer with tokens, as a login and a refresh do."""
        account, fields = pair.session.account, self._account(pair.session.account)
        fields |= {
            "userName": account.credentials.username,
            self._switches.token_field: pair.access,
            "loginStatus": None,
            "userSessionId": pair.session.session_id,
        }
        if pair.refresh is not None:
            fields["refreshToken"] = pair.refresh
        return self.body({**fields, **self._expiry()})

    def renewed(self, pair: Pair) -> web.Response:
        """Answer with tokens, as the renewal of a single sign-on does: it says nothing of their life."""
        fields: dict[str, object] = {self._switches.token_field: pair.access}
        if pair.refresh is not None:
            fields["refreshToken"] = pair.refresh
        return self.body(fields)

    def held_back(self, account: Account, status: LoginStatus) -> web.Response:
        """Answer 200 without a token: a status says why."""
        fields = self._account(account) | {"loginStatus": self.status(status), "token": None}
        if status is LoginStatus.TWO_FACTOR_SETUP_REQUIRED:
            fields |= {"twoFactorQRCode": QR_CODE, "twoFactorQRCodeImage": QR_IMAGE}
        return self.body(fields)

    def failure(
        self, status: int, login_status: LoginStatus | None = None, words: str | None = None
    ) -> web.Response:
        """Refuse with `status`, in the shape that is switched."""
        text = words or _WORDS[status]
        more = {} if login_status is None else {"loginStatus": self.status(login_status)}
        shapes: Mapping[str, object] = {
            "problem": {
                "type": "https://tools.ietf.org/html/rfc7231",
                "title": text,
                "status": status,
                "detail": None,
                "instance": None,
            }
            | more,
            "json_string": text,
            "message_errors": {"message": text, "errors": [text]} | more,
            "error_list": {"errors": [{"code": "E1", "field": "userName", "message": text}]} | more,
            "error_map": {"errors": {"userName": text}} | more,
        }
        shape = self._switches.error_body
        if shape in shapes:
            return json_answer(status, shapes[shape])
        if shape == "text":
            return web.Response(status=status, text=text)
        return self.markup(status) if shape == "html" else web.Response(status=status)

    def markup(self, status: int) -> web.Response:
        """Refuse as a host that is no API does."""
        return web.Response(status=status, text=f"<!DOCTYPE html><h1>{status}</h1>", content_type="text/html")

    def status(self, status: LoginStatus | PingStatus) -> str | int:
        """Write a status as `status_wire` says."""
        match self._switches.status_wire:
            case "string":
                return str(status.value)
            case "int":
                known: list[LoginStatus | PingStatus] = [*type(status)]
                return known.index(status) + 1
            case "unknown_string":
                return "IsSomethingNew"
            case _:
                return 97

    def sso_query(self, pair: Pair, now_s: float) -> str:
        """Return what stands behind the question mark when the browser comes back."""
        prefix = self._switches.sso_prefix
        query = {} if self._switches.sso_auth_callback == "absent" else {"authCallback": "true"}
        query |= {f"{prefix}_token": pair.access, f"{prefix}_refresh_token": pair.refresh or ""}
        if self._switches.sso_expires != "absent":
            life_s = self._switches.stated_life.total_seconds()
            query["expires"] = _EXPIRES[self._switches.sso_expires](now_s, life_s)
        encode = _plain if self._switches.sso_token_encoding == "plain" else _percent
        return "&".join(f"{name}={encode(value)}" for name, value in query.items())

    def _account(self, account: Account) -> dict[str, object]:
        return {
            "id": account.user_id,
            "firstName": "Svc",
            "lastName": "Acct",
            "isAdmin": False,
            "isGuest": False,
            "scopeId": None,
            "scopeName": None,
            "claims": None,
            "cookies": None,
        }

    def _expiry(self) -> Mapping[str, object]:
        value = self._switches.expiry_value
        if value == "missing":
            return {}
        stated = self._switches.stated_life.total_seconds()
        return {
            self._switches.expiry_field: _UNUSUAL.get(value, stated) if isinstance(value, str) else stated
        }


def json_answer(status: int, body: object) -> web.Response:
    """Answer with JSON."""
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")


def _plain(value: str) -> str:
    return value


def _percent(value: str) -> str:
    return quote(value, safe="")


_EXPIRES: Mapping[str, Callable[[float, float], str]] = {
    "seconds": lambda _, life_s: str(life_s),
    "epoch_s": lambda now_s, life_s: str(int(now_s + life_s)),
    "epoch_ms": lambda now_s, life_s: str(int((now_s + life_s) * 1000)),
    "iso8601": lambda now_s, life_s: (
        datetime.fromtimestamp(now_s + life_s, UTC).isoformat().replace("+00:00", "Z")
    ),
    "garbage": lambda _now_s, _life_s: "soon",
}
