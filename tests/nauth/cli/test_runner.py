"""A command's coroutine ends in an exit code, whatever happens to it."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from datetime import timedelta

import pytest

from nauth.cli.runner import run
from nauth.errors import ConfigurationError, CredentialsRejectedError, VendorUnavailableError

_NEVER_S = 3600.0


def _raising(error: BaseException) -> int:
    async def command() -> int:
        raise error

    return run(command)


async def _seven() -> int:
    return 7


def test_result() -> None:
    """The coroutine's result is the exit code."""
    assert run(_seven) == 7


def test_other_thread() -> None:
    """A command also runs outside the main thread, where no signals arrive."""
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(run(_seven)))
    thread.start()
    thread.join()
    assert results == [7]


@pytest.mark.parametrize(
    "error, code, text",
    [
        (ConfigurationError("set it"), 2, "nauth: set it\n"),
        (OSError("the port is taken"), 1, "nauth: the port is taken\n"),
        (VendorUnavailableError("down"), 4, "nauth: down\n"),
        (
            VendorUnavailableError("busy", retry_after=timedelta(seconds=1.2), request_id="r-1"),
            4,
            "nauth: busy\n  try again in 2 s\n  the vendor's name for this request: r-1\n",
        ),
        (CredentialsRejectedError("no", retry_after=timedelta(seconds=10)), 3, "nauth: no\n"),
    ],
)
def test_errors(error: Exception, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error becomes its text on stderr and an exit code; a wait is named only where waiting helps."""
    assert _raising(error) == code
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize("error", [BrokenPipeError(), asyncio.CancelledError()])
def test_not_ours(error: BaseException) -> None:
    """A closed pipe is left to typer, and a cancellation that no signal caused to the loop."""
    with pytest.raises(type(error)):
        _raising(error)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal(number: signal.Signals, code: int) -> None:
    """A signal cancels the coroutine, a second one does not disturb its closing, and the old handlers return."""
    before = signal.getsignal(number)
    closed: list[bool] = []

    async def command() -> int:
        try:
            signal.raise_signal(number)
            await asyncio.sleep(_NEVER_S)
        finally:
            signal.raise_signal(number)
            await asyncio.sleep(0)
            closed.append(True)
        return 0

    assert run(command) == code
    assert closed == [True]
    assert signal.getsignal(number) is before


def test_warnings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's warnings are printed, but for the failure that the command itself ends with; NAUTH_LOG shows all."""
    log = logging.getLogger("nauth.renewal")

    async def work() -> int:
        log.warning("something else", extra={"nauth.event": "store.ignored"})
        log.error("the same again", extra={"nauth.event": "renewal.failed"})
        log.info("a detail")
        return 0

    assert run(work) == 0
    assert capsys.readouterr().err == "nauth: something else\n"
    monkeypatch.setenv("NAUTH_LOG", "debug")
    assert run(work) == 0
    assert "nauth: something else" not in capsys.readouterr().err
    assert not any(type(one).__name__ == "_Warnings" for one in logging.getLogger("nauth").handlers)
