"""A local test server that behaves like Noyo; a switch for each question that its documents leave open."""

from __future__ import annotations

from noyoauth.sandbox.server import NoyoSandbox
from noyoauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NoyoSandbox", "SwitchOptions"]
