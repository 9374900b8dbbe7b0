"""`NAUTH_LOG`: the log on stderr without a line of code."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nauth.reporting import log_setup
from nauth.reporting.log_setup import FieldFormatter, set_up_log

_SCRIPT = """
import logging
from nauth.reporting.log_setup import set_up_log
set_up_log()
logging.getLogger("nauth.renewal").info("said", extra={"cause": "cold"})
"""


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the logger as it was."""
    monkeypatch.setattr(log_setup, "_last", "")
    logger = logging.getLogger("nauth")
    level = logger.level
    yield
    logger.setLevel(level)


def test_a_level() -> None:
    """The value sets the level of `nauth`; where logging is set up already, no handler is added."""
    set_up_log({"NAUTH_LOG": " DEBUG "})
    assert logging.getLogger("nauth").level == logging.DEBUG
    assert logging.getLogger("nauth").handlers == []
    set_up_log({"NAUTH_LOG": "warning"})
    assert logging.getLogger("nauth").level == logging.WARNING


def test_another_value(caplog: pytest.LogCaptureFixture) -> None:
    """A typo is reported, once, and changes nothing."""
    for _ in range(2):
        set_up_log({"NAUTH_LOG": "verbose-planted"})
    (record,) = caplog.records
    assert "debug, info, warning" in record.getMessage()
    assert "planted" not in record.getMessage()
    set_up_log({})
    assert logging.getLogger("nauth").level == logging.NOTSET


def test_the_fields_are_shown() -> None:
    """A line shows the event's fields that have a value."""
    record = logging.makeLogRecord(
        {
            "name": "nauth.renewal",
            "levelname": "INFO",
            "msg": "x",
            "cause": "cold",
            "error": None,
            "waiters": 0,
        }
    )
    line = FieldFormatter().format(record)
    assert line.endswith("INFO nauth.renewal x (cause=cold waiters=0)")
    assert FieldFormatter().format(logging.makeLogRecord({"msg": "plain"})).endswith("plain")


def test_in_a_program_without_logging() -> None:
    """A program that has set up nothing gets the lines on stderr."""
    root = Path(__file__).parents[3]
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [
            sys.executable,
            "-c",
            _SCRIPT,
        ],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NAUTH_LOG": "info", "PYTHONPATH": str(root / "common")},
    )
    assert done.stderr.endswith("INFO nauth.renewal said (cause=cold)\n")
