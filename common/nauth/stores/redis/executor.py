"""`ScriptExecutor`: runs scripts on one Redis client: pipelined, with a deadline, in tasks that no caller can interrupt."""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import attrs

from nauth.clock import SystemClock
from nauth.errors import StoreError
from nauth.owned_tasks import hidden
from nauth.secret import Secret
from nauth.stores.codec import unreadable
from nauth.stores.redis.client_factory import RedisClient
from nauth.stores.redis.errors import connection_lost, explained, silent
from nauth.stores.redis.scripts import RELEASE, Script, allowed

__all__ = ["Argument", "Reader", "ScriptExecutor"]

_T = TypeVar("_T")

Reader: TypeAlias = Callable[[Any, bool], _T]
"""Makes sense of an answer; told whether it is the answer to a repetition."""

Argument: TypeAlias = str | int | Secret | Callable[[], int]
"""Of a script; a function is called when the script is sent."""

_PAUSE_S = 0.02
"""Average pause before the one repetition after a broken connection: many clients lose theirs at the same moment."""

_AT_ONCE = 16
"""Most exchanges under way, and so most connections but for the subscription's: many keys must not open as many."""

_ROUNDS = 80
"""How often the event loop must have been round before a deadline is over. A new connection needs a dozen rounds."""

_BATCH = 64
"""Most calls in one exchange."""

_SCANNED = 500
"""Keys that the server looks at for one step of a scan."""

_ESCAPED = re.compile(r"[*?\[\]\\^-]")
"""What means something else in a pattern."""

_monotonic = SystemClock.monotonic


