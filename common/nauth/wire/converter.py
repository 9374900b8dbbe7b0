"""Between JSON and typed records: the strict cattrs converter that every vendor starts from.

cattrs out of the box turns null into the word "None" and "false" into True, and reads a list where an object belongs
as an empty record. Here each of these is a `MalformedResponseError` that names the place in the vendor's own
spelling and the types involved, and never a value.

::

    converter = make_converter()
    rename_with(converter, camel, exceptions={Device: {"device_url": "deviceURL"}})
    answer = decode(converter, parse_json(body), LoginAnswer)
    body = encode(converter, LoginRequest(...))
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs
import cattrs
from cattrs.cols import (
    is_frozenset,
    is_mapping,
    is_mutable_sequence,
    is_sequence,
    is_set,
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType] # cattrs left two of its parameters bare
)
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from nauth.errors import ConfigurationError, MalformedResponseError
from nauth.secret import Secret
from nauth.wire import pydantic_models, typed_dicts
from nauth.wire.json_text import malformed, parse_json
from nauth.wire.scalar_hooks import MismatchError, Unit, register_scalars, type_name

__all__ = [
    "MismatchError",
    "Rule",
    "Unit",
    "camel",
    "decode",
    "encode",
    "identity",
    "make_converter",
    "parse_json",
    "pascal",
    "quick_reader",
    "reader_of",
    "rename_with",
    "type_name",
]

Rule = Callable[[str], str]
"""Turns a field's name into the wire's."""

_T = TypeVar("_T")
_Hook = Callable[[Any, Any], Any]
_Json = Mapping[str, object]

_MAX_PROBLEMS = 20  # a list of ten thousand bad entries needs no more lines than this


def identity(name: str) -> str:
    """Keep the name: ``access_token``."""
    return name


def pascal(name: str) -> str:
    """Write ``access_token`` as ``AccessToken``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def camel(name: str) -> str:
    """Write ``access_token`` as ``accessToken``. Underscores in front stay: ``_id`` is ``_id``."""
    plain = name.lstrip("_")
    first, *rest = plain.split("_")
    return name[: len(name) - len(plain)] + first + "".join(map(pascal, rest))


def make_converter() -> cattrs.Converter:
    """Return a strict converter: detailed errors, no coercion, unknown keys dropped, wire names as in the models.

    Understands str, int, float, bool, `Decimal`, `Secret`, aware `datetime`, `date`, `UUID`, `nauth.time_formats.LooseInstant`,
    ``Annotated[timedelta, Unit.S]``, literals, enums, lists, homogeneous tuples and sets, mappings, attrs classes and
    dataclasses (generic ones too), typed dicts, pydantic's models, each of them also under ``| None``; unions whose
    members have different forms in JSON, such as ``int | str`` or ``Bank | list[Bank]``; ``object`` takes anything as
    it came, and ``None`` takes null only. Any other type is a `ConfigurationError` when its reader is asked for.
    """
    converter = cattrs.Converter(
        detailed_validation=True,
        unstruct_collection_overrides={AbstractSet: list},
        structure_fallback_factory=_unreadable,
    )
    register_scalars(converter)
    converter.register_structure_hook(NoneType, _to_none)
    converter.register_structure_hook_factory(is_mapping, _mapping_factory)
    converter.register_structure_hook_factory(_is_array, _array_factory)
    converter.register_structure_hook_factory(_told_apart_by_form, _union_factory)
    converter.register_structure_hook_factory(_is_optional, _optional_factory)
    rename_with(converter, identity)
    return converter


