"""Run one command's coroutine: signals cancel it, errors become a line of text and an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from types import FrameType

import typer

from nauth.errors import ConfigurationError, NauthError, VendorUnavailableError

__all__ = ["run"]

_FAILED = 1
_WRONGLY_SET_UP = 2
_SIGNALLED = 128
"""Added to the signal's number, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""


def run(command: Callable[[], Coroutine[object, None, int]]) -> int:
    """Run `command` and return its exit code; print an error's text, never a traceback.

    Ctrl-C and SIGTERM cancel the coroutine, which closes what it opened on its way out.
    """
    return asyncio.run(_supervised(command))


async def _supervised(command: Callable[[], Coroutine[object, None, int]]) -> int:
    with _cancelling() as caught:
        try:
            return await command()
        except asyncio.CancelledError:
            if not caught:
                raise
            return _SIGNALLED + caught[0]
        except ConfigurationError as error:
            return _tell(error, _WRONGLY_SET_UP)
        except NauthError as error:
            return _tell(error, _FAILED)
        except BrokenPipeError:
            raise  # the reader of stdout has gone: typer ends without a message
        except OSError as error:
            return _tell(error, _FAILED)


@contextlib.contextmanager
def _cancelling() -> Generator[list[int]]:
    """Let SIGINT and SIGTERM cancel the current task; yield the list that the first signal's number is added to."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught  # Python delivers signals to the main thread only
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one

    def cancel(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
        # only once: a second Ctrl-C must not interrupt the closing, which has its own time limit
        if not caught:
            caught.append(number)
            loop.call_soon_threadsafe(task.cancel)

    # signal.signal and not loop.add_signal_handler, which Windows lacks
    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(error: Exception, code: int) -> int:
    typer.echo(f"nauth: {error}", err=True)
    # not for a refused credential: its retry_after is the pause of a client that goes on running; this process ends
    if isinstance(error, VendorUnavailableError) and error.retry_after is not None:
        typer.echo(f"  try again in {math.ceil(error.retry_after.total_seconds())} s", err=True)
    if isinstance(error, NauthError) and error.request_id is not None:
        typer.echo(f"  the vendor's name for this request: {error.request_id}", err=True)
    return code