@attrs.define(eq=False)
class _Call:
    """One run of a script, and what came of it: never an exception, for its frames hold what was sent and received."""

    script: Script
    digest: str
    args: tuple[Argument, ...]
    read: Reader[Any]
    outcome: asyncio.Future[Any]
    sent_s: float | None = None

    def settle(self, outcome: object) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class ScriptExecutor:
    """Run scripts on one client, inside its event loop.

    Calls wait in a queue for one of a few workers. A worker takes as many as wait and sends them in one exchange; the
    exchange's deadline counts from there. Calls that ask for a lease wait behind all others: where thousands of renewals
    begin at once, the first are over before the last begin, and no lease ends while its commit waits. How long a caller waits for its turn is not limited here, but if the
    server does not answer at all for a whole deadline, all waiting callers get that error.

    Workers are tasks of their own: a cancelled caller costs no connection, and what was sent comes to an end. After a
    broken connection it is sent once more; the scripts are made for that. redis-py's own repetitions, where a client of
    the user's has them, are as harmless, and all of it has one deadline.

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
        self._queue: deque[_Call] = deque()
        self._last: deque[_Call] = deque()
        self._workers = 0
        self._answered_s = 0.0

    async def prepare(self) -> None:
        """Let a cluster's client find its nodes; without them redis-py's subscriptions fail."""
        if hasattr(self.client, "nodes_manager"):
            client: Any = self.client
            await client.initialize()  # returns at once if that was done

    async def ask(self, script: Script, digest: str, *args: Argument, read: Reader[_T]) -> _T:
        """Run `script` on the keys of `digest` and return what `read` makes of the answer.

        Raises:
            StoreError: there was no answer, or none that makes sense.
        """
        call = self._enqueue(script, digest, args, read)
        await self._wait(call)
        outcome: _T | StoreError = call.outcome.result()
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def ask_all(
        self, script: Script, digests: Iterable[str], *, read: Reader[_T]
    ) -> list[_T | StoreError]:
        """Run `script` on the keys of each of `digests` and return the outcomes in that order, errors among them."""
        calls = [self._enqueue(script, digest, (), read) for digest in digests]
        await self._wait(*calls)
        return [call.outcome.result() for call in calls]

    async def digests(self) -> AsyncIterator[str]:
        """Yield the digest of each record, of all nodes of a cluster. Reads by ``SCAN``, which blocks no server.

        Raises:
            StoreError: the server has not answered within the deadline, or the client cannot scan.
        """
        begins, ends = f"{self._prefix}:{{", "}:token"
        names = self._scan(f"{_ESCAPED.sub(_escape, begins)}*{ends}")
        seen: set[str] = set()
        while (name := await self._next(names)) is not None:
            if isinstance(name, StoreError):
                raise name
            digest = name.removeprefix(begins).removesuffix(ends)
            if digest not in seen:  # a scan may tell the same name twice
                seen.add(digest)
                yield digest

    async def _scan(self, pattern: str) -> AsyncGenerator[str | bytes]:
        await self.prepare()
        client: Any = self.client
        async for name in client.scan_iter(match=pattern, count=_SCANNED):
            yield name

    async def _next(self, names: AsyncGenerator[str | bytes]) -> str | StoreError | None:
        try:
            async with _Deadline(self.timeout_s):
                name = await anext(names, None)
        except Exception as error:  # noqa: BLE001 - whatever the user's client raises, the store has failed
            return explained(error, timeout_s=self.timeout_s)
        return name.decode() if isinstance(name, bytes) else name

    async def claim(self, script: Script, digest: str, owner: str, *args: str | int) -> float | None:
        """Run `script`, which gives the lease to `owner`.

        Where the caller does not learn of it, being cancelled or because the answer was lost, it is given back.

        Returns:
            When it was sent, in monotonic seconds; None if it was refused.

        Raises:
            StoreError: as for `ask`.
        """
        call = self._enqueue(script, digest, (owner, *args), allowed)
        outcome: bool | StoreError | None = None
        try:
            await self._wait(call)
            outcome = call.outcome.result()
        except GeneratorExit:
            raise  # the loop was closed under this: the store gives the lease back from another loop
        except BaseException:
            if call.sent_s is not None:
                self.own(self._give_back(call, owner))
            raise
        if call.sent_s is not None and not isinstance(outcome, bool):
            self.own(self._give_back(call, owner))
        if isinstance(outcome, StoreError):
            raise outcome
        return call.sent_s if outcome else None

    def own(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run `work` to its end, whatever becomes of the caller, and where a program cancels all tasks: see `drain`."""
        task = hidden(asyncio.create_task(work, name="nauth redis"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait until what was asked is answered, at most for the deadline."""
        try:
            async with asyncio.timeout(self.timeout_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            late = list(self._tasks)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._turn_away(_CLOSED)

    # --- the queue ------------------------------------------------------------------------------------

    def _enqueue(self, script: Script, digest: str, args: tuple[Argument, ...], read: Reader[Any]) -> _Call:
        call = _Call(script, digest, args, read, asyncio.get_running_loop().create_future())
        (self._last if script.last else self._queue).append(call)
        if self._workers < _AT_ONCE:
            self._workers += 1
            # not in the task: one that is cancelled before its first step runs none of its code
            self.own(self._work()).add_done_callback(self._worked)
        return call

    async def _wait(self, *calls: _Call) -> None:
        try:
            await asyncio.wait([call.outcome for call in calls])
        except asyncio.CancelledError:
            for call in calls:
                if call.sent_s is None and not call.script.kept:
                    call.outcome.cancel()  # its turn is skipped
            raise

    def _turn_away(self, why: str) -> None:
        while calls := self._queue or self._last:
            calls.popleft().settle(StoreError(why))

    def _worked(self, _: object) -> None:
        self._workers -= 1

    async def _give_back(self, call: _Call, owner: str) -> None:
        await asyncio.wait([call.outcome])
        if call.outcome.result() is not False:
            released = self._enqueue(RELEASE, call.digest, (owner,), allowed)
            await asyncio.wait([released.outcome])

    # --- the workers ----------------------------------------------------------------------------------

    async def _work(self) -> None:
        while calls := self._take():
            collected = False
            try:
                await self._exchange(calls)
            except GeneratorExit:
                collected = True  # the loop was closed under this: no caller can be woken there any more
                raise
            finally:
                for call in () if collected else calls:
                    call.settle(StoreError(_CLOSED))

    def _take(self) -> list[_Call]:
        taken: list[_Call] = []
        while len(taken) < _BATCH and (calls := self._queue or self._last):
            call = calls.popleft()
            if not call.outcome.done():
                call.sent_s = _monotonic()
                taken.append(call)
        return taken

    async def _exchange(self, calls: list[_Call]) -> None:
        """Send `calls` and settle them all; those whose connection breaks are sent twice."""
        began_s = _monotonic()
        try:
            async with _Deadline(self.timeout_s):
                lost = await self._attempt(calls, repeated=False)
                if lost:
                    await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE_S)  # noqa: S311 - spreads load, guards nothing
                    await self._attempt(lost, repeated=True)
        except Exception as error:  # noqa: BLE001 - whatever the user's client raises, the store has failed
            failure = str(explained(error, timeout_s=self.timeout_s))
            for call in calls:
                call.settle(StoreError(failure))
            if silent(error) and self._answered_s < began_s:
                self._turn_away(failure)

    async def _attempt(self, calls: list[_Call], *, repeated: bool) -> list[_Call]:
        """Settle `calls` and return those that are worth another attempt."""
        try:
            answers = await self._send(calls)
        except Exception as error:
            if repeated or not connection_lost(error):
                raise
            return calls
        self._answered_s = _monotonic()
        lost: list[_Call] = []
        for call, answer in zip(calls, answers, strict=True):
            if not isinstance(answer, Exception):
                call.settle(_read(answer, repeated, call.read))
            elif repeated or not connection_lost(answer):
                call.settle(explained(answer, timeout_s=self.timeout_s))
            else:
                lost.append(call)
        return lost

    async def _send(self, calls: list[_Call]) -> Sequence[Any]:
        """Return the answers, among them the errors of single calls."""
        await self.prepare()
        if len(calls) == 1 or not hasattr(self.client, "pipeline"):
            return [await self._send_one(call) for call in calls]
        client: Any = self.client
        async with client.pipeline(transaction=False) as batch:
            for call in calls:
                batch.execute_command("EVALSHA", call.script.sha, *self._arguments(call))
            answers: list[Any] = await batch.execute(raise_on_error=False)
        for number, answer in enumerate(answers):
            if _unknown(answer):
                answers[number] = await self._send_one(calls[number])
        return answers

    async def _send_one(self, call: _Call) -> Any:
        try:
            return await self.client.execute_command("EVALSHA", call.script.sha, *self._arguments(call))
        except Exception as error:
            if not _unknown(error):
                raise
        # a server that was restarted, or another node; EVAL also teaches it the script
        return await self.client.execute_command("EVAL", call.script.text, *self._arguments(call))

    def _arguments(self, call: _Call) -> list[str | int]:
        # the braces keep all keys of one token on one node of a cluster
        keys = [f"{self._prefix}:{{{call.digest}}}:{name}" for name in ("token", "lease")]
        return [len(keys), *keys, self.channel, call.digest, *map(_opened, call.args)]


class _Deadline:
    """Raises `TimeoutError` after `seconds` in which the event loop had time to read an answer.

    The clock alone would blame the server for a loop that is busy: the loop looks at its timers before it reads what
    has arrived. So each round counts for an eightieth of the deadline at most.

    No generator: exchanges go on while the loop shuts its asynchronous generators down (see `LoopState`), and asyncio
    warns of each that begins then.
    """

    __slots__ = ("_limit", "_loop", "_pause_s", "_timer")

    _loop: asyncio.AbstractEventLoop
    _timer: asyncio.TimerHandle

    def __init__(self, seconds: float) -> None:
        self._pause_s = seconds / _ROUNDS
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wait(_ROUNDS)
        await self._limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _wait(self, rounds: int) -> None:
        self._timer = self._loop.call_later(self._pause_s, self._tick, rounds - 1)

    def _tick(self, left: int) -> None:
        if left:
            self._wait(left)
        else:
            self._limit.reschedule(self._loop.time())


_CLOSED = "this RedisStore was closed, or its event loop ended, before Redis had answered"


def _read(answer: Any, repeated: bool, read: Reader[_T]) -> _T | StoreError:
    try:
        return read(answer, repeated)
    except (StoreError, ValueError, TypeError, LookupError, OverflowError):
        return unreadable()


def _unknown(answer: object) -> bool:
    """Tell whether the server does not know the script."""
    return type(answer).__name__ == "NoScriptError"


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _opened(value: Argument) -> str | int:
    if isinstance(value, Secret):
        return value.reveal()
    return value() if callable(value) else value
