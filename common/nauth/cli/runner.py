"""Run one command's coroutine: signals cancel it, errors become a line of text and an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from types import FrameType

import typer

from nauth.cli.output import print_error, print_text
from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    InteractionRequiredError,
    NauthError,
    OutcomeUnknownError,
    PermissionDeniedError,
    StoreError,
    VendorUnavailableError,
)
from nauth.reporting.log_setup import VARIABLE

__all__ = ["run"]

_FAILED = 1
_WRONGLY_SET_UP = 2
_REFUSED = 3
_TRY_LATER = 4
_SAY_SO_AFTER_S = 1.0
"""Seconds after which a wait is explained: by then a person wonders."""
_SIGNALLED = 128
"""Added to the signal's number, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""


def run(
    command: Callable[[], Coroutine[object, None, int]],
    *,
    timeout_s: float | None = None,
    waiting_for: str | None = None,
    as_json: bool = False,
) -> int:
    """Run `command` and return its exit code; print an error's text, never a traceback.

    Exit codes of errors: 2 misuse, 3 refused (credentials, permission, a person must act), 4 try later (the vendor or
    the store cannot be reached, or has not answered in time), 1 anything else. Ctrl-C and SIGTERM cancel the
    coroutine, which closes what it opened on its way out.

    Args:
        command: makes the coroutine; its result is the exit code.
        timeout_s: the most that it may take.
        waiting_for: what is named on stderr if it takes longer than a second.
        as_json: print an error as JSON.
    """
    return asyncio.run(_supervised(command, timeout_s, waiting_for, as_json))


async def _supervised(
    command: Callable[[], Coroutine[object, None, int]],
    timeout_s: float | None,
    waiting_for: str | None,
    as_json: bool,
) -> int:
    with _cancelling() as caught, _saying(waiting_for), _warnings():
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return await command()
        except TimeoutError as error:
            if not limit.expired():
                return _tell(error, _FAILED, as_json=as_json)
            problem = VendorUnavailableError(f"there was no result within {timeout_s:.3g} s (--timeout)")
            return _tell(problem, _TRY_LATER, as_json=as_json)
        except asyncio.CancelledError:
            if not caught:
                raise
            return _SIGNALLED + caught[0]
        except NauthError as error:
            return _tell(error, _code(error), as_json=as_json)
        except BrokenPipeError:
            raise  # the reader of stdout has gone: typer ends without a message
        except OSError as error:
            return _tell(error, _FAILED, as_json=as_json)


def _code(error: NauthError) -> int:
    if isinstance(error, ConfigurationError):
        return _WRONGLY_SET_UP
    if isinstance(error, CredentialsRejectedError | InteractionRequiredError | PermissionDeniedError):
        return _REFUSED
    if isinstance(error, VendorUnavailableError | OutcomeUnknownError | StoreError):
        return _TRY_LATER
    return _FAILED


class _Warnings(logging.Handler):
    """Prints the library's warnings as the command prints its own sentences."""

    def emit(self, record: logging.LogRecord) -> None:
        # the command itself ends with that error
        if record.__dict__.get("nauth.event") != "renewal.failed":
            print_text(f"nauth: {record.getMessage()}", err=True)


@contextlib.contextmanager
def _warnings() -> Generator[None]:
    """Print the library's warnings, unless NAUTH_LOG says how to show the log."""
    logger, handler = logging.getLogger("nauth"), _Warnings(logging.WARNING)
    if not os.environ.get(VARIABLE):
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _saying(what: str | None) -> Generator[None]:
    """Say on stderr, after a second, what is waited for."""
    if what is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(
        _SAY_SO_AFTER_S, lambda: typer.echo(f"waiting for {what} ...", err=True)
    )
    try:
        yield
    finally:
        timer.cancel()


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


def _tell(error: Exception, code: int, *, as_json: bool) -> int:
    # not for a refused credential: its retry_after is the pause of a client that goes on running; this process ends
    wait_s = None
    if isinstance(error, VendorUnavailableError) and error.retry_after is not None:
        wait_s = math.ceil(error.retry_after.total_seconds())
    request_id = error.request_id if isinstance(error, NauthError) else None
    print_error(error, code=code, wait_s=wait_s, request_id=request_id, as_json=as_json)
    return code
