"""A port for a server that a test starts later."""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_port"]

# below those that systems hand out for port 0 and for outgoing connections: another test's connection would take such a
# port between this look and the server's start
_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """Return a port of loopback that no program uses, and that the system gives to none by itself.

    There is room for a second one, 10,000 above it, as a cluster of Redis has.
    """
    while True:
        port = random.SystemRandom().randint(_FIRST, _LAST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
