"""Read JSON objects into typed dicts: each declared key checked and renamed, undeclared keys dropped.

cattrs has a reader for them, too. It takes a ``NotRequired`` key for a required one where annotations are text
(https://github.com/python-attrs/cattrs/issues/619), and it copies undeclared keys into the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NotRequired,
    Required,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import cattrs
from cattrs.errors import AttributeValidationNote, ClassValidationError

from nauth.wire.scalar_hooks import MismatchError, type_name

__all__ = ["is_typed_dict", "reader"]


class _Key(NamedTuple):
    name: str
    wire: str
    kind: Any
    required: bool
    read: Callable[[Any, Any], object]


def is_typed_dict(kind: Any) -> bool:
    """Tell whether `kind` is a typed dict, of `typing` or of typing_extensions, with or without type arguments."""
    plain = get_origin(kind) or kind
    return (
        isinstance(plain, type)
        and issubclass(plain, dict)
        and "__required_keys__" in vars(cast("type", plain))
    )


def reader(
    cls: Any, converter: cattrs.Converter, spelled: Callable[[Any, str], str]
) -> Callable[[object, Any], dict[str, object]]:
    """Return the hook that reads an object into the typed dict `cls`; `spelled` names a key on the wire."""
    keys = [
        _Key(name, wire or spelled(cls, name), kind, required, converter.get_structure_hook(kind))
        for name, wire, kind, required in _declared(cls)
    ]

    def structure(value: object, _: object) -> dict[str, object]:
        if not isinstance(value, Mapping):
            raise MismatchError("object", type_name(value))
        found: dict[str, object] = {}
        faults: list[Exception] = []
        for key in keys:
            try:
                if key.wire in value:
                    found[key.name] = key.read(value[key.wire], key.kind)
                elif key.required:
                    raise KeyError(key.wire)  # noqa: TRY301 - told of like what a key's own reader raises
            except Exception as fault:  # noqa: BLE001 - whatever a reader raises means the same
                fault.add_note(AttributeValidationNote("in a typed dict", key.wire, key.kind))
                faults.append(fault)
        if faults:
            # its own __new__ takes the class, which pyright does not see behind ExceptionGroup's
            raise ClassValidationError("a typed dict could not be read", faults, cls)  # pyright: ignore[reportCallIssue]
        return found

    return structure


def _declared(cls: Any) -> list[tuple[str, str | None, Any, bool]]:
    """Return (key, name on the wire where the key itself says it, type, required) for each key of `cls`."""
    plain = get_origin(cls) or cls
    arguments: dict[Any, Any] = dict(zip(getattr(plain, "__parameters__", ()), get_args(cls), strict=False))
    declared: list[tuple[str, str | None, Any, bool]] = []
    for name, hint in get_type_hints(plain, include_extras=True).items():
        kind, wire, required = hint, None, name in plain.__required_keys__
        while (origin := get_origin(kind)) in (Required, NotRequired, Annotated):
            if origin is Annotated:
                wire = next(
                    (entry.rename for entry in kind.__metadata__ if getattr(entry, "rename", None)), wire
                )
                if get_origin(kind.__origin__) not in (Required, NotRequired):
                    break  # what else Annotated says belongs to the type
                kind = kind.__origin__
            else:
                # where annotations are text, Python's own __required_keys__ does not see these two
                required = origin is Required
                (kind,) = get_args(kind)
        declared.append((name, wire, _filled_in(kind, arguments), required))
    return declared


def _filled_in(kind: Any, arguments: Mapping[Any, Any]) -> Any:
    if isinstance(kind, TypeVar):
        return arguments.get(kind, object)
    parameters = getattr(kind, "__parameters__", ())
    return kind[tuple(arguments.get(each, object) for each in parameters)] if parameters else kind
