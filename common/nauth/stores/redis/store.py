"""`RedisStore`: one token for many machines, in Redis or Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import secrets
import warnings
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Self, cast

import attrs

from nauth.after_fork import forgets
from nauth.clock import SystemClock
from nauth.credential_digest import identity_digest
from nauth.errors import ConfigurationError, LeaseLostError, StoreError
from nauth.loop_ref import LoopRef, this_loop
from nauth.secret import Secret
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.stores.codec import REFRESH_LIFETIME, checked_lifetime, encode_token, lifetime_kept
from nauth.stores.listeners import Listeners
from nauth.stores.record_info import RecordInfo
from nauth.stores.redis.client_factory import source
from nauth.stores.redis.executor import ScriptExecutor
from nauth.stores.redis.loop_state import LoopStates
from nauth.stores.redis.scripts import (
    COMMIT,
    DESCRIBE,
    DISCARD,
    EXTEND,
    LEASE,
    LOAD,
    RELEASE,
    allowed,
    described,
    discarded,
    loaded,
    stamped,
)
from nauth.token import Token

__all__ = ["RedisLease", "RedisStore"]

_monotonic = SystemClock.monotonic

_TIMEOUT = timedelta(seconds=4)
"""Below `nauth.manager.store_access.STORE_DEADLINE`, so that the error that reaches the user is the one that knows the reason."""

_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_DESCRIBED_AT_ONCE = 500
"""Records that `RedisStore.records` asks for at once: a token is long, and only its description is kept."""

_FEW_LEASES = 64

_LEAST_KEPT = timedelta(seconds=1)
"""How long a record is kept whose token was dead on arrival."""


@attrs.define(eq=False)
class RedisLease:
    """A lease of a `RedisStore`.

    Attributes:
        key: what may be renewed.
        owner: a random name, which the server compares.
        ends_at: when it is over at the latest, in monotonic seconds, counted from before it was asked for.
        spent: whether a commit has given it back, so that there is nothing to release.
        committing: whether a commit was sent, which may yet arrive.
        loop: the event loop that it was taken in.
    """

    key: StoreKey
    owner: str = attrs.field(repr=False)
    ends_at: float
    spent: bool = False
    committing: bool = False
    loop: LoopRef = attrs.field(factory=this_loop, repr=False)

    @property
    def remaining(self) -> timedelta:
        """How long it still holds."""
        return timedelta(seconds=self.ends_at - _monotonic())


class RedisStore:
    """Share tokens between processes and machines, through Redis 7.0 or later, or Valkey.

    * Every operation is one round trip: an atomic Lua script that uses the server's clock.
    * One Pub/Sub subscription for each process and event loop tells of changes. While it is down, waiting
      callers look every 100 ms or so, and what was missed is caught up with afterwards.
    * Every operation has a deadline. An operation whose connection breaks is sent once more; the scripts recognise
      their own repetition. Nothing has to be restarted when the server has been away.
    * Cancelling a caller costs no connection and leaves no lease behind.
    * Each event loop has a client of its own, closed by `aclose`, or when its loop is shut down.

    Records leave when they expire, those with a refresh token when that one may have expired. A record that Redis evicts
    or loses is one that was never there: the next renewal writes it anew.

    Args:
        url_or_client: ``redis://``, ``rediss://`` or ``unix://``, as text or a `Secret`; a client of ``redis.asyncio``, from Sentinel's
            ``master_for`` or a ``RedisCluster`` too; or a function that makes one. A client is never closed here, works
            in one event loop only, and is trusted to be as safe as you made it. Those that a function makes are closed.
        prefix: begins all keys and the channel; programs that share tokens share it.
        timeout: the deadline of one operation, a repetition included.
        allow_plaintext: whether a ``redis://`` URL may lead away from this machine, showing the tokens on the way.
        refresh_lifetime: how long a refresh token can be used whose vendor does not say so.

    Raises:
        ConfigurationError: redis-py is missing (``pip install nauth[redis]``), or an argument is unusable or unsafe.
    """

    persistent = True
    queues = True
    """See `TokenStore`."""

    def __init__(
        self,
        url_or_client: object,
        *,
        prefix: str = "nauth",
        timeout: timedelta = _TIMEOUT,
        allow_plaintext: bool = False,
        refresh_lifetime: timedelta = REFRESH_LIFETIME,
    ) -> None:
        if not prefix or not prefix.isprintable() or set(prefix) & set(" {}"):
            raise ConfigurationError("RedisStore(prefix=...) must be a name without spaces and braces")
        if timeout <= timedelta(0):
            raise ConfigurationError(f"RedisStore(timeout=...) must be more than zero, got {timeout}")
        self._refresh_lifetime = checked_lifetime(refresh_lifetime, "RedisStore")
        # an error tracker prints the locals of every frame an error passes through
        given = Secret(url_or_client) if isinstance(url_or_client, str) else url_or_client
        del url_or_client
        origin = source(given, timeout_s=timeout.total_seconds(), allow_plaintext=allow_plaintext)
        self._shown = f"{origin.shown}, prefix {prefix!r}"
        self._out: set[RedisLease] = set()
        self._loops: dict[int, LoopRef] = {}  # those that leases were taken in
        self._many_out = _FEW_LEASES
        forgets(self)
        self._states = LoopStates(origin, prefix=prefix, timeout_s=timeout.total_seconds())

    def __repr__(self) -> str:
        return f"<RedisStore: {self._shown}, {len(self._states)} event loops>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        states: LoopStates | None = getattr(self, "_states", None)
        if states is not None and states.abandon():
            warnings.warn(
                f"unclosed {self!r}: await its aclose()", ResourceWarning, source=self, stacklevel=1
            )

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None.

        Raises:
            StoreError: Redis failed, or the record is not one of nauth's.
        """
        found = await self._states.here().executor.ask(LOAD, _digest(key), read=loaded)
        return None if found is None else found.record

    async def records(self) -> AsyncIterator[RecordInfo]:
        """Yield a description of each record under this prefix. Takes no lease and writes nothing.

        Records that an earlier release of nauth has written are left out: they do not say whose they are.

        Raises:
            StoreError: Redis failed, or a record is not one of nauth's.
        """
        executor = self._states.here().executor
        digests = [digest async for digest in executor.digests()]
        for first in range(0, len(digests), _DESCRIBED_AT_ONCE):
            some = digests[first : first + _DESCRIBED_AT_ONCE]
            for found in await executor.ask_all(DESCRIBE, some, read=described):
                if isinstance(found, StoreError):
                    raise found
                if found is not None:  # else it has left since it was listed
                    yield found

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key`, or return None if another client holds it.

        Raises:
            StoreError: Redis failed. A lease that it may have granted is given back, or ends by itself.
        """
        executor = self._states.here().executor
        await self._release_gone(executor)
        asked = RedisLease(key, secrets.token_hex(16), _monotonic() + ttl.total_seconds())
        self._put_out(asked)  # before it is asked for: its loop may be closed before the answer comes
        sent_s = await executor.claim(LEASE, _digest(key), asked.owner, _ms(ttl))
        if sent_s is None:
            self._out.discard(asked)
            return None
        asked.ends_at = sent_s + ttl.total_seconds()
        return asked

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Let a lease that is still ours hold for `ttl` from now.

        Raises:
            LeaseLostError: it is over, or another client holds it.
            StoreError: Redis failed.
        """
        executor, old = self._states.here().executor, cast("RedisLease", lease)
        longer = RedisLease(lease.key, secrets.token_hex(16), _monotonic() + ttl.total_seconds())
        self._put_out(longer)
        sent_s = await executor.claim(EXTEND, _digest(lease.key), longer.owner, _ms(ttl), old.owner)
        self._out.discard(old)
        if sent_s is None:
            raise LeaseLostError("the lease ended before it could be extended")
        longer.ends_at = sent_s + ttl.total_seconds()
        return longer

    async def release(self, lease: Lease) -> None:
        """Give the lease back if it is still ours.

        Raises:
            StoreError: Redis failed; the lease ends by itself.
        """
        ours = cast("RedisLease", lease)
        self._out.discard(ours)
        if not ours.spent:
            await self._states.here().executor.ask(RELEASE, _digest(lease.key), ours.owner, read=allowed)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, release the lease and tell the others.

        Raises:
            LeaseLostError: the lease is over or the record has changed. Nothing was written.
            StoreError: Redis failed; the token may be stored or not.
        """
        lifetime, asked_s = lifetime_kept(token, self._refresh_lifetime), _monotonic() - age.total_seconds()

        # the token ages while the commit waits for its turn
        def old() -> timedelta:
            return timedelta(seconds=_monotonic() - asked_s)

        ours = cast("RedisLease", lease)
        ours.committing = True
        outcome = await self._states.here().executor.ask(
            COMMIT,
            _digest(lease.key),
            ours.owner,
            secrets.token_hex(16),
            expected_version,
            lambda: old() // _MICROSECOND,
            lambda: _ms(max(lifetime - old(), _LEAST_KEPT)),
            _access_digest(token),
            json.dumps([lease.key.vendor, lease.key.base_url, lease.key.identity]),
            Secret(encode_token(token)),
            read=stamped,
        )
        self._out.discard(ours)
        if outcome == "lease":
            raise LeaseLostError("the lease ended before the new token was stored")
        if isinstance(outcome, str):
            raise LeaseLostError("another client stored a token meanwhile")
        ours.spent = True
        self._states.subscribers.commits += 1
        version, told_age = outcome
        return Record(token=token, version=version, age=told_age)

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; say whether it did.

        Raises:
            StoreError: Redis failed; the record may be there or not.
        """
        executor = self._states.here().executor
        return await executor.ask(DISCARD, _digest(key), _access_digest(token), read=discarded)

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        """Return when `key` changed or its lease is free, at the latest after `timeout`.

        Raises:
            StoreError: Redis failed.
        """
        await self._states.here().subscription.changed(_digest(key), timeout.total_seconds())

    def _put_out(self, lease: RedisLease) -> None:
        self._loops.setdefault(lease.loop.number, lease.loop)
        self._out.add(lease)

    async def _release_gone(self, executor: ScriptExecutor) -> None:
        """Give back what closed event loops of this process hold: they run no code any more.

        But for a lease under which a commit was sent, which may yet arrive: that one ends by itself.
        """
        # loops are few, and leases may be thousands: they are looked through when a loop has ended, and when there are
        # twice as many as were left the last time
        ended = [number for number, loop in list(self._loops.items()) if loop.gone]
        if not ended and len(self._out) < self._many_out:
            return
        for lease in [one for one in list(self._out) if one.loop.gone or one.remaining <= timedelta(0)]:
            self._out.discard(lease)
            if lease.loop.gone and not lease.committing:
                await executor.ask(RELEASE, _digest(lease.key), lease.owner, read=allowed)
        self._many_out = max(_FEW_LEASES, 2 * len(self._out))
        for number in ended:
            self._loops.pop(number, None)

    def after_fork(self) -> None:
        """Forget the parent's leases: they are the parent's to give back."""
        self._out.clear()
        self._loops.clear()

    def on_reconnect(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` after the subscription was interrupted, or when records were found to be gone: see `Reconnecting`."""
        return self._subscribe(key, listener, self._states.subscribers.reconnected)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change of `key`, in the thread of one of the store's event loops.

        May be called outside of a loop: the subscription begins when a loop uses the store. A change that happens
        while Redis cannot be reached is told later, the last one only, and not if it was a discard.
        """
        return self._subscribe(key, listener, self._states.subscribers.changed)

    def _subscribe(self, key: StoreKey, listener: Listener, listeners: Listeners) -> Unsubscribe:
        unsubscribe = self._states.subscribers.add(key, _digest(key), listener, listeners)
        # a client that does not belong to this loop is for the next operation to complain about
        with contextlib.suppress(ConfigurationError, RuntimeError):
            asyncio.get_running_loop()
            self._states.here()
        return unsubscribe

    async def aclose(self) -> None:
        """End the running loop's subscription and close its client, if it is the store's. Used again, it reconnects."""
        await self._states.aclose()


def _ms(duration: timedelta) -> int:
    return max(math.ceil(duration / _MILLISECOND), 1)


def _digest(key: StoreKey) -> str:
    return identity_digest(key.vendor, key.base_url, key.identity)


def _access_digest(token: Token) -> str:
    """Return what the server compares, so that it need not understand records."""
    return hashlib.sha256(token.access_token.reveal().encode("utf-8", "surrogatepass")).hexdigest()
