"""What is wrong with an answer is told by place and type, and by nothing that stood in it."""

from __future__ import annotations

from collections.abc import Iterator

import cattrs
import pytest

from nauth.errors import ConfigurationError, ExpiredOnArrivalError, MalformedResponseError
from nauth.wire.converter import decode, parse_json
from tests.support.leaks.detector import OURS
from tests.support.wire import (
    CANARY,
    GOOD,
    Envelope,
    Login,
    Narrow,
    Status,
    camel_converter,
    problems,
)


@pytest.fixture
def converter() -> cattrs.Converter:
    return camel_converter()


def test_problems_speak_the_wires_language(converter: cattrs.Converter) -> None:
    """Each fault is one line: the wire's path, what was expected, and the type that came."""
    body: dict[str, object] = {
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
    """A type that the converter does not know is not blamed on the vendor."""
    with pytest.raises(ConfigurationError, match="complex"):
        decode(converter, 1, complex)


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
            if trace.tb_frame.f_code.co_filename.startswith(OURS) or "cattr" in str(
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
