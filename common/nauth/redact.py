"""Redaction for error texts: shorten vendor messages, remove tokens, show a wrong setting by type and length only."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["clean", "not_among"]

_LONGEST = 200
_CUT = 1000
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_\-+/=.~:%]{20,}")
"""Runs of characters that could be a token, key or id. Ordinary words are shorter than twenty characters."""
_LAST_RUN = re.compile(r"[A-Za-z0-9_\-+/=.~:%]+\Z")
"""The run at the cut: the first part of a token may be too short to look like one."""


def clean(value: object) -> str | None:
    """Return the vendor's message for an error text: printable, short, without anything that looks like a secret.

    Vendors echo what they were sent, and errors end up in logs. None if `value` is not text or nothing is left.
    """
    if not isinstance(value, str):
        return None
    # cut first: a megabyte of text must not be searched for the sake of its first line
    head, rest = value[:_CUT], value[_CUT:]
    if rest:
        head = _LAST_RUN.sub("", head)
    printable = "".join(char if char.isprintable() else " " for char in head)
    text = " ".join(_TOKEN_LIKE.sub("[...]", printable).split())
    return text[:_LONGEST] or None


def not_among(known: Sequence[str], value: object) -> str:
    """Say that `value` is none of `known`: ``must be 'a' or 'b', not a text of 9 characters``.

    The value itself is not shown: it may be a secret that went to the wrong place.
    """
    got = type(value).__name__
    if isinstance(value, str):
        meant = next((name for name in known if name == value.strip().lower()), None)
        got = f"a text of {len(value)} characters"
        got += "" if meant is None else f" that differs from {meant!r} by case or white space"
    return f"must be {' or '.join(map(repr, known))}, not {got}"
