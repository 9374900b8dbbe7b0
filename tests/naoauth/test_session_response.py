"""Which of two credentials in one answer is the JWT, and how long it lives."""

from __future__ import annotations

import base64
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from naoauth import NaoCredentialsRejectedError, NaoMalformedResponseError, Session
from naoauth.lifetime import ABSOLUTE_NAMES, RELATIVE_NAMES
from naoauth.session_response import JWT_NAMES, open_session
from nauth.secret import Secret
from tests.support.transport import answer

_NOW_S = 1_782_950_400.0  # 2026-07-02T00:00:00Z
_DATE = "Thu, 02 Jul 2026 00:00:00 GMT"
_URL = URL("https://www.nao-cloud.com/api/v2/sessions")
_HOUR, _DAY = timedelta(hours=1), timedelta(hours=24)


def _jws(**claims: object) -> str:
    parts = ({"alg": "HS256"}, claims)
    return ".".join(
        [
            *(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts),
            "c2ln",
        ]
    )


_JWT = _jws(sub="1")


def _opened(
    meta: object, *, status: int = 201, headers: dict[str, str] | None = None, **more: Any
) -> Session:
    names = ("jwt_key", "expires_key", "sent")
    options = {name: more.pop(name) for name in names if name in more}
    given = {"Date": _DATE} if headers is None else headers
    wire = answer(status, {"meta": meta} | more, headers=given, sent_wall=_NOW_S)
    return open_session(wire, _URL, **options)


# --- the JWT ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("name", [*JWT_NAMES, "jwtToken", "accessToken", "JWT"])
@pytest.mark.parametrize("nested", [False, True])
def test_each_known_name(name: str, nested: bool, status: int) -> None:
    """In meta or one level down, snake or camel case, any 2xx, opaque or not."""
    meta = {name: "opaque-token"}
    assert _opened({"s": meta} if nested else meta, status=status).jwt == Secret("opaque-token")


def test_the_first_name_wins() -> None:
    """`jwt` before `token`, and meta before what is in it."""
    assert _opened({"token": "b", "jwt": "a"}).jwt == Secret("a")
    assert _opened({"inner": {"jwt": "b"}, "bearer": "a"}).jwt == Secret("a")


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer  ", "BEARER "])
def test_a_scheme_is_stripped(prefix: str) -> None:
    """The header is raw, so the word must not go into it."""
    assert _opened({"jwt": f" {prefix}{_JWT}"}).jwt == Secret(_JWT)


def test_an_unknown_name_is_found_by_shape() -> None:
    """Exactly one string that is a JWS, at any level; two are one too many."""
    assert _opened({"pass": _JWT, "other": "x.y.z", "n": 1}).jwt == Secret(_JWT)
    assert _opened({"in": {"pass": _JWT}}).jwt == Secret(_JWT)
    with pytest.raises(NaoMalformedResponseError):
        _opened({"pass": _JWT, "pass2": _jws(sub="2")})


@pytest.mark.parametrize(
    "value",
    ["a.b", "a.b.", "W10.e30.c2ln", "!!.e30.c2ln", "eyJhIjoxfQ.e30.c2ln", "A.e30.c2ln", "_w.e30.c2ln"],
)
def test_what_only_looks_like_a_jws(value: str) -> None:
    """Three parts are not enough: the first must be an object with `alg`."""
    with pytest.raises(NaoMalformedResponseError):
        _opened({"pass": value})


def test_the_users_own_name_comes_first() -> None:
    """`jwt_key` helps where nothing else does, whatever its case."""
    assert _opened({"naoPass": "opaque", "jwt": "other"}, jwt_key="nao_pass").jwt == Secret("opaque")
    assert _opened({"nao_pass": "opaque"}, jwt_key="naoPass").jwt == Secret("opaque")


def test_the_header_is_the_last_resort() -> None:
    """A JWT in the answer's Authorization counts where meta has none."""
    assert _opened({}, headers={"Authorization": f"Bearer {_JWT}"}).jwt == Secret(_JWT)
    assert _opened(None, headers={"authorization": _JWT}).jwt == Secret(_JWT)