def rename_with(
    converter: cattrs.Converter,
    rule: Rule,
    *,
    exceptions: Mapping[type, Mapping[str, str]] | None = None,
    aliases: Mapping[type, Mapping[str, tuple[str, ...]]] | None = None,
) -> None:
    """Name the fields of all attrs classes, dataclasses and typed dicts by `rule`. Call it before the first use.

    A single odd field may say ``Annotated[T, cattrs.override(rename=...)]`` instead. The rule holds for reading and
    writing; a typed dict is a dict when it is written, and a dict is sent as it is.

    Args:
        converter: from `make_converter`.
        rule: such as `camel`.
        exceptions: class to {field: wire name}; holds for derived classes too.
        aliases: class to {field: further wire names accepted when reading}; holds for derived classes too. The first
            name wins if it is there and not null, then the others in order. Errors use the first.
    """

    def spelled(cls: Any, field: str) -> str:
        return _inherited(exceptions or {}, cls).get(field) or rule(field)

    def overrides(cls: Any) -> dict[str, Any]:
        return {
            name: _own_override(kind) or override(rename=spelled(cls, name))
            for name, kind in _field_types(cls).items()
        }

    # each is given the converter that asks: this one, or its quick copy
    def reader(cls: Any, asking: cattrs.Converter) -> _Hook:
        inner = make_dict_structure_fn(cls, asking, **overrides(cls))
        others = _inherited(aliases or {}, cls)
        return _ObjectHook(inner, others) if asking.detailed_validation or others else _plain_object(inner)

    def typed_dict(cls: Any, asking: cattrs.Converter) -> _Hook:
        return typed_dicts.reader(cls, asking, spelled)

    def writer(cls: Any) -> Callable[[Any], dict[str, object]]:
        inner = make_dict_unstructure_fn(cls, converter, **overrides(cls))
        return lambda record: {key: value for key, value in inner(record).items() if value is not None}

    converter.register_structure_hook_factory(_is_record, reader)
    converter.register_unstructure_hook_factory(_is_record, writer)
    converter.register_structure_hook_factory(typed_dicts.is_typed_dict, typed_dict)
    # a model follows its own configuration, whatever the vendor's rule; last, for some of them are dataclasses too
    converter.register_structure_hook_factory(pydantic_models.is_model, pydantic_models.reader)
    converter.register_unstructure_hook_factory(pydantic_models.is_model, pydantic_models.writer)


def reader_of(converter: cattrs.Converter, shape: type[_T]) -> Callable[[object, type[_T]], _T]:
    """Return what reads parsed JSON into `shape`, so that a type nothing can read is found before a request is sent.

    Raises:
        ConfigurationError: `shape`, or the type of one of its fields, has no form in JSON. Names the type.
    """
    problem: str
    try:
        return converter.get_structure_hook(shape)
    except ConfigurationError:
        raise
    except cattrs.StructureHandlerNotFoundError as error:
        problem = (
            f"{_kind_name(error.type_)} is left open, and JSON has no form that tells its members apart: say "
            f"{_kind_name(shape)}[...]"
        )
    except NameError as error:
        problem = f"its annotations name {error.name}, which its module does not define at the top level"
    except AttributeError:  # cattrs takes a record for its class
        problem = "it is a value and no type"
    except TypeError as error:
        problem = str(error)
    raise ConfigurationError(f"an answer cannot be read into {_kind_name(shape)}: {problem}")


def _quick_reader(converter: cattrs.Converter, shape: Any) -> _Hook:
    """Return what reads parsed JSON into `shape` by the same rules in two thirds of the time, and does not say what is wrong.

    Whatever it raises: `decode` then finds the places.

    Raises:
        ConfigurationError: as `reader_of`.
        TypeError: `shape` cannot be hashed.
    """
    reader_of(converter, shape)
    return _quick(converter).get_structure_hook(shape)


quick_reader: Callable[[cattrs.Converter, Any], _Hook] = lru_cache(maxsize=1024)(_quick_reader)


@lru_cache(maxsize=16)
def _quick(converter: cattrs.Converter) -> cattrs.Converter:
    # cattrs notes the place of each fault as it goes; that is a third of its time
    return converter.copy(detailed_validation=False)


def decode(
    converter: cattrs.Converter,
    value: object,
    cls: type[_T],
    *,
    error: type[MalformedResponseError] = MalformedResponseError,
    status: int | None = None,
    request_id: str | None = None,
    what: str = "the answer",
    root: str = "$",
) -> _T:
    """Read parsed JSON into `cls`.

    Args:
        converter: from `make_converter`.
        value: from `parse_json`.
        cls: an attrs class, or any type the converter understands; see `make_converter`.
        error: class to raise, such as the vendor's own.
        status: HTTP status of the response, for the error.
        request_id: the vendor's id of the request, for the error.
        what: how the error calls the document.
        root: how the error calls the place of `value`, where it is a part of the document.

    Raises:
        MalformedResponseError: with one line in `problems` for each fault, such as
            ``"$.data.expiresAt: expected str, got int"`` or ``"$.items[0].id: missing"``. It has neither cause nor
            context, and no frame of its traceback here holds `value`.
        ConfigurationError: `cls` has a type that the converter cannot read.
    """
    with suppress(Exception):  # what is wrong, and where, is found next
        read: _T = quick_reader(converter, cls)(value, cls)
        return read
    hook = reader_of(converter, cls)
    try:
        return hook(value, cls)
    except Exception as failure:  # noqa: BLE001 - whatever a hook or a model's validator raises means the same
        problems = tuple(_problems(failure, cls, root))
    # outside the handler, so that `failure`, whose frames hold the response, is not the new error's context
    del value
    raise malformed(problems, error=error, status=status, request_id=request_id, what=what) from None


