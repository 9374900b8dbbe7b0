"""`Subscription`: one Pub/Sub subscription for each event loop, and `Subscribers`: the listeners of a store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from contextvars import Context
from typing import Any

import attrs

from nauth.after_fork import guard
from nauth.clock import SystemClock
from nauth.errors import StoreError
from nauth.stores.base import Listener, Record, StoreKey, Unsubscribe
from nauth.stores.listeners import Listeners
from nauth.stores.redis.executor import ScriptExecutor
from nauth.stores.redis.scripts import LOAD, PEEK, Loaded, loaded, peeked

__all__ = ["Subscribers", "Subscription"]

_log = logging.getLogger("nauth")

_monotonic = SystemClock.monotonic

_POLL_S = 0.1
"""Average pause between two looks while there is no subscription."""
_SAFETY_S = 1.0
"""The same while there is one: a message may be lost without the connection breaking."""
_CANCEL_S = 0.1
"""When to cancel the reader again: on Python 3.11 a client that has a `socket_timeout` may lose a cancellation."""
_TRIES = 3
"""How often records that a message named are read if reading fails."""
_SAMPLE = 16
"""How many records are looked at while the subscription is quiet."""
_PORTION = 512
"""Most records that are asked for at once."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.05, 5.0


@attrs.define
class _Topic:
    key: StoreKey
    since_s: float
    heard: int | None = None  # version of the last record told or known


class Subscribers:
    """The listeners of a store, by the digest that messages name. Safe across threads.

    Attributes:
        changed: those who want to know of each change.
        reconnected: those who want to know what is there when data may have been lost.
        commits: how often this store has committed; a reader that found no record can tell whether one was stored meanwhile.
    """

    def __init__(self) -> None:
        self.commits = 0
        self._guard = guard()
        self.changed: Listeners = Listeners()
        self.reconnected: Listeners = Listeners()
        self._topics: dict[str, _Topic] = {}

    def __bool__(self) -> bool:
        return bool(self.changed or self.reconnected)

    def add(self, key: StoreKey, digest: str, listener: Listener, listeners: Listeners) -> Unsubscribe:
        """Add `listener` to `listeners`, one of this object's, for what happens to `key` from now on."""
        with self._guard:
            if not self._wanted(key):
                self._topics[digest] = _Topic(key, _monotonic())
            return listeners.add(key, listener)

    def want(self, digest: str) -> bool:
        """Tell whether `digest` has a listener."""
        topic = self._topics.get(digest)
        return topic is not None and self._wanted(topic.key)

    def digests(self) -> list[str]:
        """Return what is listened to."""
        with self._guard:
            for digest in [digest for digest in self._topics if not self.want(digest)]:
                del self._topics[digest]
            return list(self._topics)

    def found(self, digest: str, loaded: Loaded) -> None:
        """Tell of a record that was found when messages may have been missed, if it is news."""
        topic = self._topics.get(digest)
        if topic is None:
            return
        if topic.heard is None and loaded.since.total_seconds() > _monotonic() - topic.since_s:
            topic.heard = loaded.record.version  # older than the subscription
        self.tell(digest, loaded.record)

    def sample(self) -> dict[str, int]:
        """Return some digests, picked by chance, whose records should be there, with their versions."""
        known = [
            (digest, topic.heard) for digest, topic in list(self._topics.items()) if topic.heard is not None
        ]
        return dict(random.sample(known, min(_SAMPLE, len(known))))

    def tell_found(self, digest: str, record: Record | None) -> None:
        """Tell what is there, or that nothing is, when data may have been lost."""
        topic = self._topics.get(digest)
        if topic is not None:
            topic.heard = None if record is None else record.version
            self._tell(self.reconnected, topic.key, record)

    def tell(self, digest: str, record: Record | None) -> None:
        """Tell of a new record, once, or of a discard."""
        topic = self._topics.get(digest)
        if topic is None or (record is not None and record.version == topic.heard):
            return
        topic.heard = None if record is None else record.version
        self._tell(self.changed, topic.key, record)

    def _wanted(self, key: StoreKey) -> bool:
        return key in self.changed or key in self.reconnected

    def _tell(self, listeners: Listeners, key: StoreKey, record: Record | None) -> None:
        try:
            listeners.tell(key, record)
        except Exception as error:  # noqa: BLE001 - a listener's bug must not end the subscription of all others
            _log.warning("a listener to the token store failed: %s", type(error).__name__)


