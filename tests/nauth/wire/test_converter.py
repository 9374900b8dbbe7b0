"""The vendor's names and kinds become records, and records become requests."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, timedelta
from typing import Any, get_origin

import attrs
import cattrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nauth.errors import MalformedResponseError
from nauth.secret import Secret
from nauth.wire.converter import (
    camel,
    decode,
    encode,
    identity,
    make_converter,
    parse_json,
    pascal,
    quick_reader,
    reader_of,
)
from tests.support.wire import (
    CANARY,
    GOOD,
    LOGIN,
    Envelope,
    Login,
    Status,
    camel_converter,
)


@pytest.fixture
def converter() -> cattrs.Converter:
    return camel_converter()


def test_rules() -> None:
    """The three rules spell one name in three ways."""
    name = "refresh_token_2"
    assert (identity(name), camel(name), pascal(name)) == (name, "refreshToken2", "RefreshToken2")
    assert camel("id") == "id"
    assert camel("_id_of") == "_idOf"
    assert camel("_") == "_"


def test_names_hold_both_ways(converter: cattrs.Converter) -> None:
    """Rule, exception, inherited exception and a field's own override are used to read and to write."""
    body = {**GOOD, "deviceURL": "u", "ODD": "o", "timeOut": 1500, "unknown": 1}
    login = decode(converter, body, Login)
    assert login == attrs.evolve(LOGIN, device_url="u", odd_one="o", time_out=timedelta(seconds=1.5))
    written = json.loads(encode(converter, login))
    assert {key: written[key] for key in written if key in body} == {
        k: v for k, v in body.items() if k != "unknown"
    }


def test_no_rule_means_the_models_own_names() -> None:
    """Without a rule the wire has the fields' own names."""
    converter = make_converter()
    body = {"access_token": CANARY, "expires_at": GOOD["expiresAt"]}
    assert decode(converter, body, Login) == LOGIN


def test_every_container(converter: cattrs.Converter) -> None:
    """Lists become the field's own kind of collection, objects become mappings or records."""
    login = decode(
        converter,
        {
            **GOOD,
            "userIds": [1],
            "roles": ["a"],
            "flags": ["a", "a"],
            "marks": ["a"],
            "counts": {"a": 1},
            "status": "on",
            "plan": "paid",
            "raw": [{"x": None}],
            "createdAt": "soon",
            "children": [GOOD],
        },
        Login,
    )
    assert login.user_ids == [1]
    assert login.roles == ("a",)
    assert login.flags == {"a"}
    assert login.marks == frozenset({"a"})
    assert isinstance(login.marks, frozenset)
    assert login.counts == {"a": 1}
    assert (login.status, login.plan) == (Status.ON, "paid")
    assert login.raw == [{"x": None}]
    assert login.created_at is None
    assert login.children == (LOGIN,)


@pytest.mark.parametrize(
    "body, token",
    [
        ({"accessToken": "a"}, "a"),
        ({"access_token": "b"}, "b"),
        ({"token": "c"}, "c"),
        ({"token": "c", "access_token": "b"}, "b"),
        ({"token": "c", "access_token": None}, "c"),
        ({"accessToken": None, "token": "c"}, "c"),
        ({"accessToken": "a", "token": "c"}, "a"),
        ({"accessToken": "", "token": "c"}, ""),
    ],
)
def test_aliases(converter: cattrs.Converter, body: dict[str, object], token: str) -> None:
    """Another accepted spelling fills in where the first is missing or null, in the order given."""
    assert decode(converter, {"expiresAt": GOOD["expiresAt"], **body}, Login).access_token == Secret(token)


def test_inherited_alias(converter: cattrs.Converter) -> None:
    """An alias given for a base holds for what derives from it."""
    assert decode(converter, {**GOOD, "url": "u"}, Login).device_url == "u"


