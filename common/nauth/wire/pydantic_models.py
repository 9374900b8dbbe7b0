"""Read and write pydantic's models, where the user's own service has pydantic. Never imports it by itself.

A model is read as pydantic reads a JSON document, strict or lax as the model says. What pydantic's errors hold of the
document (the input, the context, a validator's own words) is left behind: only the place and pydantic's name for the
fault go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

__all__ = ["ModelRefusedError", "is_model", "reader", "writer"]


class ModelRefusedError(Exception):
    """A model refused the document. Holds nothing of it.

    Args:
        problems: (place below the model, pydantic's name for the fault), such as ``(".amount", "decimal_parsing")``.
    """

    def __init__(self, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(problems)
        self.problems = problems


def is_model(kind: Any) -> bool:
    """Tell whether `kind` is one of pydantic's models or dataclasses."""
    return isinstance(kind, type) and hasattr(kind, "__pydantic_core_schema__")


def reader(cls: Any) -> Callable[[object, Any], object]:
    """Return the hook that reads parsed JSON into the model `cls`."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - there is a model, so pydantic is loaded

    adapter: TypeAdapter[object] = TypeAdapter(cls)
    known = frozenset(_names(cls, set()))

    def structure(value: object, _: object) -> object:
        try:
            # as JSON: a strict model takes the text of a Decimal or an instant from JSON, and not from Python
            return adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise ModelRefusedError(tuple((_place(fault["loc"], known), fault["type"]) for fault in faults))

    return structure


def writer(cls: Any) -> Callable[[object], object]:
    """Return the hook that writes a record of `cls` under its aliases, without the fields that are None."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - there is a model, so pydantic is loaded

    adapter: TypeAdapter[object] = TypeAdapter(cls)
    return lambda record: adapter.dump_python(record, mode="json", by_alias=True, exclude_none=True)


def _place(location: tuple[int | str, ...], known: frozenset[str]) -> str:
    # the keys of a mapping are data, and so may be anything: only names that the models declare are shown
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" if part in known else "[*]" for part in location
    )


def _names(kind: Any, seen: set[Any]) -> Iterator[str]:
    """Yield the names that `kind` and the models in its fields declare, their aliases included."""
    for part in get_args(kind):
        yield from _names(part, seen)
    plain = get_origin(kind) or kind
    if plain in seen or not is_model(plain):
        return
    seen.add(plain)
    fields: dict[str, Any] = getattr(plain, "model_fields", None) or getattr(plain, "__pydantic_fields__", {})
    for name, field in fields.items():
        yield name
        yield from (alias for alias in (field.alias, field.validation_alias) if isinstance(alias, str))
        yield from _names(field.annotation, seen)
