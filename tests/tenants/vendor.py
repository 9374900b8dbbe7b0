"""The vendor, in a process of its own: its sessions and journals are not the memory that is measured.

It is told by lines on its standard input: `advance 0.18` moves its clock, `look` empties its journal and makes it
print what it has counted. It ends when the input does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import attrs
from aiohttp import web

from nauth import Secret
from nauth.testing import FakeClock
from nombaauth import NombaCredentials
from nombaauth.sandbox import NombaSandbox

__all__ = ["Counts", "Vendor", "rss_mib", "serving"]


def rss_mib() -> float:
    """Return what is resident of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@attrs.frozen(kw_only=True)
class Counts:
    """What the vendor has counted, and what is resident of its own process."""

    sign_ins: int
    renewals: int
    cookies: int
    rss_mib: float


@attrs.frozen(eq=False)
class Vendor:
    """The process's other end."""

    url: str
    keys: list[NombaCredentials]
    _lines: SimpleQueue[str]
    _says: IO[str]
    _reading: threading.Lock = attrs.field(factory=threading.Lock)

    def advance(self, seconds: float) -> None:
        """Move the vendor's clock, a moment later."""
        self._lines.put(f"advance {seconds!r}")

    async def look(self) -> Counts:
        """Empty its journal and return what it has counted."""
        self._lines.put("look")
        return await asyncio.to_thread(self._answer)

    def _answer(self) -> Counts:
        with self._reading:
            return Counts(**json.loads(self._says.readline()))


@contextlib.contextmanager
def serving(tenants: int, *, lifetime: timedelta | None = None, real: bool = False) -> Generator[Vendor]:
    """Start a vendor that knows `tenants` credentials, each with an account of its own; stop it at the end.

    Args:
        tenants: how many.
        lifetime: of its access tokens; the vendor's own if None.
        real: whether it goes by the machine's clock.
    """
    command = [sys.executable, "-m", "tests.tenants.vendor", str(tenants)]
    if lifetime is not None:
        command += ["--lifetime", str(lifetime.total_seconds())]
    if real:
        command.append("--real")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own script
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            keys = [
                NombaCredentials(client_id=client_id, client_secret=Secret(secret), account_id=account_id)
                for client_id, secret, account_id in json.loads(process.stdout.readline())
            ]
            # a thread writes: the event loop must not wait for a pipe
            lines: SimpleQueue[str] = SimpleQueue()
            teller = threading.Thread(target=_write, args=(lines, process.stdin), name="vendor's lines")
            teller.start()
            try:
                yield Vendor(url, keys, lines, process.stdout)
            finally:
                lines.put("")
                teller.join()
        finally:
            process.communicate()


def _write(lines: SimpleQueue[str], told: IO[str]) -> None:
    for line in iter(lines.get, ""):
        told.write(f"{line}\n")
        told.flush()


def _serve(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tenants", type=int)
    parser.add_argument("--lifetime", type=float, default=1800.0)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args(arguments)
    clock, cookies = None if options.real else FakeClock(), 0

    def mine(request: web.Request) -> web.Response:
        nonlocal cookies
        account = request.headers["accountId"]
        cookies += len(request.cookies)
        response = sandbox.success({"account": account})
        response.set_cookie("tenant", account)
        return response

    with NombaSandbox(clock=clock, access_ttl=timedelta(seconds=options.lifetime)) as sandbox:
        sandbox.answer("GET", "/v1/mine", mine)
        keys = [sandbox.add_credentials(account_id=f"account-{number}") for number in range(options.tenants)]
        print(sandbox.base_url)
        print(
            json.dumps([[key.client_id, key.client_secret.reveal(), key.account_id] for key in keys]),
            flush=True,
        )
        for line in sys.stdin:
            what, *rest = line.split()
            if what == "advance" and clock is not None:
                clock.advance(float(rest[0]))
            elif what == "look":
                sandbox.log.clear()
                counts = Counts(
                    sign_ins=sandbox.requests["issue"],
                    renewals=sandbox.requests["refresh"],
                    cookies=cookies,
                    rss_mib=rss_mib(),
                )
                print(json.dumps(attrs.asdict(counts)), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1:])
