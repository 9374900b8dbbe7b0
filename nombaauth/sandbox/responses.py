"""The bodies of every answer, in each shape the documents or their contradictions allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import attrs
from aiohttp import web

from nombaauth.sandbox.sessions import Pair
from nombaauth.sandbox.switches import Switches

__all__ = ["Answers", "Failure", "failure"]

_HOUR_S = 3600.0
_SKEW_S = {"none": 0.0, "plus_1h": _HOUR_S, "minus_1h": -_HOUR_S}

_DESCRIPTIONS = {
    "01": "Invalid credentials",
    "02": "Token expired",
    "400": "Request failed.",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "Record not found",
    "429": "Too many requests",
}
_CARRY_A_CODE = {"code_description", "message", "errors_array"}
"""The error bodies that still say what went wrong when the HTTP status does not."""
_SUCCESS_ENDS = 300


@attrs.frozen
class Failure:
    """An answer that refuses: HTTP status, vendor code, whether the body is left out, and words of its own."""

    status: int
    code: str
    empty: bool = False
    words: str | None = None


def failure(text: str) -> Failure:
    """Read a switch value: "404", "401_code_02" or "401_empty"."""
    status, _, rest = text.partition("_")
    return Failure(
        int(status), rest.removeprefix("code_") if rest.startswith("code_") else status, rest == "empty"
    )


class Answers:
    """Build answers as the switches say."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def success(
        self, data: object = None, *, description: str = "Success", with_data: bool = True
    ) -> web.Response:
        """Answer 200 with the vendor's envelope around `data`."""
        body: dict[str, object] = {"code": self._code("00"), "description": description}
        if with_data:
            body["data"] = data
        if self._switches.status_field != "absent":
            body["status"] = self._switches.status_field == "true"
        return _json(200, body)

    def pair(self, pair: Pair, account_id: str) -> web.Response:
        """Answer with a token pair."""
        camel = self._switches.field_case == "camel"
        data: dict[str, object] = {"accessToken" if camel else "access_token": pair.access}
        if self._switches.business_id == "present":
            data["businessId"] = account_id
        if pair.refresh is not None:
            data["refreshToken" if camel else "refresh_token"] = pair.refresh
        data.update(self._expiry(pair.expires_at))
        return self.success(data)

    def failure(self, failure: Failure) -> web.Response:
        """Refuse: as a status or, under `failure_transport="http_200"`, as a 200 whose body says so.

        A body that carries no code keeps the status, and a 2xx refusal keeps its code: a client could not know of
        the failure otherwise.
        """
        shape, status = self._switches.error_body, failure.status
        if failure.empty:
            return web.Response(status=status)
        if status < _SUCCESS_ENDS and shape not in _CARRY_A_CODE:
            shape = "code_description"
        if self._switches.failure_transport == "http_200" and shape in _CARRY_A_CODE:
            status = 200
        if shape == "html":
            return web.Response(
                status=status, text=f"<html><h1>{status}</h1></html>", content_type="text/html"
            )
        if shape == "empty":
            return web.Response(status=status)
        body = self._error(shape, failure.code, failure.words or _DESCRIPTIONS[failure.code])
        return _json(status, [body] if shape == "list" else body)

    def _error(self, shape: str, code: str, description: str) -> dict[str, object]:
        body: dict[str, object]
        if shape == "response_code":
            body = {"responseCode": self._code(code), "responseMessage": description}
        elif shape == "message":
            body = {"code": self._code(code), "message": description}
        elif shape == "errors_array":
            body = {"code": self._code(code), "errors": [{"message": description}]}
        else:
            body = {"code": self._code(code), "description": description}
        if self._switches.error_data == "null":
            body["data"] = None
        if self._switches.status_field != "absent":
            body["status"] = False
        return body

    def _code(self, code: str) -> str | int:
        return int(code) if self._switches.code_type == "int" and code.isdecimal() else code

    def _expiry(self, expires_s: float) -> Mapping[str, object]:
        form = self._switches.expires_at
        if form == "missing":
            return {}
        if form == "expires_in":
            return {"expires_in": int(self._switches.access_ttl.total_seconds())}
        if form == "past":
            expires_s -= self._switches.access_ttl.total_seconds() + _HOUR_S
        return {"expiresAt": _STAMPS[form](expires_s + _SKEW_S[self._switches.expires_at_skew])}


def _z(at_s: float, timespec: str) -> str:
    return f"{_naive(at_s, timespec)}Z"


def _naive(at_s: float, timespec: str = "milliseconds") -> str:
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat(timespec=timespec)


_STAMPS: Mapping[str, Callable[[float], str | int]] = {
    "ms_z": lambda at_s: _z(at_s, "milliseconds"),
    "s_z": lambda at_s: _z(at_s, "seconds"),
    "nanos": lambda at_s: f"{_naive(at_s, 'microseconds')}000Z",
    "offset_colon": lambda at_s: f"{_naive(at_s)}+00:00",
    "offset_plain": lambda at_s: f"{_naive(at_s + _HOUR_S)}+0100",  # Lagos
    "naive": _naive,
    "epoch_s": int,
    "epoch_ms": lambda at_s: int(at_s * 1000),
    "epoch_string": lambda at_s: str(int(at_s)),
    "garbage": lambda _: "in a while",
    "past": lambda at_s: _z(at_s, "milliseconds"),
}


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
