"""Kinds of records that users bring: dataclasses, typed dicts, pydantic's models, None and unions."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NotRequired, Required, TypedDict, TypeVar

import attrs
import cattrs
import pydantic
import pytest
from cattrs import override

from nauth.errors import ConfigurationError, MalformedResponseError
from nauth.wire.converter import camel, decode, encode, make_converter, reader_of, rename_with

T = TypeVar("T")
SECRET = "correct-horse"


@dataclasses.dataclass
class Bank:
    """All of its fields have defaults."""

    bank_code: str = ""
    display_name: Annotated[str | None, override(rename="DISPLAY")] = None


@dataclasses.dataclass
class Page(Generic[T]):
    """A generic dataclass."""

    all_items: list[T]


class Row(TypedDict):
    """Annotations are text here, so Python itself takes `note_text` for required."""

    account_id: str
    note_text: NotRequired[int]
    odd_one: NotRequired[Annotated[str, override(rename="ODD")]]
    marked: Annotated[NotRequired[str], override(rename="MARK")]


class Loose(TypedDict, total=False):
    """Nothing is required but what says so."""

    first_name: Required[str]
    last_name: str


class Listed(TypedDict, Generic[T]):
    """A generic typed dict."""

    items: list[T]
    one: T


class Model(pydantic.BaseModel):
    """A model with an alias, a validator that quotes what it refuses, and a strict field."""

    model_config = pydantic.ConfigDict(strict=True)
    amount: Decimal = pydantic.Field(alias="theAmount")
    word: str | None = None
    by_key: dict[str, int] = {}
    inner: list[Model] = []

    @pydantic.field_validator("word")
    @classmethod
    def _quote(cls, value: str | None) -> str | None:
        if value == SECRET:
            raise ValueError(f"{value} is not allowed")
        return value


@pydantic.dataclasses.dataclass
class Light:
    """A dataclass that is pydantic's."""

    size: int


@attrs.frozen
class Holder:
    """One of our own records with a model inside."""

    the_model: Model
    models: list[Model]


@attrs.frozen
class Left:
    """Told apart by a renamed field."""

    left_side: int


@attrs.frozen
class Right:
    """Told apart by a renamed field."""

    right_side: int


@attrs.frozen
class Choice:
    """A union of records, as a field."""

    either: Left | Right


@pytest.fixture
def converter() -> cattrs.Converter:
    """A vendor's converter whose names are camelCase."""
    converter = make_converter()
    rename_with(converter, camel)
    return converter


def problems(converter: cattrs.Converter, value: object, kind: Any) -> tuple[str, ...]:
    with pytest.raises(MalformedResponseError) as caught:
        decode(converter, value, kind)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value.problems


def test_dataclass_has_the_wires_names(converter: cattrs.Converter) -> None:
    """A dataclass is read and written by the vendor's rule, and by a field's own override."""
    wire = {"bankCode": "058", "DISPLAY": "GT", "unknown": 1}
    bank = decode(converter, wire, Bank)
    assert bank == Bank("058", "GT")
    assert json.loads(encode(converter, bank)) == {"bankCode": "058", "DISPLAY": "GT"}
    assert json.loads(encode(converter, Bank("1"))) == {"bankCode": "1"}
    assert decode(converter, {"allItems": [wire]}, Page[Bank]) == Page([bank])


@pytest.mark.parametrize("wrong", [[], ["bankCode"], "bankCode", None, 5])
def test_dataclass_of_defaults_reads_objects_only(converter: cattrs.Converter, wrong: object) -> None:
    """A list or a text never becomes an empty record, though every field has a default."""
    (problem,) = problems(converter, wrong, Bank)
    assert problem.startswith("$: expected object, got ")


def test_typed_dict_is_checked_and_renamed(converter: cattrs.Converter) -> None:
    """Declared keys are read by their types under the wire's names, and undeclared keys are dropped."""
    wire = {"accountId": "a", "noteText": 1, "ODD": "o", "MARK": "m", "unknown": 1}
    assert decode(converter, wire, Row) == {"account_id": "a", "note_text": 1, "odd_one": "o", "marked": "m"}
    assert decode(converter, {"accountId": "a"}, Row) == {"account_id": "a"}
    assert decode(converter, {"firstName": "a"}, Loose) == {"first_name": "a"}
    assert decode(converter, {"items": [{"accountId": "a"}], "one": {"accountId": "b"}}, Listed[Row]) == {
        "items": [{"account_id": "a"}],
        "one": {"account_id": "b"},
    }
    assert decode(converter, {"items": [1], "one": "x"}, Listed) == {"items": [1], "one": "x"}


