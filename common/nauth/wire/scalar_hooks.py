"""Strict cattrs hooks for single values: what may stand in JSON for a str, a number, an instant or a duration.

No hook formats the value it refuses, so neither the text nor the arguments of what it raises can leak one.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeGuard, get_args, get_origin
from uuid import UUID

import cattrs

from nauth.secret import Secret
from nauth.time_formats import LOOSE, parse_instant, parse_iso

__all__ = ["MismatchError", "Unit", "register_scalars", "type_name"]

_NAMES: Final[dict[type, str]] = {dict: "object", type(None): "null"}

# 64 characters and three digits of exponent: Decimal("1e999999999") would fill the memory when written out
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 64

# Python's own readers also take "20240327", "2024-W13-3", "{...}" and "urn:uuid:...", which are written back otherwise
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class Unit(enum.Enum):
    """Unit of a duration on the wire, for ``Annotated[timedelta, Unit.MS]``."""

    S = timedelta(seconds=1)
    MS = timedelta(milliseconds=1)


def type_name(value: object) -> str:
    """Name the type of `value` in an error's words: ``object`` for a dict, ``null`` for None, else Python's name."""
    return _NAMES.get(type(value), type(value).__name__)


class MismatchError(TypeError):
    """A value of another type or form than the model says. Vendors' own hooks may raise it too.

    Args:
        expected: what the model wants, in words.
        got: the type that came, never the value; see `type_name`.
    """

    def __init__(self, expected: str = "", got: str = "") -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}"


def register_scalars(converter: cattrs.Converter) -> None:
    """Put the strict hooks on `converter`.

    The four JSON scalars are registered by class, not by predicate: cattrs asks its by-class table first, and that
    has lenient entries for them.
    """
    converter.register_structure_hook(str, _to_text)
    for kind in (int, float):
        converter.register_structure_hook(kind, _scalar(kind))
    # bool is a subclass of int: without this entry int's hook would serve it
    converter.register_structure_hook(bool, _scalar(bool))
    converter.register_structure_hook(Decimal, _to_decimal)
    converter.register_structure_hook(Secret, _to_secret)
    converter.register_structure_hook(date, _by_form(_DATE, date.fromisoformat, "a date as YYYY-MM-DD"))
    converter.register_structure_hook(datetime, _to_datetime)
    converter.register_structure_hook(UUID, _by_form(_UUID, UUID, "a UUID"))
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    converter.register_structure_hook_func(_is_literal, _to_literal)
    converter.register_structure_hook_factory(_has_unit, _duration_reader)
    converter.register_structure_hook_func(lambda kind: _marked(kind, LOOSE), _to_loose_instant)

    converter.register_unstructure_hook(Secret, lambda secret: secret)
    converter.register_unstructure_hook(Decimal, _from_decimal)
    converter.register_unstructure_hook(UUID, str)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_unstructure_hook(datetime, _from_datetime)
    converter.register_unstructure_hook_factory(_has_unit, _duration_writer)


def _finite(value: object, expected: str) -> TypeGuard[int | float]:
    """Tell that `value` is a number that a float can hold, or raise."""
    if type(value) is float and not math.isfinite(value):
        raise MismatchError(f"{expected} that is finite", "float")
    if type(value) not in (int, float):
        raise MismatchError(expected, type_name(value))
    return True


def _text(value: object, expected: str = "str") -> str:
    if type(value) is not str:
        raise MismatchError(expected, type_name(value))
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        # half of a surrogate pair: it would fail much later, in a header or a store
        raise MismatchError(expected, "str with a lone surrogate")
    return value


def _number(value: object, kind: type) -> object:
    if kind is float and _finite(value, "float"):
        try:
            return float(value)
        except OverflowError:
            raise MismatchError("float", "int beyond its range") from None
    if type(value) is not kind:
        raise MismatchError(kind.__name__, type_name(value))
    return value


def _scalar(base: type) -> Callable[[object, Any], Any]:
    """Make the hook for the number type `base`, which also serves classes derived from it, such as an ``int`` enum."""

    def structure(value: object, kind: Any) -> Any:
        plain = _number(value, base)
        return plain if kind is base else kind(plain)

    return structure


def _to_text(value: object, kind: Any) -> Any:
    # most of what a vendor sends is plain text into a `str`
    if kind is str and type(value) is str and value.isascii():
        return value
    plain = _text(value)
    return plain if kind is str else kind(plain)


def _to_secret(value: object, _: object) -> Secret:
    return Secret(_text(value))


def _to_decimal(value: object, _: object) -> Decimal:
    expected = "a decimal number"
    text = value if type(value) is str else None
    if text is None and _finite(value, expected):
        try:
            text = str(value)
        except ValueError:  # an int of more digits than Python is willing to print
            text = ""
    if text is None or len(text) > _LONGEST_NUMBER or not _DECIMAL.fullmatch(text):
        raise MismatchError(expected, f"another {type_name(value)}")
    return Decimal(text)


def _from_decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("a Decimal that is no finite number cannot be sent")
    return str(value)


def _by_form(
    form: re.Pattern[str], read: Callable[[str], object], expected: str
) -> Callable[[object, Any], object]:
    """Make the hook for what `read` makes of text of one form."""

    def structure(value: object, _: object) -> object:
        if type(value) is not str:
            raise MismatchError(expected, type_name(value))
        try:
            return read(value if form.fullmatch(value) else "")
        except ValueError:
            raise MismatchError(expected, "another str") from None

    return structure


def _to_datetime(value: object, _: object) -> datetime:
    expected = "an ISO 8601 instant with an offset"
    if type(value) is not str:
        raise MismatchError(expected, type_name(value))
    try:
        return parse_iso(value)
    except ValueError:
        raise MismatchError(expected, "another str") from None


def _from_datetime(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a naive datetime cannot be sent: give it a tzinfo")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _to_loose_instant(value: object, _: object) -> datetime | None:
    try:
        return parse_instant(value, naive_is_utc=True, epoch=True)
    except ValueError:
        return None


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _to_literal(value: object, kind: Any) -> object:
    # by type too: True equals 1, and 1.0 equals it as well
    if not any(type(value) is type(option) and value == option for option in get_args(kind)):
        raise MismatchError(f"one of {', '.join(map(repr, get_args(kind)))}", f"another {type_name(value)}")
    return value


def _metadata(kind: Any) -> tuple[object, ...]:
    return getattr(kind, "__metadata__", ())


def _marked(kind: Any, mark: object) -> bool:
    return any(entry is mark for entry in _metadata(kind))


def _has_unit(kind: Any) -> bool:
    return any(isinstance(entry, Unit) for entry in _metadata(kind))


def _unit(kind: Any) -> timedelta:
    return next(entry.value for entry in _metadata(kind) if isinstance(entry, Unit))


def _duration_reader(kind: Any) -> Callable[[object, Any], timedelta]:
    step = _unit(kind)

    def structure(value: object, _: object) -> timedelta:
        expected = "a duration"
        if _finite(value, expected) and value >= 0:
            try:
                return step * value
            except OverflowError:
                raise MismatchError(expected, "a number beyond its range") from None
        raise MismatchError(expected, "a negative number")

    return structure


def _duration_writer(kind: Any) -> Callable[[timedelta], float]:
    step = _unit(kind)

    def unstructure(value: timedelta) -> float:
        whole, rest = divmod(value, step)
        return value / step if rest else whole

    return unstructure
