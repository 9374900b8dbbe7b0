"""A local test server that behaves like NAO Cloud; a switch for each question that its pages leave open."""

from __future__ import annotations

from naoauth.sandbox.server import NaoSandbox
from naoauth.sandbox.switches import SWITCHES, SwitchOptions

__all__ = ["SWITCHES", "NaoSandbox", "SwitchOptions"]
