"""One secret line from stdin: unseen, of any length, and given up at once."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import sys
import termios
import threading
from collections.abc import Iterator

import pytest

from nauth.cli.secret_input import read_secret_line


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "nauth-stdin"]


async def _begun() -> None:
    while not _threads():  # noqa: ASYNC110 - there is nothing to be told by
        await asyncio.sleep(0)


async def _type(descriptor: int, text: str) -> None:
    await asyncio.to_thread(os.write, descriptor, text.encode())


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Stdin is a pipe; this is its other end."""
    source, sink = os.pipe()
    with os.fdopen(source) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield sink
        os.close(sink)
        for thread in _threads():
            thread.join(10)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Stdin is a terminal; these are the ends of the person and of the command."""
    person, command = pty.openpty()
    with os.fdopen(command, closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield person, command
    os.close(command)


async def test_pipe(pipe: int) -> None:
    """A line may come in parts; its end and the white space around it are dropped."""
    reading = asyncio.create_task(read_secret_line())
    await _type(pipe, "  https://a.example/")
    await _begun()
    await _type(pipe, "?code=1 \r\n")
    assert (await reading).reveal() == "https://a.example/?code=1"


async def test_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no line, it is empty."""
    with open(os.devnull) as stdin:  # noqa: ASYNC230, PTH123 - it never blocks
        monkeypatch.setattr(sys, "stdin", stdin)
        assert (await read_secret_line()).reveal() == ""


async def test_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stdin that cannot be read counts as empty."""
    with open(os.devnull, "w") as stdin:  # noqa: ASYNC230, PTH123 - it never blocks
        monkeypatch.setattr(sys, "stdin", stdin)
        assert (await read_secret_line()).reveal() == ""


async def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stdin that was replaced by something in memory is read too."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("line\nnext\n"))
    assert (await read_secret_line()).reveal() == "line"


async def test_terminal(terminal: tuple[int, int]) -> None:
    """A terminal shows nothing of a line, passes on a very long one whole, and is itself again afterwards."""
    person, command = terminal
    before = termios.tcgetattr(command)
    reading = asyncio.create_task(read_secret_line())
    await _begun()
    long = "x" * 6000
    await _type(person, f"{long}\n")
    assert (await reading).reveal() == long
    assert termios.tcgetattr(command) == before
    await _type(command, "only this")
    assert await asyncio.to_thread(os.read, person, 10_000) == b"only this"
    os.close(person)


async def test_terminal_gone(terminal: tuple[int, int]) -> None:
    """A terminal that goes away ends the line."""
    reading = asyncio.create_task(read_secret_line())
    await _begun()
    os.close(terminal[0])
    assert (await reading).reveal() == ""


async def test_no_termios(terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is read even if Python has no terminal support."""
    monkeypatch.setitem(sys.modules, "termios", None)
    await _type(terminal[0], "line\n")
    assert (await read_secret_line()).reveal() == "line"
    os.close(terminal[0])


async def test_given_up(pipe: int) -> None:
    """Cancelling returns at once, and a line that arrives later does no harm."""
    reading = asyncio.create_task(read_secret_line())
    await _begun()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    (thread,) = _threads()
    await _type(pipe, "late\n")
    await asyncio.to_thread(thread.join, 10)
    await asyncio.sleep(0)
    assert not thread.is_alive()


def test_loop_gone(pipe: int) -> None:
    """A line that arrives after the loop has been closed does no harm."""

    async def give_up() -> None:
        reading = asyncio.create_task(read_secret_line())
        await _begun()
        reading.cancel()

    asyncio.run(give_up())
    (thread,) = _threads()
    os.write(pipe, b"late\n")
    thread.join(10)
    assert not thread.is_alive()