_PLACES: list[dict[str, Any]] = [
    {"data": {"attributes": {"auth_token": _JWT}}},
    {"data": {"auth_token": _JWT}},
    {"auth_token": _JWT},
    {"meta": {"auth_token": _JWT}},
    {"meta": {"authToken": _JWT}},
]


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("echo", ["token", "pass", None])
def test_the_permanent_key_is_never_the_jwt(place: dict[str, Any], echo: str | None) -> None:
    """Not by name, not by shape, not under another name, not in a header: and it is kept apart for who asks."""
    more = dict(place)
    meta = {**more.pop("meta", {}), **({echo: _JWT} if echo else {})}
    with pytest.raises(NaoMalformedResponseError):
        _opened(meta, headers={"Authorization": _JWT}, **more)
    found = _opened({**meta, "jwt": "the-jwt"}, **more)
    assert (found.jwt, found.auth_token) == (Secret("the-jwt"), Secret(_JWT))
    assert _JWT not in repr(found)


def test_what_was_sent_is_never_the_jwt() -> None:
    """An answer that echoes the API key under a JWT's name has no JWT."""
    with pytest.raises(NaoMalformedResponseError):
        _opened({"token": "the-key"}, sent=(Secret("the-key"),))
    for meta in ({"auth_token": {"jwt": "inside"}}, {"api_key": _JWT}):
        with pytest.raises(NaoMalformedResponseError):
            _opened(meta)


@pytest.mark.parametrize(
    "meta",
    [
        None,
        [],
        "x",
        {},
        {"jwt": ""},
        {"jwt": 7},
        {"jwt": "a b"},
        {"jwt": "a\nb"},
        {"jwt": "é"},
        {"jwt": {"a": {"jwt": "x"}}},
    ],
)
def test_a_success_without_a_jwt(meta: object) -> None:
    """Unusable values are none; the error names what was seen, never a value."""
    with pytest.raises(NaoMalformedResponseError, match="jwt_key") as refused:
        _opened(meta, data={"attributes": {"email": "CANARY"}})
    assert "data" in str(refused.value)
    assert "CANARY" not in str(refused.value)


def test_names_that_look_like_secrets_are_not_shown() -> None:
    """A member's name may be anything too."""
    with pytest.raises(NaoMalformedResponseError) as refused:
        _opened({"C4N4RY" * 9: 1, "in": {"": 1}})
    assert "C4N4RY" not in f"{refused.value} {refused.value.problems}"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"null"])
def test_a_success_that_is_no_object(body: bytes) -> None:
    """Typed, whatever came."""
    with pytest.raises(NaoMalformedResponseError):
        open_session(answer(200, body), _URL)


def test_a_refusal_is_typed() -> None:
    """And quotes no secret of the request, short as it may be."""
    with pytest.raises(NaoCredentialsRejectedError, match="gone") as refused:
        _opened({}, status=422, errors=["hunter2 is wrong", "gone"], sent=(Secret("hunter2"),))
    assert refused.value.detail == "gone"


# --- its life --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-07-02T01:00:00Z",
        "2026-07-02T01:00:00.000Z",
        "2026-07-02T03:00:00+02:00",
        "2026-07-02T01:00:00+0000",
        "2026-07-02 01:00:00 UTC",
        "2026-07-02 01:00:00 +0000",
        "Thu, 02 Jul 2026 01:00:00 GMT",
        1_782_954_000,
        1_782_954_000.0,
        "1782954000",
        1_782_954_000_000,
        "2026-07-02T01:00:00",
    ],
)
@pytest.mark.parametrize("name", [*ABSOLUTE_NAMES, "expiresAt"])
@pytest.mark.parametrize("dated", [True, False])
def test_each_date_form_under_each_name(stamp: object, name: str, dated: bool) -> None:
    """Counted from the answer's own date, or from when the request was sent."""
    assert _opened({"jwt": "x", name: stamp}, headers={"Date": _DATE} if dated else {}).lifetime == _HOUR


@pytest.mark.parametrize("name", [*RELATIVE_NAMES, "expiresIn"])
@pytest.mark.parametrize("value", [3600, 3600.0, "3600"])
def test_relative_expiries(name: str, value: object) -> None:
    """Seconds."""
    assert _opened({"in": {"jwt": "x", name: value}}).lifetime == _HOUR


