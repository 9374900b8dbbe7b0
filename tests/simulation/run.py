"""Run many seeds and say what they broke and what they reached.

    python -m tests.simulation.run --seeds 100000 --processes 2 [--base N] [--seconds S] [--states]
    python -m tests.simulation.run --replay SEED

Exits 1 if a promise was broken. Runs on whatever tree the working folder and `PYTHONPATH` name: for a modified copy in
DIR, go to DIR and set ``PYTHONPATH=DIR:DIR/common``.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import multiprocessing
import secrets
import sys
import time
from collections.abc import Iterable

import attrs

from tests.simulation.coverage import Coverage
from tests.simulation.world import ENDINGS, SCHEDULER, replay, simulate

__all__ = ["Batch", "main", "run_seeds", "timeline"]

_SWEEP = 200
"""Runs between two garbage collections: one that follows every run would cost more than the run."""
_CHUNK = 1000
"""Seeds that a process takes at a time: few enough that all end together."""
_NEWS = 100_000
"""Seeds between two lines that say how far it is."""


@attrs.define
class Batch:
    """What some seeds brought.

    Attributes:
        runs: how many were run.
        broken: by seed, what it broke; at most `most` of them.
        coverage: what they reached.
    """

    runs: int = 0
    broken: dict[int, list[str]] = attrs.field(factory=dict[int, list[str]])
    coverage: Coverage = attrs.field(factory=Coverage)


def run_seeds(
    seeds: Iterable[int], *, deadline: float | None = None, most: int = 10, endings: bool = ENDINGS
) -> Batch:
    """Run `seeds` until they or the time are over, or `most` of them have broken something.

    Futures and tasks report only when they are collected that their exception was not retrieved, so the garbage is
    collected in between, and whatever it brings to light is traced to the seed of its batch.
    """
    batch, held, talk = Batch(), gc.isenabled(), logging.getLogger("nauth")
    level = talk.level
    talk.setLevel(logging.CRITICAL)
    gc.collect()
    gc.freeze()
    gc.disable()
    since: list[int] = []
    try:
        for seed in seeds:
            if deadline is not None and time.monotonic() > deadline:
                break
            batch.coverage.run = batch.runs
            batch.runs += 1
            since.append(seed)
            broken = simulate(seed, batch.coverage, endings=endings)
            if broken:
                batch.broken[seed] = broken
                if len(batch.broken) >= most:
                    break
            if len(since) >= _SWEEP:
                _sweep(since, batch, endings=endings)
        _sweep(since, batch, endings=endings)
    finally:
        talk.setLevel(level)
        gc.unfreeze()
        if held:
            gc.enable()
    return batch


def _sweep(since: list[int], batch: Batch, *, endings: bool) -> None:
    said = _collected()
    if said:
        for seed in since:
            simulate(seed, Coverage(), endings=endings)
            again = _collected()
            if again:
                batch.broken.setdefault(seed, []).extend(again)
                break
        else:
            batch.broken.setdefault(since[0], []).extend(said)
    since.clear()


def _collected() -> list[str]:
    before = len(SCHEDULER.complaints)
    gc.collect()
    return [f"found by the garbage collection: {said}" for said in SCHEDULER.complaints[before:]]


def timeline(seed: int, *, endings: bool = ENDINGS) -> str:
    """Return a failing seed's story and the command that tells it again."""
    broken, lines = replay(seed, endings=endings)
    return "\n".join(
        (
            f"seed {seed}",
            *lines,
            *(f"BROKEN {one}" for one in broken),
            f"again: python -m tests.simulation.run --replay {seed}{_switch(endings)}",
        )
    )


def _switch(endings: bool) -> str:
    return "" if endings is ENDINGS else " --endings" if endings else " --no-endings"


def _share(work: tuple[int, int, float | None, int, bool]) -> tuple[int, Batch]:
    first, end, deadline, most, endings = work
    return first, run_seeds(range(first, end), deadline=deadline, most=most, endings=endings)


def main(arguments: list[str] | None = None) -> int:
    """Run as told, print, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tests.simulation.run", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--base", type=int, help="the first seed; drawn at random if left out")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--most", type=int, default=10, help="stop after so many failing seeds")
    parser.add_argument("--states", action="store_true", help="list every state reached")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell the story of one seed")
    parser.add_argument(
        "--endings",
        action=argparse.BooleanOptionalAction,
        default=ENDINGS,
        help="whether loops end in the runs",
    )
    options = parser.parse_args(arguments)
    if options.replay is not None:
        _say(timeline(options.replay, endings=options.endings))
        return 1 if replay(options.replay, endings=options.endings)[0] else 0
    base = secrets.randbelow(10**12) if options.base is None else options.base
    end = base + options.seeds
    _say(f"seeds {base} to {end - 1}, {options.processes} processes")
    began = time.monotonic()
    deadline = None if options.seconds is None else began + options.seconds
    work = [
        (first, min(first + _CHUNK, end), deadline, options.most, options.endings)
        for first in range(base, end, _CHUNK)
    ]
    whole = Batch()
    with contextlib.ExitStack() as stack:
        shares: Iterable[tuple[int, Batch]] = map(_share, work)
        if options.processes > 1:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(options.processes))
            shares = pool.imap_unordered(_share, work)
        for first, batch in shares:
            _add(whole, batch, after=first - base, began=began)
            if len(whole.broken) >= options.most:
                break
    took = time.monotonic() - began
    return _tell(whole, took, longest=10**6 if options.states else 12, endings=options.endings)


def _add(whole: Batch, batch: Batch, *, after: int, began: float) -> None:
    before = whole.runs
    whole.runs += batch.runs
    whole.broken.update(batch.broken)
    whole.coverage.merge(batch.coverage, after=after)
    for seed, said in batch.broken.items():
        _say(f"seed {seed}: {'; '.join(said)}")
    if before // _NEWS != whole.runs // _NEWS:
        _say(
            f"{whole.runs} seeds after {time.monotonic() - began:.0f} s, {len(whole.broken)} broke a promise"
        )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell(whole: Batch, took: float, *, longest: int, endings: bool) -> int:
    for line in whole.coverage.report(max(whole.runs, 1), longest=longest):
        _say(line)
    for seed in sorted(whole.broken)[:1]:
        _say(timeline(seed, endings=endings))
    for seed, said in sorted(whole.broken.items()):
        _say(f"seed {seed}: {'; '.join(said)}")
    _say(
        f"{whole.runs} seeds in {took:.1f} s, {whole.runs / took:.0f} a second; {len(whole.broken)} broke a promise"
    )
    return 1 if whole.broken else 0


if __name__ == "__main__":
    sys.exit(main())