def encode(converter: cattrs.Converter, record: object) -> bytes:
    """Write a request record as compact ASCII JSON without the fields that are None.

    Secrets are opened inside the encoder only: `converter.unstructure` leaves them shut, and no local holds one.

    Raises:
        TypeError: a value that JSON has no form for.
        ValueError: NaN, an infinity, a naive datetime, or a value that holds itself or lies too deep.
    """
    try:
        return json.dumps(
            converter.unstructure(record), separators=(",", ":"), allow_nan=False, default=_opened
        ).encode("ascii")
    except RecursionError:
        pass
    raise ValueError("it holds itself, or its parts lie too deep in each other")


def _opened(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"JSON has no form for {type(value).__name__}")


def _plain_object(inner: _Hook) -> _Hook:
    def structure(value: Any, kind: Any) -> Any:
        if type(value) is not dict:
            raise MismatchError
        return inner(value, kind)

    # cattrs reads the names on the wire there, to tell the members of a union apart
    vars(structure)["overrides"] = getattr(inner, "overrides", {})
    return structure


class _ObjectHook:
    """Read a JSON object into one attrs class, and put the wire's names into what goes wrong."""

    __slots__ = ("_aliases", "_inner", "_names", "overrides")

    def __init__(self, inner: _Hook, aliases: Mapping[str, tuple[str, ...]]) -> None:
        self._inner = inner
        # cattrs attaches the overrides it worked with, those from annotations included
        self.overrides: Mapping[str, Any] = getattr(inner, "overrides", {})
        """The names on the wire; cattrs reads them to tell the members of a union apart."""
        self._names = {field: entry.rename or field for field, entry in self.overrides.items()}
        self._aliases = {self._names.get(field, field): others for field, others in aliases.items()}

    def __call__(self, value: Any, cls: Any) -> Any:
        given = _object(value)
        try:
            return self._inner(self._canonical(given) if self._aliases else given, cls)
        except ClassValidationError as failure:
            for _, note in failure.group_exceptions()[0]:
                note.name = self._names.get(note.name, note.name)
            raise

    def _canonical(self, value: _Json) -> _Json:
        found = {
            name: next((value[other] for other in others if value.get(other) is not None), None)
            for name, others in self._aliases.items()
            if value.get(name) is None
        }
        return {**value, **{name: entry for name, entry in found.items() if entry is not None}}


def _inherited(table: Mapping[type, Mapping[str, _T]], cls: Any) -> dict[str, _T]:
    """Merge the entries of `cls` and its bases, the nearest winning."""
    found: dict[str, _T] = {}
    for base in reversed((get_origin(cls) or cls).__mro__):
        found.update(table.get(base, {}))
    return found


def _own_override(kind: Any) -> Any:
    """Return what ``Annotated`` says to cattrs about one field, if it does."""
    return next(
        (entry for entry in getattr(kind, "__metadata__", ()) if isinstance(entry, type(override()))), None
    )


def _is_record(kind: Any) -> bool:
    plain = get_origin(kind) or kind
    return isinstance(plain, type) and (attrs.has(plain) or dataclasses.is_dataclass(plain))


def _field_types(cls: Any) -> dict[str, Any]:
    """Return each field's type, with what ``Annotated`` says; annotations written as text are resolved."""
    plain = get_origin(cls) or cls
    if attrs.has(plain):
        attrs.resolve_types(plain, include_extras=True)
        return {field.name: field.type for field in attrs.fields(plain)}
    hints = get_type_hints(plain, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(plain)}


def _unreadable(kind: Any) -> _Hook:
    raise ConfigurationError(
        f"an answer cannot be read into {_kind_name(kind)}: it has no form in JSON. Use an attrs class, a dataclass, a "
        "TypedDict, a pydantic model, list[...], dict[str, ...], a scalar, None for no body, or object for the answer "
        "as it came"
    )


def _to_none(value: object, _: object) -> None:
    if value is not None:
        raise MismatchError("null", type_name(value))


def _object(value: object) -> _Json:
    if not isinstance(value, Mapping):
        raise MismatchError("object", type_name(value))
    return cast("_Json", value)


def _is_array(kind: Any) -> bool:
    return is_sequence(kind) or is_mutable_sequence(kind) or is_set(kind) or is_frozenset(kind)


def _mapping_factory(kind: Any, converter: cattrs.Converter) -> _Hook:
    inner: _Hook = mapping_structure_factory(kind, converter, dict)

    return lambda value, _: inner(_object(value), kind)


