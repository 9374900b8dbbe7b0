"""Noyo's wire rules on top of the core's: instants as numbers, and numbers that JSON does not allow."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import cattrs

from nauth.time_formats import parse_instant
from nauth.wire.converter import MismatchError, make_converter, type_name
from noyoauth.models import EPOCH_S

__all__ = ["CONVERTER", "tame"]


def tame(body: bytes) -> bytes:
    """Return a JSON document with numbers such as ``1e400`` or ``NaN`` as the text they were written with.

    The core refuses a document for such a number. In `expires_in` it only means that the lifetime is unknown. A body
    that is not JSON is returned unchanged, and the core refuses it.
    """
    try:
        return json.dumps(
            json.loads(body.decode("utf-8-sig"), parse_float=_number, parse_constant=str)
        ).encode()
    except (ValueError, RecursionError):
        return body


def _number(text: str) -> float | str:
    number = float(text)
    return text if number in {float("inf"), float("-inf")} else number


def _instant(value: object, _: object) -> datetime:
    if type(value) not in {int, float}:
        raise MismatchError(EPOCH_S, type_name(value))
    try:
        return parse_instant(value, epoch=True)
    except ValueError:
        raise MismatchError(EPOCH_S, "a number beyond the calendar") from None


def _is_epoch(kind: Any) -> bool:
    return EPOCH_S in getattr(kind, "__metadata__", ())


def _make() -> cattrs.Converter:
    converter = make_converter()
    converter.register_structure_hook_func(_is_epoch, _instant)
    return converter


CONVERTER = _make()
