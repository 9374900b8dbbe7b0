"""`NAUTH_LOG`: shows the log on stderr without a line of code, for a program that has set up no logging."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

__all__ = ["VARIABLE", "FieldFormatter", "set_up_log"]

VARIABLE = "NAUTH_LOG"

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_FIELDS = (
    "identity", "cause", "source", "took_ms", "waiters", "expires_at", "error", "retry_after_s", "quiet",
    "request_id", "age_s", "pushed", "cooldown_s", "method", "status", "origin", "store", "why", "operation",
)  # fmt: skip
"""What the log's lines carry beside their text, in the order in which it is shown."""

_last = ""


class FieldFormatter(logging.Formatter):
    """Format a line with its event's name and fields: ``time level logger event: text (name=value ...)``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        data = record.__dict__
        shown = [f"{name}={data[name]}" for name in _FIELDS if data.get(name) not in {None, ""}]
        return super().format(record) + (f" ({' '.join(shown)})" if shown else "")


def set_up_log(environ: Mapping[str, str] | None = None) -> None:
    """Obey `NAUTH_LOG`, once for each value: ``debug``, ``info`` or ``warning``.

    It sets the level of the logger ``nauth``, and adds a handler to it where the program has none of its own. Another
    value is reported by a warning and changes nothing: a typo there must not stop a service.
    """
    global _last  # noqa: PLW0603 - the setting of the process
    value = (os.environ if environ is None else environ).get(VARIABLE, "").strip().lower()
    if value == _last:
        return
    _last = value
    logger = logging.getLogger("nauth")
    if value not in _LEVELS:
        if value:
            logger.warning("%s must be %s; it is ignored", VARIABLE, ", ".join(_LEVELS))
        return
    logger.setLevel(_LEVELS[value])
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(FieldFormatter())
        logger.addHandler(handler)
