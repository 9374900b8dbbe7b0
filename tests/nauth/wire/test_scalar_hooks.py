from __future__ import annotations

import copy
import enum
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from cattrs import Converter

from nauth.secret import Secret
from nauth.time_formats import LooseInstant
from nauth.wire.scalar_hooks import MismatchError, Unit, register_scalars, type_name

STAMP = datetime(2024, 3, 27, 15, 22, 53, tzinfo=UTC)
HUGE = 10**400
Seconds = Annotated[timedelta, Unit.S]
Millis = Annotated[timedelta, Unit.MS]


class Colour(str, enum.Enum):  # noqa: UP042 - the older spelling is the one under test
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@pytest.fixture
def converter() -> Converter:
    made = Converter()
    register_scalars(made)
    return made


@pytest.mark.parametrize(
    "kind, value, read",
    [
        (str, "x", "x"),
        (str, "\U0001f600é", "\U0001f600é"),
        (int, 3, 3),
        (float, 3, 3.0),
        (float, 3.5, 3.5),
        (bool, False, False),
        (str | None, None, None),
        (str | None, "x", "x"),
        (bool | None, None, None),
        (object, [None, {"a": 1}], [None, {"a": 1}]),
        (Decimal, "10.50", Decimal("10.50")),
        (Decimal, 0.1, Decimal("0.1")),
        (Decimal, 10, Decimal(10)),
        (Decimal, 1e22, Decimal("1e22")),
        (Decimal, "-1e-3", Decimal("-0.001")),
        (Secret, "x", Secret("x")),
        (Secret | None, None, None),
        (datetime, "2024-03-27T16:22:53+01:00", STAMP),
        (datetime | None, None, None),
        (date, "2024-02-29", date(2024, 2, 29)),
        (UUID, "12345678-1234-5678-1234-56781234567A", UUID("12345678-1234-5678-1234-56781234567a")),
        (LooseInstant, "2024-03-27 15:22:53", STAMP),
        (LooseInstant, 1_711_552_973_000, STAMP),
        (LooseInstant, None, None),
        (LooseInstant, "soon", None),
        (LooseInstant, ["x"], None),
        (Seconds, 90, timedelta(seconds=90)),
        (Millis, 1500.5, timedelta(milliseconds=1500.5)),
        (Millis | None, 0, timedelta(0)),
        (Seconds | None, None, None),
        (Literal["a", 1], "a", "a"),
        (Literal["a", 1], 1, 1),
        (Colour, "red", Colour.RED),
        (Level, 1, Level.LOW),
    ],
)
def test_reads(converter: Converter, kind: Any, value: object, read: object) -> None:
    """Each kind takes what JSON has for it, as that exact type."""
    found = converter.structure(value, kind)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    "kind, value, text",
    [
        (str, None, "expected str, got null"),
        (str, 3, "expected str, got int"),
        (str, {}, "expected str, got object"),
        (str, "a\ud800", "expected str, got str with a lone surrogate"),
        (str, "\udfff", "expected str, got str with a lone surrogate"),
        (str | None, 3, "expected str, got int"),
        (int, True, "expected int, got bool"),
        (int, "3", "expected int, got str"),
        (int, 3.0, "expected int, got float"),
        (float, "3", "expected float, got str"),
        (float, True, "expected float, got bool"),
        (float, float("nan"), "expected float that is finite, got float"),
        (float, json.loads("1e999"), "expected float that is finite, got float"),
        (float, HUGE, "expected float, got int beyond its range"),
        (bool, "false", "expected bool, got str"),
        (bool, 0, "expected bool, got int"),
        (bool, None, "expected bool, got null"),
        (Decimal, "NaN", "expected a decimal number, got another str"),
        (Decimal, "Infinity", "expected a decimal number, got another str"),
        (Decimal, "1_0", "expected a decimal number, got another str"),
        (Decimal, "\u0661", "expected a decimal number, got another str"),
        (Decimal, "1e9999", "expected a decimal number, got another str"),
        (Decimal, "1" * 65, "expected a decimal number, got another str"),
        (Decimal, HUGE, "expected a decimal number, got another int"),
        pytest.param(Decimal, 10**5000, "expected a decimal number, got another int", id="unprintable int"),
        (Decimal, float("inf"), "expected a decimal number that is finite, got float"),
        (Decimal, True, "expected a decimal number, got bool"),
        (Decimal, None, "expected a decimal number, got null"),
        (Secret, None, "expected str, got null"),
        (Secret, 3, "expected str, got int"),
        (datetime, "2024-03-27T15:22:53", "expected an ISO 8601 instant with an offset, got another str"),
        (datetime, "2024-03-27 15:22:53 UTC", "expected an ISO 8601 instant with an offset, got another str"),
        (datetime, 1_711_552_973, "expected an ISO 8601 instant with an offset, got int"),
        (date, "2023-02-29", "expected a date as YYYY-MM-DD, got another str"),
        (date, "20240229", "expected a date as YYYY-MM-DD, got another str"),
        (date, "2024-02-29T00:00:00Z", "expected a date as YYYY-MM-DD, got another str"),
        (date, 20240229, "expected a date as YYYY-MM-DD, got int"),
        (UUID, "canary", "expected a UUID, got another str"),
        (UUID, "{12345678-1234-5678-1234-567812345678}", "expected a UUID, got another str"),
        (UUID, None, "expected a UUID, got null"),
        (Seconds, "90", "expected a duration, got str"),
        (Seconds, None, "expected a duration, got null"),
        (Seconds, True, "expected a duration, got bool"),
        (Seconds, -1, "expected a duration, got a negative number"),
        (Seconds, float("nan"), "expected a duration that is finite, got float"),
        (Seconds, float("inf"), "expected a duration that is finite, got float"),
        (Seconds, 1e300, "expected a duration, got a number beyond its range"),
        (Millis | None, HUGE, "expected a duration, got a number beyond its range"),
        (Literal["a", 1], True, "expected one of 'a', 1, got another bool"),
        (Literal["a", 1], "canary", "expected one of 'a', 1, got another str"),
        (Literal["a", 1], {}, "expected one of 'a', 1, got another object"),
        (Level, True, "expected int, got bool"),
        (Colour, None, "expected str, got null"),
    ],
)
def test_refuses(converter: Converter, kind: Any, value: object, text: str) -> None:
    """Nothing is coerced, and the refusal names types and never the value."""
    with pytest.raises(MismatchError) as caught:
        converter.structure(value, kind)
    assert str(caught.value) == text
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize(
    "kind, value, written",
    [
        (Decimal, Decimal("10.50"), "10.50"),
        (date, date(2024, 2, 29), "2024-02-29"),
        (UUID, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (
            datetime,
            datetime(2024, 3, 27, 16, 22, 53, tzinfo=timezone(timedelta(hours=1))),
            "2024-03-27T15:22:53Z",
        ),
        (Seconds, timedelta(seconds=90), 90),
        (Seconds, timedelta(milliseconds=1500), 1.5),
        (Millis, timedelta(seconds=90), 90_000),
        (Millis | None, None, None),
        (Millis | None, timedelta(seconds=1), 1000),
    ],
)
def test_writes(converter: Converter, kind: Any, value: object, written: object) -> None:
    """Each kind is written in the form it is read from, whole numbers without a fraction."""
    found = converter.unstructure(value, unstructure_as=kind)
    assert found == written
    assert type(found) is type(written)


def test_secret_stays_shut(converter: Converter) -> None:
    """Unstructuring does not open a Secret."""
    secret = Secret("canary")
    assert converter.unstructure({"a": [secret]})["a"][0] is secret


def test_naive_datetime_is_not_sent(converter: Converter) -> None:
    """A naive instant is refused on the way out as well."""
    with pytest.raises(ValueError, match="naive"):
        converter.unstructure(datetime(2024, 1, 1))  # noqa: DTZ001 - the point of the test


def test_mismatch_survives_copy_and_pickle() -> None:
    """The error is rebuilt with its two parts."""
    error = MismatchError("str", "null")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert (twin.expected, twin.got) == ("str", "null")
        assert str(twin) == "expected str, got null"


def test_type_names() -> None:
    """Types are named as JSON does where Python's word would puzzle."""
    values: list[object] = [{}, None, [], "", 1, True]
    assert [type_name(value) for value in values] == [
        "object",
        "null",
        "list",
        "str",
        "int",
        "bool",
    ]
