"""Nomad Media on loopback: what the documents say, and every way in which they may be wrong, as a switch."""

from __future__ import annotations

from nomadauth.sandbox.server import NomadSandbox
from nomadauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NomadSandbox", "SwitchOptions"]
