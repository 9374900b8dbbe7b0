"""`ClientPool`: one client for each tenant, opened when it is needed and closed when it is not, for thousands of them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import attrs

from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.errors import ClosedError, ConfigurationError, NauthError, VendorUnavailableError, fresh_copy
from nauth.owned_tasks import Work, own_task

__all__ = ["ClientPool", "Closeable", "PoolStats"]

_LOOKED_AT = 8
"""Clients that one visit looks at for eviction, from the one that was used longest ago: never all of them."""

_DRAIN = timedelta(seconds=10)
"""How long closing the pool waits for those who use its clients."""

_NOT_OPENED = VendorUnavailableError(
    "the client was not opened, because all tasks of its event loop were cancelled meanwhile; ask the pool again"
)


class Closeable(Protocol):
    """What a pool asks of a client."""

    async def aclose(self) -> None:
        """Close it."""
        ...


C = TypeVar("C", bound=Closeable)
K = TypeVar("K", bound=Hashable)


@attrs.frozen(kw_only=True)
class PoolStats:
    """What a pool has done.

    Attributes:
        open: clients in the pool now.
        in_use: those that are used now.
        opened: how many were opened so far.
        evicted: how many were closed for being idle, or for making room.
    """

    open: int
    in_use: int
    opened: int
    evicted: int


@attrs.define(eq=False)
class _Seat(Generic[C]):
    ready: asyncio.Future[C]
    opening: Work | None = None
    users: int = 0
    last_used: float = 0.0

    @property
    def given_up(self) -> bool:
        """Whether its opening was cut off, because all tasks of the loop were cancelled."""
        return self.opening is not None and self.opening.given_up and not self.ready.done()


class ClientPool(Generic[C, K]):
    """Keep a client for each key in use, and close those that were not used for a while.

    ::

        def opened(credentials: NombaCredentials) -> NombaClient:
            return NombaClient(credentials, session=session, store=store)

        pool = ClientPool(opened)
        async with pool.client(credentials_of(tenant)) as nomba:
            await nomba.check()

    Let the credentials be the key, as here: a rotated key is then another key, and opens a new client; the old client
    leaves when it is idle. Tokens stay in the store, so that closing a client costs no sign-in.

    A client is never closed while it is in use, however long that takes; if all are in use, the pool grows beyond
    `most`. To be used in one event loop.

    Args:
        open: makes the client of a key; may be a coroutine. Of visits at the same time only one opens; a failure is not
            remembered.
        idle: how long an unused client stays open.
        most: how many clients stay open, at most, if not all are in use.
        clock: source of time; the machine's clock if None.

    Raises:
        ConfigurationError: `most` is not positive, or `idle` is negative.
    """

    def __init__(
        self,
        open: Callable[[K], C | Awaitable[C]],  # noqa: A002 - what it does
        *,
        idle: timedelta = timedelta(minutes=10),
        most: int = 10_000,
        clock: Clock | None = None,
    ) -> None:
        if most < 1 or idle < timedelta(0):
            raise ConfigurationError("ClientPool(most=...) must be at least 1, and idle= not negative")
        self._make = open
        self._idle_s = idle.total_seconds()
        self._most = most
        self._clock = clock or SYSTEM_CLOCK
        self._seats: OrderedDict[K, _Seat[C]] = OrderedDict()
        self._in_use = self._opened = self._evicted = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._unused = asyncio.Event()
        self._unused.set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<ClientPool: {len(self)} open>"

    def __len__(self) -> int:
        return len(self._seats)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def stats(self) -> PoolStats:
        """What the pool has done so far."""
        in_use = sum(1 for seat in self._seats.values() if seat.users)
        return PoolStats(open=len(self), in_use=in_use, opened=self._opened, evicted=self._evicted)

    @contextlib.asynccontextmanager
    async def client(self, key: K) -> AsyncGenerator[C]:
        """Lend the client of `key`. Ask again for each use: a client kept beyond this block may be closed.

        Raises:
            ClosedError: the pool was closed.
            Exception: whatever `open` raises.
        """
        if self._closed:
            raise ClosedError("this pool of clients was closed; keep it open for as long as it is used")
        seat = self._seats.get(key)
        if seat is None or seat.given_up:
            seat = self._seats[key] = _Seat(asyncio.get_running_loop().create_future())
            # not in the task: one that is cancelled before its first step runs none of its code
            over = partial(self._filled, key, seat)
            seat.opening = own_task(self._fill(key, seat), name="nauth pool open", over=over)
        else:  # a new one is at the end, unless an eager task has failed to open it and taken it out again
            self._seats.move_to_end(key)
        self._enter(seat)
        try:
            yield await _made(seat.ready)
        finally:
            self._leave(seat)
            self._trim()

    async def aclose(self) -> None:
        """Close all clients once they are not in use: ten seconds later at the latest. Closing twice does nothing."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN.total_seconds()):
                await self._unused.wait()
        seats = list(self._seats.values())
        self._seats.clear()
        for seat in seats:
            self._close(seat)
        if self._closing:
            await asyncio.wait(self._closing)

    def _enter(self, seat: _Seat[C]) -> None:
        seat.users += 1
        self._in_use += 1
        self._unused.clear()

    def _leave(self, seat: _Seat[C]) -> None:
        seat.users -= 1
        seat.last_used = self._clock.monotonic()
        self._in_use -= 1
        if not self._in_use:
            self._unused.set()

    async def _fill(self, key: K, seat: _Seat[C]) -> None:
        try:
            made = self._make(key)
            client = await made if inspect.isawaitable(made) else made
        except Exception as error:  # noqa: BLE001 - told to those who wait for the client
            self._fail(key, seat, error)
            return
        self._opened += 1
        seat.ready.set_result(client)

    def _filled(self, key: K, seat: _Seat[C], _: Work) -> None:
        if not seat.ready.done():
            self._fail(key, seat, fresh_copy(_NOT_OPENED))

    def _fail(self, key: K, seat: _Seat[C], error: Exception) -> None:
        if self._seats.get(key) is seat:
            del self._seats[key]
        seat.ready.set_exception(error)
        seat.ready.exception()  # those who wait may have been cancelled, and asyncio would complain

    def _trim(self) -> None:
        """Close some of the clients used longest ago, if they are idle for too long or too many."""
        now = self._clock.monotonic()
        for key in _first(self._seats, _LOOKED_AT):
            seat = self._seats[key]
            if seat.users or not seat.ready.done():
                continue
            if len(self) <= self._most and now - seat.last_used < self._idle_s:
                break  # the others were used later
            del self._seats[key]
            self._evicted += 1
            self._close(seat)

    def _close(self, seat: _Seat[C]) -> None:
        task = own_task(_shut(seat), name="nauth pool close", at_risk=True).task
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _first(seats: OrderedDict[K, _Seat[C]], count: int) -> list[K]:
    return [key for key, _ in zip(seats, range(count), strict=False)]


async def _made(ready: asyncio.Future[C]) -> C:
    try:
        # shielded: a cancelled visitor must not cancel what the others wait for
        return await asyncio.shield(ready)
    except NauthError as error:
        raise fresh_copy(error) from None


async def _shut(seat: _Seat[C]) -> None:
    with contextlib.suppress(Exception):  # what could not be opened needs no closing
        client = await seat.ready
        await client.aclose()
