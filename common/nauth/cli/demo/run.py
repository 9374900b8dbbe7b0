"""The demonstration: one scenario for each vendor, side by side, a thousand coroutines each, every promise checked."""

from __future__ import annotations

import asyncio
import contextlib
import textwrap
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from rich.console import Console

from nauth.cli.demo.checks import closing_line, promises, too_busy
from nauth.cli.demo.display import Board, choose_board
from nauth.cli.demo.load import Stage
from nauth.cli.demo.scenario import MakeStory
from nauth.clock import Clock, SystemClock

__all__ = ["demonstrate"]

_PER_SECOND = 1200
"""Requests a second that all coroutines aim at together. Clients and vendor share one thread: more would only queue."""

_LIFETIME, _HERD, _ALL = timedelta(seconds=3), 1000, 2000
"""Lifetime of a token for up to `_HERD` coroutines for each vendor and `_ALL` in total; with more coroutines it grows
in proportion. A request must be answered within one lifetime: otherwise it would meet a second renewal."""

_HERD_S = 4.0
"""Seconds that one vendor's callers wait, at most, for those of the vendor before it. If all started at once, they
would queue for longer than a token lives."""

_OVERTIME_S = 15.0
"""Seconds beyond the asked duration that the incidents may take before the demonstration is stopped."""

_LAST_ANSWERS_S = 5.0
_POLL_S = 0.01


async def demonstrate(
    stories: Sequence[MakeStory],
    *,
    seconds: float,
    coroutines: int,
    plain: bool = False,
    console: Console | None = None,
    clock: Clock | None = None,
) -> int:
    """Run `stories` side by side, print the results, and return 0, or 1 if a promise was broken.

    Args:
        stories: one scenario for each vendor.
        seconds: how long; a little longer if an incident still has to show its effect.
        coroutines: how many callers each vendor gets.
        plain: lines instead of a table, also on a terminal.
        console: where to print; stdout if None.
        clock: source of time; the machine's clock if None.
    """
    clock = clock or SystemClock()
    console = console or Console()
    _allow_open_files()
    async with AsyncExitStack() as stack:
        lifetime = _LIFETIME * max(coroutines / _HERD, coroutines * len(stories) / _ALL, 1.0)
        stages = [Stage(make, lifetime, clock) for make in stories]
        for stage in stages:
            await stack.enter_async_context(stage.story)
        _greet(console, stages, coroutines)
        with choose_board(console, plain=plain) as board:
            await _tell(stages, board, clock, seconds=seconds, coroutines=coroutines)
    return _judge(console, stages, coroutines, lifetime)


def _say(console: Console, text: str) -> None:
    """Print a line; a terminal breaks it between words, and elsewhere it stays one."""
    parts = textwrap.wrap(text, console.width, subsequent_indent="     ") if console.is_terminal else [text]
    console.out("\n".join(parts), highlight=False)


async def _tell(
    stages: Sequence[Stage], board: Board, clock: Clock, *, seconds: float, coroutines: int
) -> None:
    pace_s = coroutines * len(stages) / _PER_SECOND
    visitors = [
        asyncio.create_task(stage.visit(number, pace_s)) for stage in stages for number in range(coroutines)
    ]
    began = clock.monotonic()
    conductors = [asyncio.create_task(stage.conduct(began + seconds)) for stage in stages]
    opener = asyncio.create_task(_open(stages, coroutines, clock))
    try:
        elapsed_s = shown_s = 0.0
        over = False
        while not over:
            await clock.sleep(min(board.every_s, max(seconds - elapsed_s, _POLL_S * 10)))
            elapsed_s = clock.monotonic() - began
            over = elapsed_s >= seconds and _over(conductors, elapsed_s - seconds)
            # checked more often towards the end, but not shown more often
            if over or elapsed_s - shown_s >= board.every_s * 0.9:
                board.show([stage.figures() for stage in stages], elapsed_s)
                shown_s = elapsed_s
        await _let_finish(stages, clock)
    finally:
        for task in (opener, *visitors, *conductors):
            task.cancel()
        await asyncio.gather(opener, *visitors, *conductors, return_exceptions=True)


async def _open(stages: Sequence[Stage], coroutines: int, clock: Clock) -> None:
    """Let each vendor's callers start once those of the vendor before it have been served."""
    for stage in stages:
        stage.open()
        give_up = clock.monotonic() + _HERD_S
        while stage.served < coroutines and clock.monotonic() < give_up:
            await clock.sleep(_POLL_S)


def _over(conductors: Sequence[asyncio.Task[None]], overtime_s: float) -> bool:
    return overtime_s > _OVERTIME_S or all(task.done() for task in conductors)


async def _let_finish(stages: Sequence[Stage], clock: Clock) -> None:
    """Start no more requests, and let those under way be answered: cutting them off would look like failures."""
    for stage in stages:
        stage.stopping = True
    give_up = clock.monotonic() + _LAST_ANSWERS_S
    while any(stage.in_flight for stage in stages) and clock.monotonic() < give_up:
        await clock.sleep(_POLL_S)
    for stage in stages:
        stage.give_up()


def _greet(console: Console, stages: Sequence[Stage], coroutines: int) -> None:
    names = ", ".join(stage.story.name for stage in stages)
    _say(
        console,
        f"{coroutines:,} coroutines each call {names} on this machine; the tokens live for seconds. Midway, and again "
        "later, something ends the token that all of them share.",
    )


def _judge(console: Console, stages: Sequence[Stage], coroutines: int, lifetime: timedelta) -> int:
    found = {stage.story.name: promises(stage, coroutines) for stage in stages}
    for name, made in found.items():
        for promise in made:
            _say(console, f"[{'ok' if promise.kept else 'BROKEN'}] {name}: {promise.text}")
    if len(stages) > 1:
        for stage in stages:
            line = closing_line([stage], coroutines, found[stage.story.name])
            _say(console, f"{stage.story.name}: {line}")
    every = [promise for made in found.values() for promise in made]
    _say(console, closing_line(stages, coroutines * len(stages), every))
    if all(promise.kept for promise in every):
        return 0
    if (busy := too_busy(stages, lifetime)) is not None:
        _say(console, busy)
    return 1


def _allow_open_files() -> None:
    """Take as many file descriptors as the machine allows: each request under way holds two."""
    # Windows has no such module and no such limit; macOS says "unlimited" and then refuses it
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - see above

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
