from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar

import attrs
import cattrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nauth.errors import ExpiredOnArrivalError, MalformedResponseError
from nauth.instants import LooseInstant
from nauth.secret import Secret
from nauth.wire import Unit, camel, decode, encode, identity, make_converter, parse_json, pascal, rename_with

T = TypeVar("T")
CANARY = "sk_live_canary"


class Status(enum.Enum):
    ON = "on"


@attrs.frozen(kw_only=True)
class Base:
    device_url: str = "none"


@attrs.frozen(kw_only=True)
class Login(Base):
    access_token: Secret
    expires_at: datetime
    time_out: Annotated[timedelta, Unit.MS] | None = None
    created_at: LooseInstant = None
    status: Status | None = None
    user_ids: list[int] = attrs.field(factory=list)
    roles: Sequence[str] = ()
    flags: set[str] = attrs.field(factory=set)
    marks: frozenset[str] = frozenset()
    counts: Mapping[str, int] = attrs.field(factory=dict)
    plan: Literal["free", "paid"] | None = None
    raw: object = None
    odd_one: Annotated[str | None, cattrs.override(rename="ODD")] = None
    pin: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    children: tuple[Login, ...] = ()


@attrs.frozen(kw_only=True)
class Envelope(Generic[T]):
    code: str
    data: T
    more_data: list[T] = attrs.field(factory=list)
    extra: T | None = None


@attrs.frozen(kw_only=True)
class Narrow:
    """Has unions of kinds, to see how they are named."""

    either: Status | None = None


GOOD = {"accessToken": CANARY, "expiresAt": "2024-01-01T00:00:00Z"}
LOGIN = Login(access_token=Secret(CANARY), expires_at=datetime(2024, 1, 1, tzinfo=UTC))


def camel_converter() -> cattrs.Converter:
    converter = make_converter()
    rename_with(
        converter,
        camel,
        exceptions={Base: {"device_url": "deviceURL"}},
        aliases={Login: {"access_token": ("access_token", "token")}, Base: {"device_url": ("url",)}},
    )
    return converter


@pytest.fixture
def converter() -> cattrs.Converter:
    return camel_converter()


def problems(converter: cattrs.Converter, value: object, cls: Any = Login) -> tuple[str, ...]:
    with pytest.raises(MalformedResponseError) as caught:
        decode(converter, value, cls)
    return caught.value.problems


def test_rules() -> None:
    """The three rules spell one name in three ways."""
    name = "refresh_token_2"
    assert (identity(name), camel(name), pascal(name)) == (name, "refreshToken2", "RefreshToken2")
    assert camel("id") == "id"


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


def test_problems_speak_the_wires_language(converter: cattrs.Converter) -> None:
    """Each fault is one line: the wire's path, what was expected, and the type that came."""
    body = {
        "code": None,
        "data": {
            "accessToken": None,
            "expiresAt": 3,
            "deviceURL": 4,
            "ODD": 5,
            "timeOut": -1,
            "status": CANARY,
            "userIds": [1, "2"],
            "roles": CANARY,
            "flags": {CANARY: 1},
            "counts": {CANARY: "x"},
            "plan": CANARY,
            "children": [GOOD, {**GOOD, "accessToken": 1}],
        },
        "moreData": [[], {"expiresAt": GOOD["expiresAt"]}],
    }
    assert problems(converter, body, Envelope[Login]) == (
        "$.code: expected str, got null",
        "$.data.deviceURL: expected str, got int",
        "$.data.accessToken: expected str, got null",
        "$.data.expiresAt: expected an ISO 8601 instant with an offset, got int",
        "$.data.timeOut: expected a duration, got a negative number",
        "$.data.status: not a valid Status",
        "$.data.userIds[1]: expected int, got str",
        "$.data.roles: expected list, got str",
        "$.data.flags: expected list, got object",
        "$.data.counts[*]: expected int, got str",
        "$.data.plan: expected one of 'free', 'paid', got another str",
        "$.data.ODD: expected str, got int",
        "$.data.children[1].accessToken: expected str, got int",
        "$.moreData[0]: expected object, got list",
        "$.moreData[1].accessToken: missing",
    )


@pytest.mark.parametrize(
    "value, line",
    [
        ([], "$: expected object, got list"),
        ("code data", "$: expected object, got str"),
        (None, "$: expected object, got null"),
        ({"code": "00"}, "$.data: missing"),
        ({"code": "00", "data": []}, "$.data: expected object, got list"),
        ({"code": "00", "data": {**GOOD, "pin": -1}}, "$.data: not a valid Login"),
        ({"code": "00", "data": {**GOOD, "counts": []}}, "$.data.counts: expected object, got list"),
        ({"code": "00", "data": {**GOOD, "expiresAt": CANARY}}, None),
    ],
)
def test_one_problem(converter: cattrs.Converter, value: object, line: str | None) -> None:
    """A wrong kind, a missing key and a record's own validator are each told at their place."""
    (found,) = problems(converter, value, Envelope[Login])
    assert found == (line or "$.data.expiresAt: expected an ISO 8601 instant with an offset, got another str")


