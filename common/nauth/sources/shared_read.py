"""`SharedRead`: one source, asked by many clients: single flight, a limit, and growing pauses between repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar, cast

import attrs

from nauth.clock import Clock
from nauth.errors import NauthError, fresh_copy
from nauth.owned_tasks import Work, own_task
from nauth.secret import Secret
from nauth.sources.base import Fields, Source, SourceRefusedError, SourceUnavailableError
from nauth.sources.function import Function

__all__ = ["SharedRead"]

_C = TypeVar("_C")

_LIMIT = timedelta(seconds=15)
"""The longest that one question may take. The sources have shorter limits; this one is for functions."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


@attrs.define(eq=False)
class _Question(Generic[_C]):
    answer: asyncio.Future[_C | NauthError]
    work: Work | None = None

    @property
    def given_up(self) -> bool:
        """Whether it was cut off, because all tasks of the loop were cancelled."""
        return self.work is not None and self.work.given_up


class SharedRead(Generic[_C]):
    """Ask a source for a credential. One question at a time for all callers of one event loop.

    Args:
        source: where the credential is.
        read: turns fields into the credential; raises `ConfigurationError` that names what is missing.
        clock: where time comes from.
        kinds: the classes that a function may return.
    """

    def __init__(
        self,
        source: Source | Function[_C],
        read: Callable[[Fields], _C],
        clock: Clock,
        *,
        kinds: tuple[type, ...],
    ) -> None:
        self._source = source
        self._read = read
        self._kinds = kinds
        self._clock = clock
        self._running: dict[asyncio.AbstractEventLoop, _Question[_C]] = {}
        self._pause_s = _FIRST_PAUSE_S
        self._next_at = clock.monotonic()

    @property
    def name(self) -> str:
        """What errors call the source."""
        return self._source.name

    @property
    def unchanged_hint(self) -> str:
        """What may be wrong if the vendor refuses a credential that has not changed."""
        hint: str = getattr(self._source, "unchanged_hint", "")
        return hint

    async def ask(self) -> _C:
        """Return the credential as it is now, joining a question under way.

        Raises:
            SourceRefusedError: not there, not allowed, not understood.
            SourceUnavailableError: slow, down or throttled.
        """
        loop = asyncio.get_running_loop()
        question = self._running.get(loop)
        if question is None or question.given_up:
            for closed in [other for other in tuple(self._running) if other.is_closed()]:
                self._running.pop(closed, None)  # closed under its question
            question = self._running[loop] = _Question(loop.create_future())
            # a task of its own: the first caller may be cancelled while others wait. Its end is told beside it: a task
            # that is cancelled before its first step runs none of its code
            over = partial(self._over, loop, question)
            question.work = own_task(self._run(loop, question), name="nauth source", over=over)
        found = await asyncio.shield(question.answer)
        if isinstance(found, NauthError):
            raise fresh_copy(found)
        return found

    def may_ask_again(self) -> bool:
        """Tell whether the pause since the last repeat is over; if it is, count this as the next repeat.

        The pauses are 1, 2, 4 and so on up to 30 seconds.
        """
        now = self._clock.monotonic()
        if now < self._next_at:
            return False
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._next_at = now + self._pause_s
        return True

    def accepted(self) -> None:
        """Note that the vendor accepts the credential: the pauses begin anew."""
        self._pause_s = _FIRST_PAUSE_S

    async def _run(self, loop: asyncio.AbstractEventLoop, question: _Question[_C]) -> None:
        found = await self._bounded()
        self._end(loop, question, found)

    def _over(self, loop: asyncio.AbstractEventLoop, question: _Question[_C], _: Work) -> None:
        if not question.answer.done():
            why = f"{self.name} was not read: its event loop was ending"
            self._end(loop, question, SourceUnavailableError(why, source=self.name))

    def _end(self, loop: asyncio.AbstractEventLoop, question: _Question[_C], found: _C | NauthError) -> None:
        if self._running.get(loop) is question:
            del self._running[loop]
        self._next_at = max(self._next_at, self._clock.monotonic() + self._pause_s)
        question.answer.set_result(found)

    async def _bounded(self) -> _C | NauthError:
        try:
            async with asyncio.timeout(_LIMIT.total_seconds()):
                return await self._credential()
        except NauthError as error:
            return fresh_copy(error)
        except TimeoutError:
            problem = "did not answer in time"
        except OSError as error:
            problem = f"could not be reached ({type(error).__name__})"
        except Exception as error:  # noqa: BLE001 - of a caller's function; its text may quote the secret
            return SourceRefusedError(
                f"{self.name} failed with {type(error).__name__}. Look for the cause in the function itself; to have the "
                "question repeated later, raise SourceUnavailableError",
                source=self.name,
                problems=(type(error).__name__,),
            )
        return SourceUnavailableError(
            f"{self.name} {problem}; it is asked again at the next sign-in",
            source=self.name,
            problems=(problem,),
        )

    async def _credential(self) -> _C:
        source = self._source
        if not isinstance(source, Function):
            reading: object = source.read()
            if not isinstance(reading, Awaitable):  # pyright: ignore[reportUnnecessaryIsInstance] # as below
                raise self._wrong("must have an async read()", reading)
            fields: object = await cast("Awaitable[object]", reading)
            if not isinstance(fields, Fields):
                raise self._wrong("must return nauth.sources.Fields", fields)
            for name, value in fields.values.items():
                if not isinstance(value, Secret):  # pyright: ignore[reportUnnecessaryIsInstance] # not every source is checked
                    raise self._wrong(f"must give the field {name} as a nauth.Secret", value)
            return self._read(fields)
        found: object = await source.fetch()
        if not isinstance(found, self._kinds):
            raise self._wrong(f"must return {' or '.join(kind.__name__ for kind in self._kinds)}", found)
        return cast("_C", found)  # pyright: ignore[reportUnnecessaryCast] # mypy does not know

    def _wrong(self, wanted: str, got: object) -> SourceRefusedError:
        return SourceRefusedError(
            f"{self.name} {wanted}, not {type(got).__name__}", source=self.name, problems=("wrong type",)
        )
