"""Noyo on loopback: what the documents say, and every way in which they may be wrong, as a switch."""

from __future__ import annotations

from noyoauth.sandbox.server import NoyoSandbox
from noyoauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NoyoSandbox", "SwitchOptions"]
