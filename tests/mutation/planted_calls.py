"""Bugs in what users hand to calls, lists and sources."""

from __future__ import annotations

from functools import partial

from tests.mutation.bug import Planted, core

__all__ = ["CALLS"]

_core = partial(core, simulated=False)

CALLS: tuple[Planted, ...] = (
    _core(
        "a misspelled option of a call is passed over",
        "typed_calls",
        "    if not options.keys() <= _OPTIONS:\n",
        "    if False:\n",
        "typed_calls",
    ),
    _core(
        "a call's timeout of zero means no limit",
        "typed_calls",
        " or timeout <= timedelta(0):\n",
        ":\n",
        "typed_calls",
    ),
    _core(
        "a file in a form goes out as its repr",
        "wire/form_body",
        "    if any(isinstance(value, io.IOBase) for value in fields.values()):\n",
        "    if False:\n",
        "typed_calls",
    ),
    _core(
        "a type that may be null is looked at when the response is there",
        "wire/converter",
        "len(members) == 2 and NoneType in members",
        "len(members) == 2 and members[1] is NoneType and members[0] in _FORMS",
        "wire/record_kinds",
    ),
    _core(
        "a list's start in the path is sent a second time",
        "pages",
        " or (not in_body and name in URL(path).query)",
        "",
        "pages",
    ),
    _core(
        "a source may give anything",
        "sources/shared_read",
        "            if not isinstance(fields, Fields):\n",
        "            if False:\n",
        "sources/shared_read",
    ),
)
