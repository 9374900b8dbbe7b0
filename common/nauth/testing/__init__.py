"""What tests of code that signs in need: a clock that obeys, and vendors that live on loopback."""

from __future__ import annotations

from nauth.testing.clock import FakeClock
from nauth.testing.contract.store import StoreContract
from nauth.testing.faults import Fault, Faults
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
]
