"""Threads, loops and short-lived clients in a storm: does any thread ever wait for ever?

    python -m tests.simulation.thread_storm --seconds 600 [--threads 6] [--seed N]

Each thread runs one event loop after another. In each, a few clients of a few credentials ask for tokens, force and
report 401s, sign out, are cancelled, closed, or dropped unclosed; then the loop ends as `asyncio.run` ends it, or, one
time in five, is closed with everything pending. The garbage collection runs far more often than usual, so that
coroutines of closed loops are ended in any thread, at any allocation.

A plain process on the machine's own clock, because pytest's hook for unraisable exceptions does not bear it. Exits 1
and shows every thread's stack if one makes no progress for `--stall` seconds, if a caller got something other than a
token or an error of the library's, or if at the end a credential brings no token.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import random
import secrets
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from nauth.errors import CredentialsRejectedError, NauthError, VendorUnavailableError
from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.stores.base import StoreKey
from nauth.stores.memory import MemoryStore
from nauth.token import RenewalPolicy, Token

__all__ = ["Storm", "main"]

_POLICY = RenewalPolicy(
    margin=timedelta(seconds=0.1),
    jitter=timedelta(0),
    backoff=timedelta(seconds=0.02),
    backoff_cap=timedelta(seconds=0.1),
    cooldown=timedelta(seconds=0.02),
    deadline=timedelta(seconds=1),
)
_LIFE = timedelta(seconds=0.25)


class _Vendor:
    """Takes each refresh token once, and fails now and then. Safe across threads."""

    renewable = True

    def __init__(self, name: str) -> None:
        self._name, self._count, self._refresh = name, 0, ""
        self._guard = threading.Lock()
        self._chance = random.Random(name)
        self.calls = 0

    async def issue(self) -> Token:
        return await self._call_vendor(None)

    async def refresh(self, token: Token) -> Token:
        assert token.refresh_token is not None
        return await self._call_vendor(token.refresh_token.reveal())

    async def revoke(self, token: Token) -> None:
        await asyncio.sleep(0.002)

    async def _call_vendor(self, spent: str | None) -> Token:
        with self._guard:
            self.calls += 1
            luck, wait = self._chance.random(), self._chance.random()
            if spent is not None and spent != self._refresh:
                raise CredentialsRejectedError("this refresh token was used before")
            self._count += 1
            count, self._refresh = self._count, f"r{self._name}{self._count}"
        await asyncio.sleep(0.01 * wait)
        if luck < 0.1:
            raise VendorUnavailableError("503", status=503)
        return Token(
            access_token=Secret(f"t{self._name}{count}"),
            refresh_token=Secret(f"r{self._name}{count}"),
            lifetime=_LIFE,
        )


class Storm:
    """Some threads, until their time is over.

    Attributes:
        wrong: what must not happen and did.
        counts: what happened, by name.
    """

    def __init__(self, *, threads: int, seconds: float, stall_s: float, seed: int) -> None:
        self.seed, self._stall_s = seed, stall_s
        self._ends = time.monotonic() + seconds
        self._store = MemoryStore()
        self._vendors = [_Vendor(name) for name in "abc"]
        self._progress = [time.monotonic()] * threads
        self._at = ["starting"] * threads
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()

    def run(self) -> bool:
        """Run to the end and tell whether all was well. A thread that hangs ends the process at once."""
        threads = [
            threading.Thread(target=self._thread, args=(number,), name=f"storm {number}", daemon=True)
            for number in range(len(self._progress))
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.1)
            for number, thread in enumerate(threads):
                if thread.is_alive() and time.monotonic() - self._progress[number] > self._stall_s:
                    self._hangs(number)
        asyncio.run(self._afterwards())
        return not self.wrong

    def _hangs(self, number: int) -> None:
        sys.stdout.write(f"thread {number} makes no progress: {self._at[number]}; seed {self.seed}\n")
        sys.stdout.flush()
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)

    async def _afterwards(self) -> None:
        """All is over: each credential must bring a token within a few attempts."""
        for vendor in self._vendors:
            manager = self._manager(vendor)
            for _ in range(50):
                try:
                    await manager.token()
                    break
                except NauthError:
                    await asyncio.sleep(0.1)
            else:
                self.wrong.append(f"the credential {vendor._name} brings no token any more")
            await manager.aclose()

    def _manager(self, vendor: _Vendor) -> TokenManager:
        key = StoreKey(vendor="storm", base_url="https://api.example.com", identity=vendor._name)
        return TokenManager(vendor, key=key, store=self._store, policy=_POLICY)

    def _thread(self, number: int) -> None:
        chance = random.Random(self.seed * 1000 + number)
        while time.monotonic() < self._ends and not self.wrong:
            self._progress[number] = time.monotonic()
            if chance.random() < 0.2:
                self._wreck(number, chance)
            else:
                self._end(number, chance)

    def _end(self, number: int, chance: random.Random) -> None:
        self._at[number] = "in asyncio.run"
        self.counts["loops ended"] += 1
        asyncio.run(self._round(number, chance))

    def _wreck(self, number: int, chance: random.Random) -> None:
        self._at[number] = "in a loop to be closed"
        self.counts["loops closed"] += 1
        loop = asyncio.new_event_loop()
        work = loop.create_task(self._round(number, chance))
        loop.call_later(0.05 * chance.random(), loop.stop)
        loop.run_forever()
        loop.close()
        del work

    async def _round(self, number: int, chance: random.Random) -> None:
        """Let a few clients be used, in the ways that clients are used."""
        managers = [self._manager(chance.choice(self._vendors)) for _ in range(1 + chance.randrange(3))]
        work = [
            asyncio.ensure_future(self._ask(chance.choice(managers), chance.random(), chance.random()))
            for _ in range(1 + chance.randrange(12))
        ]
        for task in work:
            if chance.random() < 0.15:
                asyncio.get_running_loop().call_later(0.02 * chance.random(), task.cancel)
        if chance.random() < 0.5:
            await asyncio.wait(work)
        else:
            await asyncio.sleep(0.03 * chance.random())
        self._progress[number] = time.monotonic()
        self._at[number] = "closing clients"
        for manager in managers:
            if chance.random() < 0.4:
                await manager.aclose()

    async def _ask(self, manager: TokenManager, mood: float, more: float) -> None:
        try:
            token = await manager.token()
            self.counts["served"] += 1
            if mood < 0.1:
                await manager.renew()
            elif mood < 0.3:
                await manager.renew(token)
            elif mood < 0.4:
                manager.reject(token)
            elif mood < 0.45:
                manager.refused(token)
            elif mood < 0.5:
                await manager.revoke()
            elif mood < 0.55:
                await manager.aclose()
            elif mood < 0.6:
                manager.forgive()
            await asyncio.sleep(0.02 * more)
            await manager.token()
        except NauthError as error:
            self.counts[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
            self.wrong.append(f"a caller got {type(error).__name__}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as told, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="Threads, loops and short-lived clients in a storm.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument(
        "--stall", type=float, default=30, help="seconds without progress that count as a deadlock"
    )
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(arguments)
    for talk in ("asyncio", "nauth"):
        logging.getLogger(talk).setLevel(logging.CRITICAL)
    gc.set_threshold(200, 5, 5)
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    storm = Storm(threads=options.threads, seconds=options.seconds, stall_s=options.stall, seed=seed)
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda _: storm.counts.update(["unraisable"])
        well = storm.run()
    for line in storm.wrong:
        sys.stdout.write(line + "\n")
    told = ", ".join(f"{count} {name}" for name, count in sorted(storm.counts.items()))
    sys.stdout.write(f"seed {seed}: {'well' if well else 'WRONG'}; {told}\n")
    sys.stdout.flush()
    sys.stderr.close()  # what is collected at the exit has nothing to say
    os._exit(0 if well else 1)


if __name__ == "__main__":
    main()