def test_generic_envelope(converter: cattrs.Converter) -> None:
    """A generic envelope reads its contents, lists of them and optional ones by the parameter."""
    body = {"code": "00", "data": GOOD, "moreData": [GOOD], "extra": None}
    assert decode(converter, body, Envelope[Login]) == Envelope(code="00", data=LOGIN, more_data=[LOGIN])
    assert decode(converter, {"code": "00", "data": "x", "extra": "y"}, Envelope[str]).extra == "y"
    assert (
        json.loads(encode(converter, decode(converter, body, Envelope[Login])))["data"]["accessToken"]
        == CANARY
    )


def test_encode(converter: cattrs.Converter) -> None:
    """Requests are compact ASCII without fields that are None; Secrets are opened there and nowhere else."""

    @attrs.frozen(kw_only=True)
    class Request:
        client_secret: Secret
        grant_type: str = "é"
        scope: str | None = None
        nested: object = None

    request = Request(client_secret=Secret('a"\ud800'), nested={"keep": None})
    assert encode(converter, request) == (
        b'{"clientSecret":"a\\"\\ud800","grantType":"\\u00e9","nested":{"keep":null}}'
    )
    shut = converter.unstructure(request)
    assert isinstance(shut["clientSecret"], Secret)
    assert "scope" not in shut


def test_encode_refuses(converter: cattrs.Converter) -> None:
    """What JSON has no form for is refused by its type, and no infinity goes out."""
    with pytest.raises(TypeError, match="JSON has no form for complex"):
        encode(converter, {"a": 1j, "b": Secret(CANARY)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(converter, {"a": float("inf")})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(
        allow_nan=False, allow_infinity=False
    )  # which no JSON document holds: `parse_json` refuses them
    | st.text(max_size=8)
    | st.just(GOOD["expiresAt"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [camel(field.name) for field in attrs.fields(Login)] + ["ODD", "token", "deviceURL"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


shared = camel_converter()


@settings(deadline=None, max_examples=300)
@given(
    json_values,
    st.dictionaries(st.sampled_from([camel(field.name) for field in attrs.fields(Login)]), json_values),
)
@pytest.mark.slow
def test_random_and_mutated_answers(value: object, changes: dict[str, object]) -> None:
    """Random JSON and a good answer with random members give a record or the typed error, nothing else."""
    for body in (value, {**GOOD, **changes}):
        login = None
        with contextlib.suppress(MalformedResponseError):
            login = decode(shared, body, Login)
        if login is not None:
            assert login.expires_at.tzinfo is UTC
            assert isinstance(login.access_token, Secret)
            assert decode(shared, parse_json(encode(shared, login)), Login).access_token == login.access_token


@attrs.frozen
class _AllOptional:
    name: str | None = None
    tags: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "kind, value, problem",
    [
        (_AllOptional, [], "$: expected object, got list"),
        (_AllOptional, {"name": 1}, "$.name: expected str, got int"),
        (_AllOptional, {"tags": "abc"}, "$.tags: expected list, got str"),
        (list[_AllOptional], {}, "$: expected list, got object"),
        (list[_AllOptional], [{}, 1], "$[1]: expected object, got int"),
    ],
)
def test_what_is_wrong_is_placed(
    converter: cattrs.Converter, kind: type[object], value: object, problem: str
) -> None:
    """A value that the quick reader refuses is read once more by the one that says where it is wrong."""
    with pytest.raises(MalformedResponseError) as caught:
        decode(converter, value, kind)
    assert caught.value.problems == (problem,)


def test_the_quick_reader_reads_the_same(converter: cattrs.Converter) -> None:
    """Records, optional members and collections of any kind come out as from the one that places faults."""
    value = [{"name": "a", "tags": ["x", "x"]}, {"name": None}, {}]
    kinds: tuple[Any, ...] = (list[_AllOptional], tuple[_AllOptional, ...])
    for kind in kinds:
        read = quick_reader(converter, kind)(value, kind)
        assert read == reader_of(converter, kind)(value, kind)
        assert type(read) is get_origin(kind)
