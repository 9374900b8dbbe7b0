"""Bodies of Nomba's responses as they were recorded."""

from __future__ import annotations

from pathlib import Path

__all__ = ["body"]


def body(name: str) -> bytes:
    """Return a recorded body."""
    return (Path(__file__).parent / "bodies" / name).read_bytes()
