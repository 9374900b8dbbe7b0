"""Whether a secret can be found in log records, in any field and in any form."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from nauth.secret import Secret

__all__ = ["shown_in"]


def shown_in(records: Iterable[logging.LogRecord], secret: Secret) -> bool:
    """Tell whether the text of `secret` stands in a record's message or in any of its fields."""
    return any(secret.reveal() in f"{record.getMessage()} {record.__dict__}" for record in records)