def test_typed_dicts_faults_have_their_places(converter: cattrs.Converter) -> None:
    """A missing key and a value of another type are named in the wire's spelling, all of them at once."""
    assert problems(converter, [{"noteText": "x"}], list[Row]) == (
        "$[0].accountId: missing",
        "$[0].noteText: expected int, got str",
    )
    assert problems(converter, ["a"], Row) == ("$: expected object, got list",)
    assert problems(converter, {}, Loose) == ("$.firstName: missing",)


def test_none_takes_null_only(converter: cattrs.Converter) -> None:
    """Where no body is wanted a body is an error, not a value that is dropped."""
    assert decode(converter, None, type(None)) is None
    assert problems(converter, {}, type(None)) == ("$: expected null, got object",)


def test_pydantic_models(converter: cattrs.Converter) -> None:
    """A model reads a JSON document as pydantic does, alone and inside lists and records, and is written so."""
    wire = {"theAmount": "1.50", "inner": [{"theAmount": "2"}], "unknown": 1}
    model = decode(converter, wire, Model)
    assert model.amount == Decimal("1.50")
    assert model.inner[0].amount == Decimal(2)
    held = decode(converter, {"theModel": wire, "models": [wire]}, Holder)
    assert held == Holder(model, [model])
    assert json.loads(encode(converter, held))["models"][0]["theAmount"] == "1.50"
    assert decode(converter, {"size": 3}, Light) == Light(3)


def test_pydantics_errors_hold_nothing_of_the_answer(converter: cattrs.Converter) -> None:
    """The place and pydantic's name for the fault go on; the input, the keys and a validator's words stay behind."""
    wire = {"theAmount": SECRET, "word": SECRET, "by_key": {SECRET: SECRET}, "inner": [{}]}
    assert problems(converter, [wire], list[Model]) == (
        "$[0].theAmount: decimal_parsing",
        "$[0].word: value_error",
        "$[0].by_key[*]: int_type",
        "$[0].inner[0].theAmount: missing",
    )


@pytest.mark.parametrize(
    "kind, value",
    [
        (int | str, 1),
        (int | str, "1"),
        (int | str | None, None),
        (str | dict[str, int], {"a": 1}),
        (float | str, 2),
        (Bank | list[Bank], [Bank("1")]),
        (Model | list[str], ["a"]),
        (Row | bool, True),
    ],
)
def test_unions_told_apart_by_form(converter: cattrs.Converter, kind: Any, value: object) -> None:
    """A union whose members have different forms in JSON is read by the form of the value."""
    wire = json.loads(encode(converter, value))
    assert decode(converter, wire, kind) == value


def test_true_is_no_number(converter: cattrs.Converter) -> None:
    """In a union of a number and a text, true fits neither."""
    assert problems(converter, True, int | str) == ("$: expected int or str, got bool",)
    assert problems(converter, [1], int | str) == ("$: expected int or str, got list",)


def test_records_of_a_union_are_told_apart_by_the_wires_names(converter: cattrs.Converter) -> None:
    """Two records in a union are told apart by a field that only one of them has, as it is spelled on the wire."""
    assert decode(converter, {"either": {"rightSide": 1}}, Choice) == Choice(Right(1))
    assert decode(converter, {"leftSide": 1}, Left | Right) == Left(1)  # type: ignore[arg-type]


@attrs.frozen
class Unresolved:
    """Names a type that its module does not define."""

    field: Missing  # type: ignore[name-defined]  # noqa: F821


@attrs.frozen
class Deep:
    """A field of a type that has no form in JSON."""

    field: list[complex]


@attrs.frozen
class Alike:
    """The same field as `Left`: nothing tells the two apart."""

    left_side: int


@attrs.frozen
class OpenType(Generic[T]):
    """A field of a type that was left open."""

    field: T


@attrs.frozen
class Maybe:
    """A type that has no form in JSON, and may be null."""

    field: complex | None = None


class BadRow(TypedDict):
    """A key of a type that has no form in JSON."""

    key: complex


@pytest.mark.parametrize(
    "kind, named",
    [
        (5, "a value of type int"),
        (complex, "complex"),
        (list[complex], "complex"),
        (Deep, "complex"),
        (BadRow, "complex"),
        (Left | Model, "Left or Model"),
        (Unresolved, "Missing"),
        (Literal["a"] | complex, "complex"),
        (OpenType, "tells its members apart"),
        (Alike | Left, "Alike or Left"),
        (Maybe, "complex"),
        (dict[str, complex | None], "complex"),
        (None | complex, "complex"),
        (Bank("1"), "a value of type Bank: unhashable"),
        (Left(1), "a value of type Left: it is a value and no type"),
        (OpenType, r"T is left open.* say OpenType\[...\]"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_found_first(converter: cattrs.Converter, kind: Any, named: str) -> None:
    """A type that no JSON fits is refused, with its name, when its reader is asked for: nothing was sent yet."""
    with pytest.raises(ConfigurationError, match=named):
        reader_of(converter, kind)
