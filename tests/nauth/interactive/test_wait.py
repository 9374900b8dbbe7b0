"""Browser or paste, whichever comes first; and a program in which neither can come."""

from __future__ import annotations

import asyncio
import threading
import webbrowser
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from nauth.daemon_thread import run_in_daemon
from nauth.errors import InteractionRequiredError
from nauth.interactive import (
    LoopbackListener,
    SignInTimeoutError,
    browser,
    open_in_browser,
    reached_from_afar,
    wait_for_callback,
)
from nauth.secret import Secret

_ADDRESS = "https://auth.example/authorize?state=the-state"


async def _never() -> Secret:
    await asyncio.Event().wait()
    return Secret("")


async def _pasted() -> Secret:
    return Secret("pasted")


async def _nobody() -> Secret:
    return Secret("")


async def test_the_browser_comes_first() -> None:
    """A browser that is still signed in is back at once: the listener waits before it opens."""
    async with LoopbackListener() as listener, ClientSession() as session:
        statuses = []

        async def warm(_: str) -> bool:
            async with session.get(f"{listener.redirect_uri}?code=c&state=the-state") as page:
                statuses.append(page.status)
            return True

        got = await wait_for_callback(_ADDRESS, listener=listener, paste=_never, open_browser=warm)
    assert statuses == [200]
    assert got.reveal().endswith("?code=c&state=the-state")


async def test_paste_comes_first() -> None:
    """A pasted address ends the wait, with and without a listener, and no browser is needed."""
    opened = []

    async def note(address: str) -> bool:
        opened.append(address)
        return True

    async with LoopbackListener() as listener:
        got = await wait_for_callback(_ADDRESS, listener=listener, paste=_pasted, open_browser=note)
        assert got == Secret("pasted")
    assert await wait_for_callback(_ADDRESS, listener=None, paste=_pasted, open_browser=note) == Secret(
        "pasted"
    )
    assert await wait_for_callback(_ADDRESS, listener=None, paste=_pasted, open_browser=None) == Secret(
        "pasted"
    )
    assert opened == [_ADDRESS, _ADDRESS]


@pytest.mark.parametrize("opens", [None, False])
async def test_neither_can_come(opens: bool | None) -> None:
    """No terminal and no browser, as in a pipeline: said at once instead of after five minutes."""

    async def opened(_: str) -> bool:
        return bool(opens)

    async with LoopbackListener() as listener:
        with pytest.raises(InteractionRequiredError, match="no browser could be opened"):
            await wait_for_callback(
                _ADDRESS, listener=listener, paste=_nobody, open_browser=None if opens is None else opened
            )


async def test_no_terminal_but_a_browser() -> None:
    """Without a person at the terminal the browser is waited for, up to the time limit."""

    async def opened(_: str) -> bool:
        return True

    async with LoopbackListener(timeout=timedelta(milliseconds=50)) as listener:
        with pytest.raises(SignInTimeoutError):
            await wait_for_callback(_ADDRESS, listener=listener, paste=_nobody, open_browser=opened)


class _Opener:
    def __init__(self, name: str, answer: Any) -> None:
        self.name = name
        self._answer = answer

    def open(self, url: str) -> bool:
        if isinstance(self._answer, Exception):
            raise self._answer
        return bool(self._answer)


@pytest.mark.parametrize(
    "opener, opened",
    [
        (_Opener("firefox", True), True),
        (_Opener("/usr/bin/firefox", False), False),
        (_Opener("/usr/bin/lynx", True), False),
        (_Opener("w3m", True), False),
        (_Opener("firefox", OSError("gone")), False),
    ],
)
async def test_openers(opener: _Opener, opened: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text browser would take the terminal; one that fails is none."""
    monkeypatch.setattr(webbrowser, "get", lambda: opener)
    assert await open_in_browser("https://x.example") is opened


async def test_no_opener(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a browser."""

    def none() -> None:
        raise webbrowser.Error("none")

    monkeypatch.setattr(webbrowser, "get", none)
    assert not await open_in_browser("https://x.example")


async def test_an_opener_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An opener that does not return counts as opened, and holds nothing."""
    free = threading.Event()

    class Waits:
        name = "firefox"

        def open(self, url: str) -> bool:
            return free.wait(10)

    monkeypatch.setattr(webbrowser, "get", Waits)
    monkeypatch.setattr(browser, "_LIMIT_S", 0.05)
    assert await open_in_browser("https://x.example")
    free.set()


def test_from_afar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal over SSH is on another machine than the person."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert not reached_from_afar()
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.1 1 198.51.100.2 22")
    assert reached_from_afar()


async def test_a_daemon_thread() -> None:
    """The result or the error comes back; a cancelled caller is not told, nor a loop that has ended."""
    assert await run_in_daemon(lambda: 7, name="x") == 7
    with pytest.raises(ZeroDivisionError):
        await run_in_daemon(lambda: 1 // 0, name="x")
    free, done = threading.Event(), threading.Event()

    def work() -> None:
        free.wait(10)
        done.set()

    task = asyncio.create_task(run_in_daemon(work, name="x"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    free.set()
    await asyncio.get_running_loop().run_in_executor(None, done.wait, 10)
    await asyncio.sleep(0.01)


def test_a_loop_that_has_ended() -> None:
    """The thread ends in silence."""
    free = threading.Event()
    threads = []

    def work() -> None:
        threads.append(threading.current_thread())
        free.wait(10)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await run_in_daemon(work, name="x")

    asyncio.run(give_up())
    free.set()
    threads[0].join(10)
    assert not threads[0].is_alive()
