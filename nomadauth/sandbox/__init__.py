"""A local test server that behaves like Nomad Media; a switch for each question that its documents leave open."""

from __future__ import annotations

from nomadauth.sandbox.server import NomadSandbox
from nomadauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NomadSandbox", "SwitchOptions"]