def _array_factory(kind: Any, converter: cattrs.Converter) -> _Hook:
    inner: _Hook = list_structure_factory(kind, converter)
    build: Callable[[list[object]], object] | None = tuple
    if is_mutable_sequence(kind):
        build = None  # it is a list already
    elif is_frozenset(kind):
        build = frozenset
    elif is_set(kind):
        build = set

    def structure(value: Any, _: object) -> object:
        # a str is iterable too, and a dict would give its keys
        if not isinstance(value, list | tuple):
            raise MismatchError("list", type_name(value))
        entries = inner(value, kind)
        return entries if build is None else build(entries)

    if converter.detailed_validation or not get_args(kind):
        return structure
    member = get_args(kind)[0]
    read = converter.get_structure_hook(member)

    def quick(value: Any, _: object) -> object:
        if type(value) is not list:
            raise MismatchError
        entries = [read(entry, member) for entry in cast("list[object]", value)]
        return entries if build is None else build(entries)

    return quick


_FORMS: Mapping[type, str] = {
    str: "str",
    Secret: "str",
    date: "str",
    datetime: "str",
    UUID: "str",
    bool: "bool",
    int: "int",
    float: "float",
    NoneType: "null",
}


def _form(kind: Any) -> str | None:
    """Return the one form in JSON that values of `kind` have; None where there are several, or none that is known."""
    if kind in _FORMS:
        return _FORMS[kind]
    if _is_array(kind):
        return "list"
    if (
        _is_record(kind)
        or typed_dicts.is_typed_dict(kind)
        or pydantic_models.is_model(kind)
        or is_mapping(kind)
    ):
        return "object"
    return None


def _is_optional(kind: Any) -> bool:
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    return len(members) == 2 and NoneType in members  # noqa: PLR2004 - it and None


def _optional_factory(kind: Any, converter: cattrs.Converter) -> _Hook:
    # cattrs looks for the member's reader anew for each value, and so not before a request is sent
    (member,) = (each for each in get_args(kind) if each is not NoneType)
    read = converter.get_structure_hook(member)
    return lambda value, _: None if value is None else read(value, member)


def _told_apart_by_form(kind: Any) -> bool:
    """Tell whether `kind` is a union of which each member has another form in JSON, so that the value decides."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    members = get_args(kind)
    forms = [_form(member) for member in members]
    # one member and None: cattrs reads that without a look at the form
    return None not in forms and len(set(forms)) == len(forms) and len(set(forms) - {"null"}) > 1


def _union_factory(kind: Any, converter: cattrs.Converter) -> _Hook:
    readers = {_form(member): (converter.get_structure_hook(member), member) for member in get_args(kind)}
    forms: dict[type, str] = {dict: "object", list: "list", **_FORMS}
    expected = _kind_name(kind)

    def structure(value: object, _: object) -> object:
        form = forms.get(type(value))
        if form == "int" and "int" not in readers:
            form = "float"
        if form not in readers:
            raise MismatchError(expected, type_name(value))
        hook, member = readers[form]
        return hook(value, member)

    return structure


def _problems(failure: Exception, cls: Any, root: str) -> list[str]:
    """Say where and why cattrs failed: one line for each leaf of its tree of errors, in the order of the fields."""
    found: list[str] = []
    pending = [_Fault(failure, root, cls)]
    while pending and len(found) < _MAX_PROBLEMS:
        fault = pending.pop()
        if isinstance(fault.error, pydantic_models.ModelRefusedError):
            found += [f"{fault.path}{place}: {reason}" for place, reason in fault.error.problems]
            continue
        if isinstance(fault.error, ClassValidationError | IterableValidationError):
            pending += [
                _placed(child, fault.path, fault.error.cl) for child in reversed(fault.error.exceptions)
            ]
        else:
            found.append(f"{fault.path}: {_reason(fault)}")
    return found


class _Fault(NamedTuple):
    error: Exception
    path: str
    kind: Any
    key: str | None = None


def _placed(child: Exception, path: str, owner: Any) -> _Fault:
    """Find the place of `child` in the response from the note that cattrs left on it."""
    for note in getattr(child, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return _Fault(child, f"{path}.{note.name}", note.type, note.name)
        if isinstance(note, IterableValidationNote):
            # the keys of a mapping are data, and so may be anything
            return _Fault(child, f"{path}[{note.index if isinstance(note.index, int) else '*'}]", note.type)
    return _Fault(child, path, owner)  # no field's fault: the record's own validators refused it


def _reason(fault: _Fault) -> str:
    if isinstance(fault.error, MismatchError):
        return str(fault.error)
    if isinstance(fault.error, KeyError) and fault.error.args == (fault.key,):
        return "missing"
    return f"not a valid {_kind_name(fault.kind)}"


def _kind_name(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_kind_name(part) for part in get_args(kind) if part is not type(None))
    return getattr(kind, "__name__", f"a value of type {type(kind).__name__}")
