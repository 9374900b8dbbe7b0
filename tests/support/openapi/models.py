"""What a package's attrs models and the schemas of its description have against each other."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
import cattrs

from nauth.secret import Secret
from nauth.time_formats import LOOSE as LOOSE_INSTANT
from nauth.wire.scalar_hooks import Unit
from nomadauth.models import LOGIN_STATUS, LOOSE, PING_STATUS
from nomadauth.statuses import UnknownStatus
from noyoauth.models import EPOCH_S
from tests.support.openapi.description import Description, Json

__all__ = ["Shape", "model_problems", "query_problems", "schema_name"]

_LENIENT = (LOOSE, LOGIN_STATUS, PING_STATUS)
_NONE = type(None)


@attrs.frozen(kw_only=True)
class Shape:
    """What a value may be on the wire; without types and references, anything.

    Attributes:
        types: JSON's names.
        format: such as ``date-time``.
        values: the only ones.
        refs: schemas it may be of.
        items: of an array.
        tolerant: what is of another type counts as absent.
    """

    types: frozenset[str] = frozenset()
    format: str | None = None
    values: tuple[object, ...] = ()
    refs: frozenset[str] = frozenset()
    items: Shape | None = None
    tolerant: bool = False


def schema_name(model: Any) -> str:
    """Return what a model's schema is called: ``Envelope[TokenData]`` is ``EnvelopeTokenData``."""
    known = [part.__name__ for part in get_args(model) if part is not object]
    return str((get_origin(model) or model).__name__) + "".join(known)


def model_problems(
    description: Description,
    converter: cattrs.Converter,
    models: tuple[Any, ...],
    *,
    inner: Mapping[str, frozenset[str]] | None = None,
) -> list[str]:
    """Say where models and schemas differ: members, types, what is required, and which of them there are.

    Args:
        description: with the schemas.
        converter: of the package; knows the names on the wire.
        models: those that travel, with their parameters where they are generic.
        inner: schema to fields that do not travel.
    """
    enums = {kind.__name__: kind for model in models for kind in _enums(model)}
    named = {schema_name(model): model for model in models}
    others = {name for name, schema in description.schemas.items() if "x-not-a-model" in schema}
    found = [f"{name}: no schema" for name in (named.keys() | enums.keys()) - description.schemas.keys()]
    found += [
        f"{name}: no model" for name in description.schemas.keys() - named.keys() - enums.keys() - others
    ]
    found += [
        f"{name}: has a model, and says that it has none" for name in others & (named.keys() | enums.keys())
    ]
    for name, kind in enums.items():
        known = description.schemas.get(name, {}).get("x-known-values")
        if known != [member.value for member in kind]:
            found.append(f"{name}: known values")
    used = description.sent() | description.received()
    found += [f"{name}: no operation uses it" for name in description.schemas.keys() - used]
    for name, model in named.items():
        if name in description.schemas:
            absent = (inner or {}).get(name, frozenset())
            found += (f"{name}{problem}" for problem in _differences(description, converter, model, absent))
    return found


def query_problems(parameters: tuple[Json, ...], model: type) -> list[str]:
    """Say where a query's parameters and the model behind it differ."""
    fields = {field.name: field for field in attrs.fields(attrs.resolve_types(model))}
    given = {entry["name"]: entry for entry in parameters if entry["in"] == "query"}
    found = [f"{model.__name__}.{name}: not in both" for name in fields.keys() ^ given.keys()]
    for name in fields.keys() & given.keys():
        field, entry = fields[name], given[name]
        if _of_type(field.type, {}) != _of_schema(entry["schema"]):
            found.append(f"{model.__name__}.{name}: type")
        if entry.get("required", False) != (field.default is attrs.NOTHING):
            found.append(f"{model.__name__}.{name}: required")
        if field.default is not attrs.NOTHING and entry["schema"].get("default") != field.default:
            found.append(f"{model.__name__}.{name}: default")
    return found


def _differences(
    description: Description, converter: cattrs.Converter, model: Any, absent: frozenset[str]
) -> Iterator[str]:
    name = schema_name(model)
    schema: Json = description.schemas[name]
    properties: Json = schema.get("properties", {})
    told = {key: part for key, part in properties.items() if not part.get("x-ignored", False)}
    only_sent = name in description.sent() - description.received()
    names, spellings = _wire_names(converter, model)
    wires = {names.get(field.name, field.name): field for field in _fields(model, absent)}
    yield from (f".{wire}: not in the schema" for wire in wires.keys() - told.keys())
    yield from (f".{wire}: not in the model" for wire in told.keys() - wires.keys())
    parameters = dict(zip(getattr(get_origin(model), "__parameters__", ()), get_args(model), strict=True))
    for wire in wires.keys() & told.keys():
        wanted, given = _of_type(wires[wire].type, parameters), _of_schema(told[wire])
        if only_sent:
            # the writer leaves None out
            wanted = attrs.evolve(wanted, types=wanted.types - {"null"})
        if wanted != given:
            yield f".{wire}: the model has {wanted}, the schema {given}"
        if list(spellings.get(wire, ())) != told[wire].get("x-also-read", []):
            yield f".{wire}: further spellings"
    supplied = {wire for wire, part in told.items() if part.get("x-filled-in", False)}
    required = {wire for wire, field in wires.items() if field.default is attrs.NOTHING} - supplied
    yield from (
        f".{wire}: required in one of them only" for wire in required ^ set(schema.get("required", ()))
    )
    documented = schema.get("x-documented-required")
    if documented is not None and (set(documented) == required or not set(documented) <= told.keys()):
        yield ": x-documented-required repeats `required` or names what is not there"
    if (schema.get("additionalProperties") is False) != only_sent:
        yield ": requests are closed (additionalProperties: false), answers are open"


