"""The bugs that the proof must catch: each one a mistake that a client of this kind has really been shipped with."""

from __future__ import annotations

from tests.mutation.bug import Planted
from tests.mutation.planted_calls import CALLS
from tests.mutation.planted_doubles import DOUBLES
from tests.mutation.planted_endings import ENDINGS
from tests.mutation.planted_loops import LOOPS
from tests.mutation.planted_manager import MANAGER
from tests.mutation.planted_middleware import MIDDLEWARE
from tests.mutation.planted_network import NETWORK
from tests.mutation.planted_operating import OPERATING
from tests.mutation.planted_people import PEOPLE
from tests.mutation.planted_renewal import RENEWAL
from tests.mutation.planted_sources import SOURCES
from tests.mutation.planted_stores import STORES
from tests.mutation.planted_telemetry import TELEMETRY

__all__ = ["PLANTED", "Planted"]

PLANTED: tuple[Planted, ...] = (
    *MANAGER,
    *RENEWAL,
    *STORES,
    *MIDDLEWARE,
    *NETWORK,
    *DOUBLES,
    *ENDINGS,
    *LOOPS,
    *OPERATING,
    *SOURCES,
    *CALLS,
    *PEOPLE,
    *TELEMETRY,
)
