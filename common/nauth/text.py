"""Clean what the other side said before a person reads it."""

from __future__ import annotations

import re

__all__ = ["clean"]

_LONGEST = 200
_CUT = 1000
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_\-+/=.~:%]{20,}")
"""Runs that could be a token, key or id. No sentence has a word of twenty such characters worth keeping."""
_LAST_RUN = re.compile(r"[A-Za-z0-9_\-+/=.~:%]+\Z")
"""A run that the cut went through: what is left of a token may be too short to look like one."""


def clean(value: object) -> str | None:
    """Return the vendor's words fit for an error: printable, short, without anything that looks like a secret.

    Vendors echo what they were sent, and errors end up in logs. None for what is not text, or has nothing left.
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