def _wire_names(
    converter: cattrs.Converter, model: Any
) -> tuple[Mapping[str, str], Mapping[str, tuple[str, ...]]]:
    """Return field to name, and name to further spellings, as the converter has them."""
    try:
        hook: Any = converter.get_structure_hook(model)
    except cattrs.errors.StructureHandlerNotFoundError:
        return {}, {}  # a record that its package fills by hand
    return hook._names, hook._aliases


def _fields(model: Any, absent: frozenset[str]) -> list[attrs.Attribute[Any]]:
    fields = attrs.fields(attrs.resolve_types(get_origin(model) or model, include_extras=True))
    return [field for field in fields if field.name not in absent and not _omitted(field.type)]


def _omitted(kind: Any) -> bool:
    return any(getattr(mark, "omit", None) is True for mark in getattr(kind, "__metadata__", ()))


def _enums(kind: Any) -> Iterator[type[enum.Enum]]:
    """Yield the enums in a model's fields."""
    if attrs.has(get_origin(kind) or kind):
        for field in attrs.fields(attrs.resolve_types(get_origin(kind) or kind, include_extras=True)):
            if not _omitted(field.type) and not attrs.has(get_origin(field.type) or field.type):
                yield from _enums(field.type)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield kind
    else:
        for part in get_args(kind):
            if not attrs.has(part):
                yield from _enums(part)


_SCALARS: Mapping[Any, Shape] = {
    object: Shape(),
    _NONE: Shape(types=frozenset({"null"})),
    str: Shape(types=frozenset({"string"})),
    int: Shape(types=frozenset({"integer"})),
    float: Shape(types=frozenset({"number"})),
    bool: Shape(types=frozenset({"boolean"})),
    Secret: Shape(types=frozenset({"string"}), format="password"),
    Decimal: Shape(types=frozenset({"string", "number"}), format="decimal"),
    datetime: Shape(types=frozenset({"string"}), format="date-time"),
    # its values are strings or numbers, and what is unknown stays: the enum's schema says it
    UnknownStatus: Shape(types=frozenset()),
}


def _of_type(kind: Any, parameters: Mapping[Any, Any]) -> Shape:
    """Return what the converter reads for a field of type `kind`."""
    if isinstance(kind, TypeVar):
        return _of_type(parameters[kind], {})
    origin, parts = get_origin(kind), get_args(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if origin is Annotated:
        return _of_annotated(parts[0], kind.__metadata__)
    if origin is Literal:
        return Shape(values=parts)
    if origin in (Union, UnionType):
        return _either([_of_type(part, parameters) for part in parts])
    if origin in (list, tuple):
        return Shape(types=frozenset({"array"}), items=_of_type(parts[0], parameters))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Shape(types=frozenset({"object"}))
    return Shape(refs=frozenset({schema_name(kind)}))


def _of_annotated(kind: Any, marks: tuple[object, ...]) -> Shape:
    if any(mark is LOOSE_INSTANT for mark in marks):
        return Shape()
    if EPOCH_S in marks:
        return Shape(types=frozenset({"number"}), format="epoch-seconds")
    if kind is timedelta:
        (unit,) = (mark for mark in marks if isinstance(mark, Unit))
        return Shape(types=frozenset({"number"}), format={Unit.S: "seconds", Unit.MS: "milliseconds"}[unit])
    tolerant = any(mark is lenient for mark in marks for lenient in _LENIENT)
    return attrs.evolve(_of_type(kind, {}), tolerant=tolerant)


def _of_schema(schema: Json) -> Shape:
    tolerant = schema.get("x-tolerant", False)
    if "anyOf" in schema:
        return attrs.evolve(_either([_of_schema(part) for part in schema["anyOf"]]), tolerant=tolerant)
    if "$ref" in schema:
        return Shape(refs=frozenset({schema["$ref"].rpartition("/")[2]}), tolerant=tolerant)
    types: Any = schema.get("x-model-type", schema.get("type", []))
    values = (schema["const"],) if "const" in schema else tuple(schema.get("enum", ()))
    return Shape(
        types=frozenset([types] if isinstance(types, str) else types),
        format=schema.get("format"),
        values=values,
        items=_of_schema(schema["items"]) if "items" in schema else None,
        tolerant=tolerant,
    )


def _either(shapes: list[Shape]) -> Shape:
    return Shape(
        types=frozenset().union(*(shape.types for shape in shapes)),
        format=next((shape.format for shape in shapes if shape.format), None),
        values=tuple(value for shape in shapes for value in shape.values),
        refs=frozenset().union(*(shape.refs for shape in shapes)),
        items=next((shape.items for shape in shapes if shape.items), None),
    )
