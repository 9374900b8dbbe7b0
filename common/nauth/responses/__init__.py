"""From an HTTP response to a typed reply, or to the vendor's own error. Every vendor's `responses.py` stands on this."""

from __future__ import annotations

__all__: list[str] = []
