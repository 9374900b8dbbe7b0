"""Nomba on loopback: what the documents say, and every way in which they may be wrong, as a switch."""

from __future__ import annotations

from nombaauth.sandbox.server import NombaSandbox
from nombaauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NombaSandbox", "SwitchOptions"]
