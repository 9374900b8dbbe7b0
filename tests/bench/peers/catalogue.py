"""All adapters, by the names that the report uses."""

from __future__ import annotations

from importlib.util import find_spec

from tests.bench.peers.adapters import google, microsoft, oauth, ours, sketch, vendors
from tests.bench.peers.peer import Peer

__all__ = ["PEERS", "installed"]

PEERS: dict[str, type[Peer]] = {
    peer.name: peer
    for module in (ours, sketch, microsoft, google, oauth, vendors)
    for peer in module.ADAPTERS
}


def installed(peer: type[Peer]) -> bool:
    """Say whether the peer's package is here: it is with ``uv run --group peers``."""
    try:
        return find_spec(peer.imports) is not None
    except ModuleNotFoundError:
        return False