class Subscription:
    """Hear of changes by one subscription, begun when it is first needed; look now and then while there is none.

    A message names a key and says what happened to it; it carries no token. The reader loads the record and hands it
    to the subscribers. After a broken connection everything counts as perhaps changed.

    Args:
        executor: what the subscription and the looks go through.
        subscribers: who listens, in all event loops; one subscription among those of a store serves them.
    """

    def __init__(self, executor: ScriptExecutor, subscribers: Subscribers) -> None:
        self._executor = executor
        self._subscribers = subscribers
        self._waiters: dict[str, set[asyncio.Future[bool]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._up = False
        self._was_up = False
        self._active = False
        self._news: dict[str, bool] = {}  # digests of which a message told, and whether it told of a discard
        self._telling: asyncio.Task[None] | None = None

    def serve(self) -> None:
        """Tell the subscribers from now on."""
        if not self._active:
            self._active = True
            self._start()
            if self._up:
                self._executor.own(self._catch_up())

    async def stop(self) -> None:
        """End the subscription."""
        self._active = False
        if self._telling is not None:
            self._telling.cancel()
        while self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=_CANCEL_S)

    async def changed(self, digest: str, timeout_s: float) -> None:
        """Return when the record or the lease of `digest` changes, or the lease is free; at the latest after `timeout_s`.

        Raises:
            StoreError: the store cannot be asked.
        """
        self._start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wait(digest)

    async def _wait(self, digest: str) -> None:
        version: str | None = None
        while True:
            waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(digest, set()).add(waiter)
            try:
                # only now that a message would be noticed
                seen = await self._executor.ask(PEEK, digest, read=peeked)
                version = seen.version if version is None else version
                if not seen.lease_s or seen.version != version:
                    return
                pause = random.uniform(0.5, 1.5) * (_SAFETY_S if self._up else _POLL_S)  # noqa: S311 - spreads load
                # one whose holder has died ends without a message
                await asyncio.wait([waiter], timeout=min(pause, seen.lease_s))
                if waiter.done() and waiter.result():
                    return
            finally:
                self._leave(digest, waiter)

    def _leave(self, digest: str, waiter: asyncio.Future[bool]) -> None:
        waiters = self._waiters[digest]
        waiters.discard(waiter)
        if not waiters:
            del self._waiters[digest]

    def _wake(self, digest: str, *, changed: bool) -> None:
        for waiter in self._waiters.get(digest, ()):
            if not waiter.done():
                waiter.set_result(changed)

    def _turn(self, *, up: bool) -> None:
        """Note that the subscription began or ended; wakes all waiters, which look again and choose their polling interval."""
        self._up = up
        for digest in self._waiters:
            self._wake(digest, changed=False)

    # --- the reader's task ---------------------------------------------------------------------------

    def _start(self) -> None:
        # cluster clients before redis-py 8 have no `pubsub`
        if self._reader is None and hasattr(self._executor.client, "pubsub"):
            loop = asyncio.get_running_loop()
            self._reader = Context().run(loop.create_task, self._read(), name="nauth redis subscription")

    async def _read(self) -> None:
        pause = 0.0
        while True:
            _end_if_cancelled()
            await asyncio.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311 - spreads load, guards nothing
            with contextlib.suppress(
                Exception
            ):  # the callers that ask the server are told what is wrong with it
                await self._listen()
            pause = _FIRST_RETRY_S if self._up else min(max(2 * pause, _FIRST_RETRY_S), _LAST_RETRY_S)
            self._turn(up=False)

    async def _listen(self) -> None:
        timeout_s = self._executor.timeout_s
        client: Any = self._executor.client
        pubsub = client.pubsub()
        try:
            async with asyncio.timeout(timeout_s):
                await self._executor.prepare()
                await pubsub.subscribe(self._executor.channel)
            while True:
                _end_if_cancelled()
                message = await self._next(pubsub)
                if message is None:
                    await self._check()
                    async with asyncio.timeout(timeout_s):
                        await pubsub.ping()
                    message = await self._next(pubsub)
                if message is None:
                    raise TimeoutError
                await self._hear(message)
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(timeout_s):
                    await pubsub.aclose()

    async def _next(self, pubsub: Any) -> dict[str, Any] | None:
        timeout_s = self._executor.timeout_s
        reading = asyncio.create_task(pubsub.get_message(timeout=timeout_s))
        reading.add_done_callback(_retrieve)
        try:
            # redis-py may repeat a broken connection's read for longer than it was told
            await asyncio.wait([reading], timeout=2 * timeout_s)
        finally:
            reading.cancel()
        if not reading.done():
            raise TimeoutError
        message: dict[str, Any] | None = reading.result()
        return message

    async def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":  # also after redis-py has reconnected by itself
            self._turn(up=True)
            await self._sync(again=self._was_up)
            self._was_up = True
        elif message["type"] == "message":
            data = message["data"]
            what, _, digest = (data.decode() if isinstance(data, bytes) else data).partition(" ")
            self._wake(digest, changed=True)
            if what != "released" and self._active and self._subscribers.want(digest):
                self._news[digest] = what == "discarded" or self._news.get(digest, False)
                if self._telling is None or self._telling.done():
                    self._telling = self._executor.own(self._tell())

    async def _catch_up(self) -> None:
        with contextlib.suppress(Exception):  # the reader meets the same trouble and begins anew
            await self._sync()

    async def _sync(self, *, again: bool = False) -> None:
        """Catch up with what was missed; after an interruption data may have been lost as well."""
        digests = self._subscribers.digests() if self._active else []
        for some in _portions(digests):
            for digest, found in zip(some, await self._load(some), strict=True):
                # no record is no discard: Redis may have lost it, and the token is as good as before
                if isinstance(found, Loaded):
                    self._subscribers.found(digest, found)
                if again and not isinstance(found, StoreError):
                    self._subscribers.tell_found(digest, None if found is None else found.record)

    async def _check(self) -> None:
        """Look whether records are gone, as those of a server that was emptied are: that breaks no connection."""
        sample = self._subscribers.sample() if self._active else {}
        lost: dict[str, Record | None] = {}
        for digest, found in zip(sample, await self._load(list(sample)), strict=True):
            if found is None or (isinstance(found, Loaded) and found.record.version < sample[digest]):
                lost[digest] = None if found is None else found.record
        if lost and len(lost) == len(sample):
            await self._sync(again=True)
        else:  # some have expired
            for digest, record in lost.items():
                self._subscribers.tell_found(digest, record)

    # --- the task that reads what the messages told of; meanwhile the reader hears more ---------------

    async def _tell(self) -> None:
        tries = 0
        while self._active and self._news:
            some = _portions(list(self._news))[0]
            news = {digest: self._news.pop(digest) for digest in some}
            commits = self._subscribers.commits
            again: list[str] = []
            failed: list[str] = []
            for digest, found in zip(some, await self._load(some), strict=True):
                if isinstance(found, Loaded):
                    self._subscribers.tell(digest, found.record)
                elif isinstance(found, StoreError):
                    failed.append(digest)
                elif commits != self._subscribers.commits:
                    # a commit of our own that was answered meanwhile must not be forgotten again
                    again.append(digest)
                elif news[digest]:
                    self._subscribers.tell(digest, None)
            tries = tries + 1 if failed else 0
            if (
                0 < tries < _TRIES
            ):  # else the record cannot be read, or the subscription finds the server's trouble, too
                again += failed
                await asyncio.sleep(random.uniform(0.5, 1.5) * _SAFETY_S)  # noqa: S311 - spreads load, guards nothing
            for digest in again:
                self._news[digest] = news[digest] or self._news.get(digest, False)

    async def _load(self, digests: list[str]) -> list[Loaded | StoreError | None]:
        if not digests:
            return []
        return await self._executor.ask_all(LOAD, digests, read=loaded)


def _portions(digests: list[str]) -> list[list[str]]:
    """Split `digests`, so that other calls get their turn between two portions."""
    return [digests[start : start + _PORTION] for start in range(0, len(digests), _PORTION)]


def _end_if_cancelled() -> None:
    """Raise the cancellation of this task again, if the exception was lost on its way."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Take note of the exception of a read that was given up, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
