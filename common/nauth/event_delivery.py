"""Call observers: in a later turn of the event loop, from a bounded queue that drops the least important events first."""

from __future__ import annotations

import asyncio
import itertools
import logging
import weakref
from collections import Counter, deque

from nauth.events import (
    Event,
    Observer,
    OriginRefused,
    RenewalFailed,
    RenewalSucceeded,
    Reporting,
    RequestReplayed,
    TokenRefused,
)

__all__ = ["deliver", "notify"]

_log = logging.getLogger("nauth")

_MOST = 1_000
"""Events that may wait for delivery in one loop."""

_TURN_S = 0.001
"""How long a turn of the loop may go on delivering. One event is delivered whatever it takes."""

_RANKS: dict[type[Event], int] = {
    RenewalSucceeded: 1,
    RequestReplayed: 1,
    RenewalFailed: 2,
    TokenRefused: 2,
    OriginRefused: 2,
}
"""What the log reports as a warning is dropped last; what it shows at DEBUG only, whose rank is 0, goes first."""


def notify(observer: Observer | None, event: Event) -> None:
    """Call `observer` with `event` in a later turn of the running loop, so that it cannot delay or break the request.

    A turn delivers what fits into a millisecond, so that what observers take is spread over turns in which everything
    else goes on; but the turn itself waits for the observer, as for every callback. Where a store's own thread pushes a
    token there is no loop; the observer is called at once.
    """
    if observer is None:
        return
    if isinstance(observer, Reporting):  # now, and not in a later turn: the event says when it happened
        event = observer.stamped(event)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        deliver(observer, event)
        return
    queue = _queues.get(loop)
    if queue is None:
        _forget_closed_loops()
        queue = _queues[loop] = _Queue()
    queue.add(observer, event)
    if not queue.scheduled:
        queue.scheduled = True
        loop.call_soon(_turn, loop, queue)


class _Queue:
    """The events that wait in one loop: a lane for each rank, numbered across the lanes in the order they happened."""

    __slots__ = ("_dropped", "_lanes", "_length", "_numbers", "_until_told", "scheduled")

    def __init__(self) -> None:
        self.scheduled = False
        self._lanes: tuple[deque[tuple[int, Observer, Event]], ...] = (deque(), deque(), deque())
        self._length = 0
        self._numbers = itertools.count()
        self._dropped: Counter[str] = Counter()
        self._until_told = 0

    def __len__(self) -> int:
        return self._length

    def add(self, observer: Observer, event: Event) -> None:
        """Put `event` in, in the place of a less important one if there is no room."""
        rank = _RANKS.get(type(event), 0)
        if self._length >= _MOST:
            lowest = next(lane for lane in self._lanes if lane)
            below = any(self._lanes[:rank])
            self._count(lowest.popleft()[2] if below else event)
            if not below:
                return
            self._length -= 1
        self._lanes[rank].append((next(self._numbers), observer, event))
        self._length += 1

    def _count(self, lost: Event) -> None:
        if not self._dropped:
            # told when what waits now has been delivered: once for many, and soon
            self._until_told = self._length
        self._dropped[type(lost).__name__] += 1

    def deliver_first(self) -> None:
        """Take the oldest event out and deliver it."""
        lane = min((lane for lane in self._lanes if lane), key=lambda lane: lane[0][0])
        _, observer, event = lane.popleft()
        self._length -= 1
        deliver(observer, event)
        self._until_told -= 1
        if self._dropped and self._until_told <= 0:
            _log.warning(
                "more happens than can be told in time: %d events were dropped, the least important first (%s). The "
                "event loop has too much to do, or an observer takes too long",
                self._dropped.total(),
                ", ".join(f"{name} {count}" for name, count in sorted(self._dropped.items())),
                extra={"nauth.event": "events.dropped"},
            )
            self._dropped.clear()


_queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = weakref.WeakKeyDictionary()


def _forget_closed_loops() -> None:
    """Drop what waits in loops that are closed: an observer that holds its loop would keep both for ever."""
    for reference in _queues.keyrefs():
        loop = reference()
        if loop is not None and loop.is_closed():
            _queues.pop(loop, None)


def _turn(loop: asyncio.AbstractEventLoop, queue: _Queue) -> None:
    ends = loop.time() + _TURN_S
    for _ in range(len(queue)):  # what an observer itself causes is told in a turn of its own
        queue.deliver_first()
        if loop.time() >= ends:
            break
    queue.scheduled = len(queue) > 0
    if queue.scheduled:
        loop.call_soon(_turn, loop, queue)


def deliver(observer: Observer, event: Event) -> None:
    """Call `observer` now; what it raises is logged by the names of the classes alone."""
    try:
        observer(event)
    except Exception as error:  # noqa: BLE001 - a broken observer must not break sign-in
        _log.warning("the observer raised %s on %s", type(error).__name__, type(event).__name__)