def test_bare_kinds(converter: cattrs.Converter) -> None:
    """Any type can be the whole document, and an enum without a name of its own class is named by its parts."""
    assert decode(converter, [1], list[int]) == [1]
    assert problems(converter, 1, list[int]) == ("$: expected list, got int",)
    assert problems(converter, CANARY, Status) == ("$: not a valid Status",)
    assert problems(converter, {"either": CANARY}, Narrow) == ("$.either: not a valid Status",)


def test_a_key_error_that_is_not_a_missing_key(converter: cattrs.Converter) -> None:
    """Only the field's own key is reported missing, not whatever a hook failed to look up."""
    converter.register_structure_hook(Status, lambda value, _: {"a": Status.ON}[value])
    assert problems(converter, {"either": "zz"}, Narrow) == ("$.either: not a valid Status",)


def test_a_hooks_own_note_is_passed_over(converter: cattrs.Converter) -> None:
    """A note that a vendor's hook left on its error does not hide the place."""

    def fail(_: object, __: object) -> Status:
        error = ValueError(CANARY)
        error.add_note(CANARY)
        raise error

    converter.register_structure_hook(Status, fail)
    assert problems(converter, {"either": "on"}, Narrow) == ("$.either: not a valid Status",)


def test_many_problems_are_bounded(converter: cattrs.Converter) -> None:
    """A long list of bad entries gives a short list of problems."""
    found = problems(converter, ["x"] * 10_000, list[int])
    assert found == tuple(f"$[{index}]: expected int, got str" for index in range(20))


def test_error_carries_the_exchange(converter: cattrs.Converter) -> None:
    """The error is of the class asked for and names the exchange."""
    with pytest.raises(
        ExpiredOnArrivalError, match=r"^The reply could not be understood: \$\.accessToken: missing"
    ) as caught:
        decode(
            converter, {}, Login, error=ExpiredOnArrivalError, status=200, request_id="r", what="the reply"
        )
    assert (caught.value.status, caught.value.request_id) == (200, "r")


def test_unknown_kind_is_the_programmers_fault(converter: cattrs.Converter) -> None:
    """A type nobody told the converter about is not blamed on the vendor."""
    with pytest.raises(cattrs.StructureHandlerNotFoundError):
        decode(converter, 1, complex)


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


def frames_of(error: BaseException) -> Iterator[str]:
    """Give the printed locals of every library frame that can be reached from `error`."""
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None:
            continue
        pending += [each.__cause__, each.__context__]
        trace = each.__traceback__
        while trace is not None:
            if "/nauth/" in trace.tb_frame.f_code.co_filename.replace("tests/nauth", "") or "cattr" in str(
                trace.tb_frame.f_code.co_filename
            ):
                yield f"{trace.tb_frame.f_code.co_name}: {trace.tb_frame.f_locals!r}"
            trace = trace.tb_next


@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "pin": CANARY},
        {**GOOD, "accessToken": [CANARY]},
        {**GOOD, "status": CANARY},
        {**GOOD, "counts": {CANARY: CANARY}},
        {**GOOD, "pin": -1},
        {**GOOD, "children": [{"token": CANARY, "x": CANARY}]},
        [CANARY],
        CANARY,
    ],
)
def test_nothing_leaks(converter: cattrs.Converter, body: object) -> None:
    """No text, argument, chained error or frame local of ours or cattrs' holds a value of the answer."""
    with pytest.raises(MalformedResponseError) as caught:
        decode(converter, body, Login)
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    frames = list(frames_of(error))
    assert [frame.split(":")[0] for frame in frames] == ["decode"]
    assert CANARY not in "".join(frames)
    assert CANARY not in f"{error!r} {error} {error.args} {vars(error)}"


@pytest.mark.parametrize(
    "body", [CANARY, f'{{"a": "{CANARY}"', f'["{CANARY}", NaN]', "[" * 70 + f'"{CANARY}"' + "]" * 70]
)
def test_parsing_leaks_nothing(body: str) -> None:
    """The same holds for bytes that are no document."""
    with pytest.raises(MalformedResponseError) as caught:
        parse_json(body.encode())
    frames = list(frames_of(caught.value))
    assert [frame.split(":")[0] for frame in frames] == ["parse_json"]
    assert CANARY not in "".join(frames)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


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
