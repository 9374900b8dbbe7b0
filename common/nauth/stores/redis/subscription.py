"""`Watch`: one subscription for everybody in an event loop who waits for, or listens to, changes in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextvars import Context
from typing import Any

from nauth.stores.redis.executor import Engine
from nauth.stores.redis.scripts import LOAD, PEEK, loaded, peeked
from nauth.stores.redis.subscribers import Subscribers

__all__ = ["Watch"]

_POLL_S = 0.1
"""Average pause between two looks while there is no subscription."""
_SAFETY_S = 1.0
"""The same while there is one: a message may be lost without the connection breaking."""
_CANCEL_S = 0.1
"""When to cancel the reader again: on Python 3.11 a client that has a `socket_timeout` may lose a cancellation."""
_FIRST_RETRY_S, _LAST_RETRY_S = 0.05, 5.0


class Watch:
    """Hear of changes by one subscription, begun when it is first needed; look now and then while there is none.

    A message names a key and says what happened to it; it carries no token. The reader loads the record and hands it
    to the subscribers. After a broken connection everything counts as perhaps changed.

    Args:
        engine: what the subscription and the looks go through.
        subscribers: who listens, in all event loops; one watch among those of a store serves them.
    """

    def __init__(self, engine: Engine, subscribers: Subscribers) -> None:
        self._engine = engine
        self._subscribers = subscribers
        self._waiters: dict[str, set[asyncio.Future[bool]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._up = False
        self._telling = False

    def serve(self) -> None:
        """Tell the subscribers from now on."""
        if not self._telling:
            self._telling = True
            self._start()
            if self._up:
                self._engine.own(self._catch_up())

    async def stop(self) -> None:
        """End the subscription."""
        self._telling = False
        while self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=_CANCEL_S)

    async def changed(self, digest: str, timeout_s: float) -> None:
        """Return when the record or the lease of `digest` changes, or nobody holds the lease; or after `timeout_s`.

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
                seen = await self._engine.ask(PEEK, digest, read=peeked)
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
        """Note that the subscription began or ended; whoever waits looks for himself and waits accordingly."""
        self._up = up
        for digest in self._waiters:
            self._wake(digest, changed=False)

    # --- the reader's task ---------------------------------------------------------------------------

    def _start(self) -> None:
        # cluster clients before redis-py 8 have no `pubsub`
        if self._reader is None and hasattr(self._engine.client, "pubsub"):
            loop = asyncio.get_running_loop()
            self._reader = Context().run(loop.create_task, self._read(), name="nauth redis subscription")

    async def _read(self) -> None:
        pause = 0.0
        while True:
            _end_if_cancelled()
            await asyncio.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311 - spreads load, guards nothing
            with contextlib.suppress(Exception):  # what ails the server, those who ask it are told
                await self._listen()
            pause = _FIRST_RETRY_S if self._up else min(max(2 * pause, _FIRST_RETRY_S), _LAST_RETRY_S)
            self._turn(up=False)

    async def _listen(self) -> None:
        timeout_s = self._engine.timeout_s
        client: Any = self._engine.client
        pubsub = client.pubsub()
        try:
            async with asyncio.timeout(timeout_s):
                await pubsub.subscribe(self._engine.channel)
            while True:
                _end_if_cancelled()
                message = await self._next(pubsub)
                if message is None:
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
        timeout_s = self._engine.timeout_s
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
            await self._sync()
        elif message["type"] == "message":
            data = message["data"]
            what, _, digest = (data.decode() if isinstance(data, bytes) else data).partition(" ")
            self._wake(digest, changed=True)
            if what != "released" and self._telling and self._subscribers.want(digest):
                await self._relay(digest, gone=what == "discarded")

    async def _catch_up(self) -> None:
        with contextlib.suppress(Exception):  # the reader meets the same trouble and begins anew
            await self._sync()

    async def _sync(self) -> None:
        for digest in self._subscribers.digests() if self._telling else ():
            found = await self._engine.ask(LOAD, digest, read=loaded)
            # no record is no news: Redis may have lost it, and the token is as good as before
            if found is not None:
                self._subscribers.found(digest, found)

    async def _relay(self, digest: str, *, gone: bool) -> None:
        while True:
            commits = self._subscribers.commits
            found = await self._engine.ask(LOAD, digest, read=loaded)
            # a commit of our own that was answered meanwhile must not be forgotten again
            if found is not None or commits == self._subscribers.commits:
                break
        if found is not None:
            self._subscribers.tell(digest, found.record)
        elif gone:
            self._subscribers.tell(digest, None)


def _end_if_cancelled() -> None:
    """Raise the cancellation of this task again, if the exception was lost on its way."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Take note of the exception of a read that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
