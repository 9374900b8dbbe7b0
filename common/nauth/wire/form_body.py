"""Write a form: url-encoded, or multipart where one of its fields is a file."""

from __future__ import annotations

import contextlib
import enum
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import cast
from urllib.parse import urlencode

from aiohttp import BytesPayload, FormData

from nauth.errors import ConfigurationError
from nauth.secret import Secret

__all__ = ["form_of", "utf8"]


def form_of(fields: Mapping[object, object]) -> bytes | FormData:
    """Return the form as bytes, or as aiohttp streams it where a value is an open file.

    Raises:
        ConfigurationError: a name or a value has no form there. Names the field and its type, and never the value.
    """
    if any(isinstance(value, io.IOBase) for value in fields.values()):
        return _multipart(fields)
    pairs = [(utf8(name), text) for field, value in fields.items() for name, text in _written(field, value)]
    return urlencode(pairs).encode("ascii")


def utf8(text: str) -> bytes:
    """Return `text` in UTF-8.

    Raises:
        ConfigurationError: half of a surrogate pair is in it.
    """
    with contextlib.suppress(UnicodeEncodeError):  # the error holds the whole text
        return text.encode()
    raise ConfigurationError(
        "nothing was sent: data= holds half of a surrogate pair, which UTF-8 cannot write"
    )


def _written(name: object, value: object) -> Iterator[tuple[str, bytes]]:
    """Yield the fields of a form that `value` makes: one, or one for each entry of a list."""
    for entry in cast("list[object]", value) if isinstance(value, list | tuple) else [value]:
        if not isinstance(name, str):
            raise ConfigurationError(
                f"nothing was sent: a form's names must be text, not {type(name).__name__}"
            )
        entry = entry.value if isinstance(entry, enum.Enum) else entry  # noqa: PLW2901 - as in JSON
        if isinstance(entry, bool) or not isinstance(entry, str | bytes | int | float | Decimal | Secret):
            raise ConfigurationError(
                f"nothing was sent: a form's field must be text or a number, and {name} is {type(entry).__name__}. Leave "
                "out what is None, write 'true' for True, and give dates as text"
            )
        if isinstance(entry, bytes):
            yield name, entry
        else:
            yield name, utf8(entry.reveal() if isinstance(entry, Secret) else str(entry))


def _multipart(form: Mapping[object, object]) -> FormData:
    made = FormData()
    for name, value in form.items():
        if isinstance(value, io.IOBase):
            made.add_field(str(name), value)
            continue
        for field, text in _written(name, value):
            made.add_field(field, BytesPayload(text, content_type="text/plain; charset=utf-8"))
    return made
