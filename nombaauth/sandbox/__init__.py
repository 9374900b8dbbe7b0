"""A local test server that behaves like Nomba; a switch for each question that its documents leave open."""

from __future__ import annotations

from nombaauth.sandbox.server import NombaSandbox
from nombaauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NombaSandbox", "SwitchOptions"]
