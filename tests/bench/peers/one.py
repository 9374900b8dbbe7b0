"""One scenario with one peer, in this process: ``python -m tests.bench.peers.one PEER SCENARIO URL FOLDER``.

Prints ``ready`` once the library is imported, then one JSON object: figures, or why there are none.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path

from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.peer import CannotDoError, Setup
from tests.bench.peers.scenarios import SCENARIOS, Figures, Scene
from tests.bench.peers.server import Control

__all__ = ["play"]


def play(peer: str, scenario: str, control: Control, folder: Path) -> Figures:
    """Return what came of it: ``{"figures": ...}``, or ``{"cannot": reason}``."""
    kind = PEERS[peer]
    if scenario in kind.cannot:
        return {"cannot": kind.cannot[scenario]}
    control(reset=True)
    try:
        played = SCENARIOS[scenario](Scene(kind, control, folder))
        return {"figures": asyncio.run(played) if inspect.iscoroutine(played) else played}
    except CannotDoError as reason:
        return {"cannot": str(reason)}
    except Exception as error:  # noqa: BLE001 - a row of the report
        return {"broke": f"{type(error).__name__}: {error}"[:200]}


async def _member(peer: str, url: str, folder: Path) -> None:
    """Get one token, as one of several processes."""
    one = PEERS[peer](Setup(url=url, folder=folder))
    await one.open()
    await one.token()
    print("good", flush=True)
    await one.close()


def main(peer: str, scenario: str, url: str, folder: str) -> None:
    """Play and print; leave without waiting for threads that a peer has left behind."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if scenario == "member":
        asyncio.run(_member(peer, url, Path(folder)))
        return
    # what an import takes on a busy machine is no part of a scenario's time
    with contextlib.suppress(ImportError):
        import_module(PEERS[peer].imports)
    print("ready", flush=True)
    print(json.dumps(play(peer, scenario, Control(url), Path(folder))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
