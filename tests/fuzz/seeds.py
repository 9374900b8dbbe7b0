"""Inputs that each reader takes: where mutation starts. No imports of nauth: atheris must see those first."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SEEDS"]

_JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3NjM3NzAwMDAsImV4cCI6MTc2Mzc3MzYwMH0.c2ln"
_LONE_EXP = b"eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTU0MDAwMDB9.c2ln"
_DATE = b"Sun, 22 Nov 2026 00:00:00 GMT"
_RECORD = (
    b'{"format":1,"access":"a","refresh":"r","scheme":"Bearer","lifetime_us":3600000000,'
    b'"expires_at":"2026-11-22T03:04:05.000006+00:00","extra":{"session":"s"}}'
)
_ENVIRONMENT = (
    b"user", b"password", b"app", b"static", b"key", b"https://admin.example.com", b"id", b"secret", b"private",
    b"account", b"sandbox", b"https://sandbox.nomba.com", b"id", b"secret", b"live", b"https://fulfillment.noyo.com",
    b"https://accounts.noyo.com/t", b"token", b"a@example.com", b"password", b"id", b"secret",
    b"https://app.example.com/back", b"https://nao.example.com/api/v2",
)  # fmt: skip


def _only(*wanted: int) -> bytes:
    return b"\x1f".join(value if number in wanted else b"" for number, value in enumerate(_ENVIRONMENT))


SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "base-url": (
        b"https://api.example.com/v1/",
        b"http://127.0.0.1:8080",
        b"https://[fe80::1%25eth0]:443/a%2Fb",
        "https://bücher.example/ü".encode(),
        b"https://user:password@example.com?x#y",
    ),
    "callback": (
        b"https://app.example.com/back?code=c0de&state=s",
        b"?error=access_denied&error_description=no+thanks&state=s",
        b"code=%ED%A0%80&state=s#fragment",
    ),
    "environment": (
        b"\x1f".join(_ENVIRONMENT),
        _only(0, 1, 5, 6, 7, 9, 11, 12, 13, 15, 17, 23),
        _only(3, 5, 6, 8, 9, 10, 12, 13, 14, 18, 19),
        _only(4, 5, 20, 21, 22),
    ),
    "instants": (
        b"1782952480",
        b"1782952480287",
        b"3600.5",
        b'"3600"',
        _DATE,
        b"2024-03-27T15:22:53.123456789+01:00",
        b"2024-03-27 15:22:53 UTC",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ),
    "jwt": (_JWT, _LONE_EXP, b'{"iat":1763770000,"exp":1763773600}', b'{"exp":1e12}'),
    "nao": (
        b'{"data":{"id":"1","attributes":{"auth_token":"k"}},"meta":{"jwt":"t","expires_at":"2026-11-23T01:00:00Z"}}',
        _DATE + b'\x1f{"meta":{"theToken":"' + _LONE_EXP + b'","Ends":3600}}',
        b'{"meta":{"session":{"jwtToken":"t","expiresIn":"60"},"ttl":5}}',
    ),
    "nomad": (
        b'{"id":"6f1c","loginStatus":null,"token":"t","refreshToken":"r","expirationSeconds":3600.0}',
        b'{"authorizationToken":"' + _JWT + b'","expiresIn":"60","expires":1795400000}',
        b'{"token":"t","expires":"2026-11-23T01:00:00Z"}',
    ),
    "nomba": (
        b'{"code":"00","data":{"access_token":"t","refresh_token":"r","expiresAt":"2026-11-22T00:54:40.287Z"}}',
        _DATE + b'\x1f{"code":"00","data":{"access_token":"t","expires_in":1800}}',
        b'{"code":"401","description":"Unauthorized"}',
    ),
    "noyo": (
        b'{"access_token":"' + _JWT + b'","expires_in":864000,"token_type":"Bearer"}',
        _DATE + b'\x1f{"access_token":"' + _LONE_EXP + b'"}',
        b"864000",
    ),
    "oauth2": (
        b'{"access_token":"t","expires_in":"3600","token_type":"Bearer","refresh_token":"r","scope":"s","n":1.5}',
        b'400\x1f{"error":"invalid_grant","error_description":"it has expired"}',
        b'401\x1f{"error":"' + _JWT + b'"}',
        b'{"error":"invalid_client"}',
    ),
    "record": (_RECORD, _RECORD.replace(b'"r"', b"null").replace(b"3600000000", b"null")),
    "retry-after": (
        b"\x1f5",
        b"x\x1f" + _DATE + b"\x1fSat, 21 Nov 2026 23:59:00 GMT",
        b"\x1f\x1f\x1f15s",
        b"\x1f-1.5\x1f\x1f2 m",
    ),
    "sealed": (_RECORD, b"nauth1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", b"nauth1.k2.AAAA"),
    "sso": (
        b"https://portal.example.com/?authCallback=1&azure_token=t&azure_refresh_token=r&expires=60",
        b"authCallback&x_token=" + _JWT + b"&expires=2026-11-23T01%3A00%3A00Z",
    ),
    "target": (
        b"/v2/things?a=b&flag",
        b"https://api.example.com/x%2Fy",
        b"//evil.example.com/x",
        b"https://api.example.com@evil.example.com",
    ),
}
"""Parts are separated as `tests.fuzz.readers` says."""
