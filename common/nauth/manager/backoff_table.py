"""What has gone wrong with a credential, shared by all clients that this process has for it.

A client opened for each request would otherwise make a call of its own to a vendor that has just refused the credential:
a locked account, a rate limit used up.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import TypeAlias

from nauth.clock import Clock, SystemClock
from nauth.manager.backoff import BackoffState
from nauth.manager.one_guard import GUARD
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy

__all__ = ["find_shared", "shared_backoff"]

_MOST = 1_024
_KEPT_S = 600.0
"""So many, and for so long at most, are kept though no client is left: the next client of a refused credential must
find the cool-down. What is older goes when another one is looked up; there is no timer."""

_Key: TypeAlias = tuple[StoreKey, object, RenewalPolicy]

_tables: weakref.WeakKeyDictionary[TokenStore, weakref.WeakValueDictionary[_Key, BackoffState]] = (
    weakref.WeakKeyDictionary()
)
_recent: OrderedDict[int, tuple[BackoffState, float]] = OrderedDict()


def find_shared(store: TokenStore, key: StoreKey, clock: Clock, policy: RenewalPolicy) -> BackoffState | None:
    """Return the `BackoffState` of a credential as `shared_backoff` does; None if there is none yet."""
    if not _tables:
        return None  # nothing has gone wrong yet in this process
    with GUARD:
        try:
            table = _tables.get(store)
            found = None if not table else table.get(_key(key, clock, policy))
        except TypeError:
            return None
        return None if found is None else _kept(found)


def shared_backoff(store: TokenStore, key: StoreKey, clock: Clock, policy: RenewalPolicy) -> BackoffState:
    """Return the one `BackoffState` of a store object, a credential, a clock and a policy.

    All the machine's clocks count as one. A store or a clock that cannot be hashed or referenced weakly has none to
    share: each client then goes by its own.
    """
    with GUARD:
        try:
            table = _tables.setdefault(store, weakref.WeakValueDictionary())
            which = _key(key, clock, policy)
            found = table.get(which)
        except TypeError:
            return BackoffState(policy)
        if found is None:
            found = table[which] = BackoffState(policy)
        return _kept(found)


def _key(key: StoreKey, clock: Clock, policy: RenewalPolicy) -> _Key:
    return key, SystemClock if isinstance(clock, SystemClock) else weakref.ref(clock), policy


def _kept(found: BackoffState) -> BackoffState:
    now = SystemClock.monotonic()
    _recent[id(found)] = (found, now)
    _recent.move_to_end(id(found))
    while _recent and (len(_recent) > _MOST or next(iter(_recent.values()))[1] < now - _KEPT_S):
        _recent.popitem(last=False)
    return found
