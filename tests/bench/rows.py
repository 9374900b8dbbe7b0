"""One record of six members, as a transaction has: what the benchmarks' servers send, and what their clients read."""

from __future__ import annotations

import attrs

__all__ = ["ROW", "Row"]

ROW = {
    "id": "t-1",
    "status": "SUCCESS",
    "amount": "1500.10",
    "timeCreated": "2026-01-05T08:00:00.000Z",
    "bankCode": "090001",
    "narration": "rent",
}


@attrs.frozen
class Row:
    """Six members, as a transaction has."""

    id: str
    status: str
    amount: str
    time_created: str
    bank_code: str
    narration: str | None = None
