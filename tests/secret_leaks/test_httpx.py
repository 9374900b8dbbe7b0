"""httpx and httpx2, signed by `client.httpx_auth()`.

What is excluded: the frames of httpx and what it stands on (httpcore, h11, anyio), which hold the headers that were
sent, and pickles of httpx's own errors, which hold the request. Every other frame is looked at, and all that these
libraries log.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from nauth.client import VendorClient
from nauth.errors import NauthError
from nauth.testing import Fault
from tests.secret_leaks.places import PLACES
from tests.secret_leaks.scene import ALL, DAY, Scene, play
from tests.secret_leaks.steps import stranger
from tests.support.http.httpx_kits import KITS, client_of
from tests.support.leaks.detector import Witness

_CASES = {case.name: case for case in ALL}
_STRANGERS = ("/httpx/", "/httpx2/", "/httpcore/", "/httpcore2/", "/h11/", "/anyio/")
_OWN = " (an error of httpx's)"
_PICKLED = {f"{_OWN}: error pickle": {"access", "key"}}


class _Caller:
    """One httpx client, and a scene to play in."""

    def __init__(self, scene: Scene, client: VendorClient, kit: str) -> None:
        self._scene = scene
        self._auth = client.httpx_auth()
        scene.witness.shown("httpx auth", self._auth)
        self.http: Any = client_of(kit, self._auth, base_url=str(client._base_url), follow_redirects=True)

    async def attempt(self, name: str, url: str | None = None, **options: Any) -> None:
        """Ask for the vendor's resource, and look at what comes of it."""
        self._scene.paths += 1
        try:
            response = await self.http.get(url or self._scene.case.vendor.path, **options)
        except NauthError as error:
            self._scene.witness.caught(name, error)
        except Exception as error:  # noqa: BLE001 - of two packages, whose errors have nothing in common
            self._scene.witness.caught(f"{name}{_OWN}", error)
        else:
            self._scene.witness.seen.append((name, f"{response!r} {response} {response.request!r}"))
        self._scene.witness.seen.append((name, f"{self._auth!r} {self.http!r}"))


async def _day(scene: Scene, *, kit: str) -> None:
    endpoint = scene.case.vendor.endpoint
    async with await scene.client() as client, stranger(scene) as away:
        caller = _Caller(scene, client, kit)
        async with caller.http:
            await caller.attempt("request")
            scene.sandbox.kill_sessions()
            await caller.attempt("request, thrown out")
            scene.clock.advance(DAY)
            await caller.attempt("request, expired")
            fault = Fault(status=307, headers={"Location": away})
            scene.sandbox.faults.add(fault, endpoint=endpoint)
            await caller.attempt("request, sent away")
            await caller.attempt("request to a stranger", away)
            assert len(scene.strangers) == 2
            for drop in (Fault(drop="before"), Fault(drop="after"), Fault(status=500, body=b"{}")):
                scene.sandbox.faults.add(drop, endpoint=endpoint, times=4)
                await caller.attempt("request, dropped")
                scene.sandbox.faults.clear()
            gate = asyncio.Event()
            scene.sandbox.faults.add(Fault(gate=gate, hold="before"), endpoint=endpoint)
            await caller.attempt("request, timed out", timeout=0.05)
            gate.set()
            scene.sandbox.faults.clear()
            scene.sandbox.reject_all = True
            await caller.attempt("request, refused")
            await caller.attempt("request, refused again")
            scene.sandbox.reject_all = False
            scene.look(client)
        await caller.attempt("request, closed")
    if scene.case.wrong:
        async with await scene.client(wrong=True) as client:
            caller = _Caller(scene, client, kit)
            async with caller.http:
                await caller.attempt("request, wrong credential")
    async with await scene.client() as client:
        caller = _Caller(scene, client, kit)
        async with caller.http:
            await caller.attempt("request, before the end")
            if scene.case.renews:
                scene.sandbox.kill_sessions()
                scene.sandbox.faults.add(Fault(status=401), endpoint=scene.case.renews, times=20)
                scene.sandbox.faults.add(Fault(status=401), endpoint=scene.case.revives, times=20)
                await caller.attempt("request, thrown out for good")
                scene.sandbox.faults.clear()
                scene.clock.advance(DAY)
                await caller.attempt("request, and back")
            await scene.sandbox.aclose()
            await caller.attempt("request, no server there")
            scene.clock.advance(DAY)
            await caller.attempt("token, no server there")
            await scene.sandbox.start()


@pytest.mark.parametrize(
    "name", ["NombaCredentials", "NomadPassword", "NomadApiKey", "NoyoCredentials", "NaoSession-password"]
)
@pytest.mark.parametrize("kit", KITS)
def test_httpx_shows_no_secret(kit: str, name: str) -> None:
    """A day of requests through httpx, well and not, shows no canary, and a stranger gets none."""
    case = _CASES[name]
    scene = Scene(case)
    scene.witness = Witness(strangers=_STRANGERS)
    play(scene, partial(_day, kit=kit))
    assert scene.witness.errors > 4
    assert scene.witness.render()
    assert scene.witness.leaks(scene.canaries, but=_PICKLED) == []
    assert scene.misplaced(PLACES[case.vendor.name]) == []
