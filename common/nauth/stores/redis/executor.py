"""`Engine`: one Redis client put to work: scripts with a deadline, in tasks that no caller can interrupt."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from nauth.errors import StoreError
from nauth.secret import Secret
from nauth.stores.codec import unreadable
from nauth.stores.redis.clients import RedisClient
from nauth.stores.redis.errors import connection_lost, explained
from nauth.stores.redis.scripts import RELEASE, Script, allowed
from nauth.tasks import hidden

__all__ = ["Engine", "Reader"]

_T = TypeVar("_T")

Reader = Callable[[Any, bool], _T]
"""Makes sense of an answer; told whether it is the answer to a repetition."""

_PAUSE_S = 0.02
"""Average pause before the one repetition after a broken connection: many clients lose theirs at the same moment."""

_AT_ONCE = 16
"""Most scripts under way, and so most connections but for the subscription's: a herd of keys must not open a herd."""


class Engine:
    """Run scripts on one client, inside its event loop.

    Each runs in a task of its own: a cancelled caller costs no connection, and what was sent comes to an end. After
    a broken connection it is sent once more; the scripts are made for that. redis-py's own repetitions, where a
    client of the user's has them, are as harmless, and all of it has one deadline.

    Args:
        client: whose connections are used.
        prefix: begins every key and the channel.
        timeout_s: the deadline.
    """

    def __init__(self, client: RedisClient, *, prefix: str, timeout_s: float) -> None:
        self.client: RedisClient = client
        self.channel: str = f"{prefix}:changes"
        self.timeout_s = timeout_s
        self._prefix = prefix
        self._tasks: set[asyncio.Task[Any]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, script: Script, digest: str, *args: str | int | Secret, read: Reader[_T]) -> _T:
        """Run `script` on the keys of `digest` and return what `read` makes of the answer.

        Raises:
            StoreError: there was no answer, or none that makes sense.
        """
        task = self.own(self._exchange(script, digest, args, read))
        await asyncio.wait([task])
        outcome = task.result()
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def claim(self, script: Script, digest: str, owner: str, *args: str | int) -> bool:
        """Run `script`, which gives the lease to `owner`, and say whether it did.

        Where nobody learns of it, because the caller was cancelled or the answer was lost, it is given back.

        Raises:
            StoreError: as for `ask`.
        """
        task = self.own(self._exchange(script, digest, (owner, *args), allowed))
        known = False
        try:
            await asyncio.wait([task])
            outcome = task.result()
            known = isinstance(outcome, bool)
        finally:
            if not known:
                self.own(self._give_back(task, digest, owner))
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    def own(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run `work` to its end, whatever becomes of the caller, and where a program cancels all tasks: see `drain`."""
        task = hidden(asyncio.create_task(work, name="nauth redis"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait until what was sent is answered, at most for the deadline."""
        try:
            async with asyncio.timeout(self.timeout_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    async def _give_back(self, task: asyncio.Task[bool | StoreError], digest: str, owner: str) -> None:
        await asyncio.wait([task])
        if task.cancelled() or task.result() is not False:
            await self._exchange(RELEASE, digest, (owner,), allowed)

    async def _exchange(
        self, script: Script, digest: str, args: tuple[str | int | Secret, ...], read: Reader[_T]
    ) -> _T | StoreError:
        """Return the outcome, an error as well: these frames, and redis-py's, hold what was sent and received."""
        repeated = False
        try:
            async with asyncio.timeout(self.timeout_s), self._slots:
                while True:
                    try:
                        return _read(await self._send(script, digest, args), repeated, read)
                    except Exception as error:
                        if repeated or not connection_lost(error):
                            raise
                    repeated = True
                    await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE_S)  # noqa: S311 - spreads load, guards nothing
        except Exception as error:  # noqa: BLE001 - whatever a client of others' making raises, the store has failed
            return explained(error, timeout_s=self.timeout_s)

    async def _send(self, script: Script, digest: str, args: tuple[str | int | Secret, ...]) -> Any:
        # the braces keep all keys of one token on one node of a cluster
        keys = (f"{self._prefix}:{{{digest}}}:token", f"{self._prefix}:{{{digest}}}:lease")
        sent = (len(keys), *keys, self.channel, digest)
        try:
            return await self.client.execute_command("EVALSHA", script.sha, *sent, *map(_opened, args))
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
        # a server that was restarted, or another node; EVAL also teaches it the script
        return await self.client.execute_command("EVAL", script.text, *sent, *map(_opened, args))


def _read(answer: Any, repeated: bool, read: Reader[_T]) -> _T | StoreError:
    try:
        return read(answer, repeated)
    except (StoreError, ValueError, TypeError, LookupError, OverflowError):
        return unreadable()


def _opened(value: str | int | Secret) -> str | int:
    return value.reveal() if isinstance(value, Secret) else value
