"""One vendor's double and clients of it, with everything that is sent and shown being kept.

    uv run pytest tests/secret_leaks

No secret is ever shown: not in logs, errors, tracebacks, events, reprs, pickles, copies or output. Every secret is a
canary: those of the credentials, everything the vendors' doubles issue, and everything the library wraps in a `Secret`
on its way (codes, states, PKCE verifiers). Tours of successes and failures are made; everything that shows anything is
kept and searched; and of each request it is checked that a secret stood only where the vendor wants it.

What is excluded, and why:

* Frames of the tests themselves, which hold the canaries.
* A `Secret`'s own slot: reading it is calling `reveal` by another name.
* Nothing of aiohttp's: its frames hold requests in its own objects, whose reprs show no headers, and those that an error
  of aiohttp's own passes on its way to the caller of `client.request` are searched like all others. What is excluded of
  other libraries stands where it is: `test_httpx.py`, `test_stores.py`, `test_command_line.py`.
* What an OAuth server adds under names of its own: see `places.EXTRA`.
* Live objects are not copied or pickled part by part: copies are looked at of records only.
* An error code in the form of one (lower case, digits, `_.-`, short) is shown: errors carry the vendor's code.
* `nauth token --show` prints the token, which is what it is for.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import attrs
from aiohttp import ClientError

from nauth.client import VendorClient
from nauth.errors import NauthError
from nauth.secret import Secret
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from tests.support.leaks.detector import Canaries, Received, Witness, received, secrets_of, wrapped
from tests.support.vendors.table import CASES, FIXED, Case

__all__ = ["ALL", "DAY", "PLANTED", "Scene", "Step", "act", "harvest", "play"]

PLANTED = "canary-3f9d2c71b5e84a06-in-an-answer"
"""What a vendor's answer holds where it should not."""
DAY = timedelta(days=1)

ALL = (*CASES, *FIXED)
"""Every way to sign in."""


def harvest(canaries: Canaries, sandbox: Any) -> None:
    """Plant what the double has issued."""
    for memory in sandbox.memories():
        for name, kind in (("_accesses", "access"), ("_refreshes", "refresh"), ("_codes", "code")):
            for secret in getattr(memory, name, ()):
                canaries.add(kind, secret)


class Scene:
    """One double, what it was sent, and a witness of everything else."""

    def __init__(self, case: Case, switches: Mapping[str, Any] | None = None) -> None:
        self.case = case
        self.canaries = Canaries()
        self.witness = Witness()
        self.clock = FakeClock(jump=True)
        self.sandbox = case.vendor.sandbox(clock=self.clock, **{**case.switches, **(switches or {})})
        self.parts = received(self.sandbox)
        self.strangers: list[Received] = []
        self.paths = 0
        self.canaries.add("planted", PLANTED)

    async def client(self, *, wrong: bool = False, **options: Any) -> VendorClient:
        """Open a client on a store of its own."""
        credentials = self.case.credentials(self.sandbox)
        if self.case.signed_on:
            self.clock.advance(DAY)
        if wrong:
            credentials = attrs.evolve(
                credentials, **{name: f"wrong-5b1e77c04ad9-{name}" for name in self.case.wrong}
            )
        for name, secret in secrets_of(credentials):
            self.canaries.add(name, secret)
            self.canaries.add("basic", _basic(getattr(credentials, "client_id", ""), secret))
        self.witness.shown("credentials", credentials)
        given: dict[str, Any] = {"base_url": self.sandbox.base_url, "store": MemoryStore(clock=self.clock)}
        if getattr(self.sandbox, "sso_base_url", None):
            given["sso_base_url"] = self.sandbox.sso_base_url
        made = self.case.vendor.client(
            credentials, clock=self.clock, observer=self.witness.event, **(given | options)
        )
        assert isinstance(made, VendorClient)
        return made

    async def attempt(self, name: str, work: Awaitable[Any]) -> Any:
        """Do one thing, and look at what comes of it, well or not."""
        self.paths += 1
        try:
            result = await work
        except (NauthError, ClientError, TimeoutError) as error:
            self.witness.caught(name, error)
            return None
        self.witness.shown(f"{name}: result", result)
        return result

    async def status(self, client: VendorClient) -> int:
        async with client.get(self.case.vendor.path) as response:
            await response.read()
            self.witness.seen.append(("response", repr(response)))
            return response.status

    def look(self, client: VendorClient) -> None:
        """Look at a client and all that hangs on it."""
        for name, thing in (
            ("client", client),
            ("manager", client._manager),
            ("auth", client.auth),
            ("api", client.api),  # type: ignore[attr-defined]  # every vendor's client has it
            ("store", client._manager._store),
            ("token", client._manager.current),
        ):
            self.witness.shown(name, thing)

    def misplaced(self, allowed: Mapping[str, Mapping[str, set[str]]]) -> list[str]:
        """Name each part of a request that holds a secret it must not hold."""
        found: set[str] = set()
        for part in self.parts:
            may = allowed.get(part.endpoint, allowed["*"]).get(part.place, set())
            for kind in self.canaries.kinds(part.text) - may:
                found.add(f"{part.endpoint}: {part.place} holds {kind}")
        for part in self.strangers:
            for kind in self.canaries.kinds(part.text):
                found.add(f"a stranger: {part.place} holds {kind}")
        return sorted(found)


def _basic(client_id: str, secret: Secret) -> str:
    return base64.b64encode(f"{client_id}:{secret.reveal()}".encode()).decode()


Step: TypeAlias = Callable[[Scene], Awaitable[None]]


async def act(scene: Scene, *steps: Step) -> None:
    """Play `steps` on the running loop."""
    asyncio.get_running_loop().set_exception_handler(scene.witness.loop_error)
    async with scene.sandbox:
        for step in steps:
            await step(scene)


def play(scene: Scene, *steps: Step) -> None:
    """Play `steps` on a loop of their own, with everything being watched."""
    with wrapped(scene.canaries), scene.witness.watching(), asyncio.Runner(debug=True) as runner:
        runner.run(act(scene, *steps))
    harvest(scene.canaries, scene.sandbox)