@pytest.mark.parametrize("value", [3600, "3600", "2026-07-02T01:00:00Z", 1_782_954_000])
def test_the_users_own_name_of_the_expiry(value: object) -> None:
    """A small number is a duration, anything else an instant."""
    assert _opened({"jwt": "x", "goodUntil": value}, expires_key="good_until").lifetime == _HOUR


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"expires_at": None},
        {"expires_at": "soon"},
        {"expires_at": True},
        {"expires_at": {}},
        {"expires_at": "2026-07-01T00:00:00Z"},
        {"expires_in": 0},
        {"expires_in": "soon"},
        {"own": "soon"},
        {"own": []},
        {"own": 10**400},
        {"own": -5},
        {"exp": 7},
    ],
)
def test_what_cannot_be_read_fails_no_sign_in(
    meta: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """24 hours, as documented, and a warning where something was there."""
    with caplog.at_level(logging.WARNING, "naoauth"):
        assert _opened({"jwt": "x", **meta}, expires_key="own").lifetime == _DAY
    assert bool(caplog.records) == any(value is not None for value in meta.values())


def test_the_next_source_is_asked() -> None:
    """An unreadable date is skipped for a readable one."""
    assert _opened({"jwt": "x", "expires_at": "soon", "ttl": 3600}).lifetime == _HOUR


@pytest.mark.parametrize(
    "claims, meta, lifetime",
    [
        ({"iat": 1000, "exp": 4600}, {}, _HOUR),  # whatever the clocks say
        ({"exp": _NOW_S + 3600}, {}, _HOUR),
        ({"exp": _NOW_S + 3600}, {"expires_in": 60}, timedelta(seconds=60)),
        ({"exp": _NOW_S + 3600}, {"expires_in": 86400}, _HOUR),
        ({"exp": _NOW_S - 1}, {"expires_in": 60}, timedelta(seconds=60)),
        ({"exp": _NOW_S - 1}, {}, _DAY),
        ({"exp": "x"}, {}, _DAY),
    ],
)
def test_the_earlier_of_claim_and_date(
    claims: dict[str, object], meta: dict[str, object], lifetime: timedelta
) -> None:
    """Where both are readable the earlier counts; what is already over counts as unreadable."""
    assert _opened({"jwt": _jws(**claims), **meta}).lifetime == lifetime


# --- a JWT under the key's own name ------------------------------------------------------------------------------------

_ENDS = _jws(sub="1", iat=int(_NOW_S), exp=int(_NOW_S) + 3600)


@pytest.mark.parametrize("name", ["authToken", "auth_token", "AuthToken", "apiKey"])
@pytest.mark.parametrize("data", [{}, {"data": {"attributes": {"auth_token": "permanent"}}}])
def test_a_jwt_with_an_end_under_the_keys_name(name: str, data: dict[str, Any]) -> None:
    """`meta` holds the JWT, the page says; a key has no end. The permanent key of elsewhere is kept apart."""
    found = _opened({name: _ENDS, "expiresAt": "2026-07-02T01:00:00Z"}, **data)
    assert (found.jwt, found.lifetime) == (Secret(_ENDS), _HOUR)
    assert found.auth_token == (Secret("permanent") if data else None)


@pytest.mark.parametrize("inside", [{"token": _ENDS}, {"jwt": _ENDS}])
def test_a_jwt_inside_an_object_of_the_keys_name(inside: dict[str, str]) -> None:
    """One level down, by a known name."""
    assert _opened({"authToken": inside}).jwt == Secret(_ENDS)


def test_jwt_key_names_the_jwt_whatever_it_is_called() -> None:
    """The caller's word counts, for an opaque value too, but not for what was sent."""
    assert _opened({"authToken": "opaque", "jwt": "other"}, jwt_key="authToken").jwt == Secret("opaque")
    assert _opened(
        {"authToken": "opaque", "jwt": "other"}, jwt_key="authToken", sent=(Secret("opaque"),)
    ).jwt == Secret("other")


def test_a_known_name_comes_before_the_keys() -> None:
    """The key's name is the last place that is looked at, behind the header."""
    assert _opened({"authToken": _ENDS, "token": "opaque"}).jwt == Secret("opaque")
    assert _opened({"authToken": _ENDS}, headers={"Authorization": "from-header"}).jwt == Secret(
        "from-header"
    )


def test_equal_values_with_an_end_are_the_jwt() -> None:
    """A permanent key bars an equal value; a value that ends is none."""
    assert _opened({"jwt": _ENDS}, data={"attributes": {"auth_token": _ENDS}}).jwt == Secret(_ENDS)
    assert _opened({"jwt": _ENDS, "auth_token": _ENDS}).auth_token is None


def test_two_jwts_under_the_keys_names_are_one_too_many() -> None:
    """No guess which one."""
    with pytest.raises(NaoMalformedResponseError):
        _opened({"authToken": _ENDS, "apiKey": _jws(sub="2", exp=int(_NOW_S) + 60)})
    with pytest.raises(NaoMalformedResponseError):
        _opened({"authToken": _ENDS}, sent=(Secret(_ENDS),))
