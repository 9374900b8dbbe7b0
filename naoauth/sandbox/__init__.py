"""NAO Cloud on loopback: what the pages say, and every way in which they may be wrong, as a switch."""

from __future__ import annotations

from naoauth.sandbox.server import NaoSandbox
from naoauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NaoSandbox", "SwitchOptions"]
