"""What a forked child begins with: guards that open again, and objects that forget what only the parent can end.

A fork copies memory and one thread. A guard that another thread held never opens in the child, and what another thread
or the parent's event loop was about to do never happens there.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol, TypeAlias

__all__ = ["Forgetful", "Guard", "begin_child", "forgets", "guard"]

Guard: TypeAlias = "threading.RLock"
"""A reentrant lock: the garbage collector may end a coroutine inside a guarded section, and its `finally` may come back."""


class Forgetful(Protocol):
    """An object that a fork copies, and that must not go on in the child as it is."""

    def after_fork(self) -> None:
        """Forget what is under way in the parent. Called in the child, before anything else runs there."""


_guards: weakref.WeakSet[Guard] = weakref.WeakSet()
_forgetful: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def guard() -> Guard:
    """Return a new guard, which is open again in a forked child."""
    made = threading.RLock()
    _guards.add(made)
    return made


def forgets(subject: Forgetful) -> None:
    """Call `subject.after_fork()` in each forked child, as long as it lives."""
    _forgetful.add(subject)


def begin_child() -> None:
    """Open all guards, then let all forget. Runs in a forked child by itself.

    `_at_fork_reinit` is how the standard library opens its own locks in a child; a new lock in the old one's place would
    not reach those that already hold a reference.
    """
    for one in list(_guards):
        one._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001 - see the docstring
    for subject in list(_forgetful):
        subject.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(after_in_child=begin_child)
