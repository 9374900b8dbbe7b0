"""Vendors' doubles on a loop of their own, for commands that run one themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from nauth.testing import Sandbox

Serve = Callable[[Sandbox], None]


@contextmanager
def _serving(sandbox: Sandbox) -> Generator[None]:
    ready, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with sandbox:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run doubles until the test is over."""
    with ExitStack() as stack:
        yield lambda sandbox: stack.enter_context(_serving(sandbox))


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Set environment variables until the test is over."""

    def put(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put
