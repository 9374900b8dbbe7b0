"""Tools for tests of code that signs in: a controllable clock and local vendor servers."""

from __future__ import annotations

from nauth.testing.clock import FakeClock
from nauth.testing.contract.store import StoreContract
from nauth.testing.faults import Fault, Faults
from nauth.testing.herd import herd
from nauth.testing.sandbox import Exchange, Handler, Route, Sandbox
from nauth.testing.vendor_sandbox import VendorSandbox

__all__ = [
    "Exchange",
    "FakeClock",
    "Fault",
    "Faults",
    "Handler",
    "Route",
    "Sandbox",
    "StoreContract",
    "VendorSandbox",
    "herd",
]
