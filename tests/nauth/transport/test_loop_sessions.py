"""One session for each loop, made when first needed and never used from another."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from nauth.transport.connectors import Use, lease_for
from nauth.transport.loop_sessions import LoopSessions
from nauth.transport.network import Network
from tests.support.http.vendor import Vendor, served


def _make(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, connector_owner=False)


def _sessions(make: Callable[[aiohttp.BaseConnector], aiohttp.ClientSession] = _make) -> LoopSessions:
    """Return some over the connector that clients share by default."""
    return LoopSessions(partial(lease_for, Use.REQUESTS, Network()), make)


async def test_one_for_a_loop() -> None:
    """The running loop gets the same session every time, until it is closed."""
    sessions = _sessions()
    assert len(sessions) == 0
    first = sessions.here()
    assert sessions.here() is first
    assert len(sessions) == 1
    await sessions.aclose()
    assert first.closed
    assert len(sessions) == 0
    await sessions.aclose()


async def test_closed_by_another() -> None:
    """A session that was closed behind our back is replaced."""
    sessions = _sessions()
    first = sessions.here()
    await first.close()
    second = sessions.here()
    assert second is not first
    assert not second.closed
    await sessions.aclose()


def test_no_loop() -> None:
    """Outside a loop there is no session."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        _sessions().here()


def test_two_loops() -> None:
    """Each loop has its own; closing in one leaves the other's alone, and a dead loop's is forgotten."""
    sessions = _sessions()
    one, two = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def here() -> aiohttp.ClientSession:
        return sessions.here()

    first, second = one.run_until_complete(here()), two.run_until_complete(here())
    assert first is not second
    one.run_until_complete(sessions.aclose())
    assert (first.closed, second.closed) == (True, False)
    two.close()
    third = one.run_until_complete(here())
    assert (second.closed, len(sessions)) == (True, 1)
    assert not third.closed
    one.run_until_complete(sessions.aclose())
    one.close()


async def test_abandon_says_what_was_open() -> None:
    """Letting go tells whether a running loop was left with a session, once, and closes nothing by awaiting."""
    sessions = _sessions()
    assert not sessions.abandon()
    session = sessions.here()
    assert sessions.abandon()
    assert not sessions.abandon()
    assert session.closed
    sessions = _sessions()
    await sessions.here().close()
    assert not sessions.abandon()


def test_abandon_after_the_loop() -> None:
    """A session whose loop has been closed gives no warning: its owner cannot close it any more."""
    sessions = _sessions()
    loop = asyncio.new_event_loop()

    async def here() -> None:
        sessions.here()

    loop.run_until_complete(here())
    loop.close()
    assert not sessions.abandon()


async def test_abandon_with_a_connection() -> None:
    """An idle connection is closed too, without aiohttp's own warnings beside ours."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with served(Vendor()) as url:
        sessions = _sessions()
        async with sessions.here().get(url) as response:
            await response.read()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert sessions.abandon()
            gc.collect()
        assert [str(warning.message) for warning in caught] == []
        assert complaints == []


async def test_abandoned_in_a_cycle() -> None:
    """A collector that comes upon the session before its owner gets no complaint of aiohttp's out of it."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    left_open: list[bool] = []

    class Owner:
        def __init__(self, older: list[aiohttp.ClientSession]) -> None:
            self.sessions = _sessions(lambda _: older.pop())
            self.sessions.here()
            self.itself = self

        def __del__(self) -> None:
            left_open.append(self.sessions.abandon())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Owner([aiohttp.ClientSession()])  # what is older comes first
        gc.collect()
    assert left_open == [True]
    assert caught == []
    assert complaints == []
