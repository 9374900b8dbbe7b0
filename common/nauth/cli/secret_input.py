"""Read one line that holds a secret from stdin: not shown on a terminal, of any length, cancelled by Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import threading
from collections.abc import Generator

from nauth.secret import Secret

__all__ = ["read_secret_line"]

_CHUNK = 65_536
_ENDS = (b"\n", b"\r")


async def read_secret_line() -> Secret:
    """Return the next line of stdin without its line end; empty if there is none.

    Cancelling it returns at once: the reading thread is a daemon thread, which the event loop does not wait for.
    """
    loop = asyncio.get_running_loop()
    line: asyncio.Future[Secret] = loop.create_future()

    def deliver(found: Secret) -> None:
        if not line.done():
            line.set_result(found)

    def read() -> None:
        found = _line(descriptor)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the command has ended
            loop.call_soon_threadsafe(deliver, found)

    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:  # stdin was replaced by something in memory
        return Secret(sys.stdin.readline().strip())
    with _unseen(descriptor):
        threading.Thread(target=read, name="nauth-stdin", daemon=True).start()
        return await line


def _line(descriptor: int) -> Secret:
    # not sys.stdin: a thread stuck inside its lock is a fatal error when Python ends
    read = b""
    while not read.endswith(_ENDS):
        try:
            chunk = os.read(descriptor, _CHUNK)
        except OSError:
            break  # not readable: treated as empty
        if not chunk:
            break
        read += chunk
    return Secret(read.decode(errors="replace").strip())


@contextlib.contextmanager
def _unseen(descriptor: int) -> Generator[None]:
    """Switch off the terminal's echo, and its limit of 4,095 characters a line."""
    try:
        import termios  # noqa: PLC0415 - see below
    except ImportError:  # Windows: the line is shown there
        yield
        return
    try:
        before = termios.tcgetattr(descriptor)
    except termios.error:  # no terminal
        yield
        return
    changed = list(before)
    # a terminal that edits lines cuts them at 4,095 characters, and a pasted address may hold several long tokens
    changed[3] = before[3] & ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal went away
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
