"""A loop ends at every turn of a real renewal, over the network: NAO's OAuth, Nomba, `nauth.oauth2`, in every store.

The vendor, in a thread of its own, rotates as soon as it is asked and holds its answer until the end of the loop has begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from naoauth import NaoClient
from naoauth.sandbox import NaoSandbox
from nauth.client import VendorClient
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import AuthorizationCode, TokenEndpoint
from nauth.stores import TokenStore
from nauth.testing import Fault
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.deployments.vendor import Vendor as Endpoint
from tests.deployments.vendor import serving
from tests.endings.kit import LOOPS, POLICY, cancel_all, runner, store_of, turns

TURNS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30)
"""The first dozen is what goes on before the request is out; later ones find it on its way, or its answer."""


@attrs.define
class _Subject:
    """A client of a vendor.

    Attributes:
        client: keeps the token.
        rotated: how often the vendor has spent a refresh token.
        reused: how often one came a second time, or a sign-in took a refresh's place.
        hold: lets the vendor's next answer wait for the event that it returns.
    """

    client: TokenManager | VendorClient
    rotated: Callable[[], int]
    reused: Callable[[], int]
    hold: Callable[[], threading.Event]


@contextlib.contextmanager
def _nao(store: TokenStore) -> Iterator[_Subject]:
    with NaoSandbox(oauth_refresh="rotated_old_dies") as sandbox:
        client = NaoClient(
            sandbox.credentials_of("oauth"), base_url=sandbox.base_url, store=store, policy=POLICY
        )
        yield _Subject(
            client,
            lambda: sandbox.committed["token"],
            lambda: sum(one.endpoint == "token" and one.status not in (200, None) for one in sandbox.log),
            lambda: _held(sandbox, "token"),
        )


@contextlib.contextmanager
def _nomba(store: TokenStore) -> Iterator[_Subject]:
    with NombaSandbox(refresh_rotation="new_old_dies", refresh_bearer="expired_ok") as sandbox:
        client = NombaClient(sandbox.credentials, base_url=sandbox.base_url, store=store, policy=POLICY)
        yield _Subject(
            client,
            lambda: sandbox.committed["refresh"],
            lambda: sandbox.requests["issue"] - 1,
            lambda: _held(sandbox, "refresh"),
        )


@contextlib.contextmanager
def _oauth2(store: TokenStore) -> Iterator[_Subject]:
    with serving(Endpoint(life_s=3600, delay_s=0.0)) as vendor:
        endpoint = TokenEndpoint(f"{vendor.url}/token", client_id="id", client_secret="s", policy=POLICY)
        grant = AuthorizationCode(endpoint, authorization_url=f"{vendor.url}/authorize", refresh_token="seed")

        def hold() -> threading.Event:
            vendor.gate = threading.Event()
            return vendor.gate

        yield _Subject(
            TokenManager(grant, key=endpoint.key("rotating"), store=store, policy=POLICY),
            lambda: len(vendor.made),
            lambda: vendor.reused,
            hold,
        )


def _held(sandbox: NaoSandbox | NombaSandbox, endpoint: str) -> threading.Event:
    gate = threading.Event()
    sandbox.faults.clear()
    sandbox.faults.add(Fault(gate=gate), endpoint=endpoint)
    return gate


SUBJECTS = {"NAO OAuth": _nao, "Nomba": _nomba, "nauth.oauth2": _oauth2}


async def _opened_at_the_end(gate: threading.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        asyncio.get_running_loop().call_later(0.01, gate.set)


async def _ends(subject: _Subject, turn: int, *, how: str) -> None:
    """Start a renewal, let it go on for `turn` turns, and return, or cancel all tasks first."""
    gate = subject.hold()
    watch, caller = asyncio.create_task(_opened_at_the_end(gate)), asyncio.create_task(subject.client.renew())
    # whatever it came to, it was heard of
    caller.add_done_callback(lambda task: task.cancelled() or task.exception())
    for _ in range(turn):
        await asyncio.sleep(0.001 if turn > 12 else 0)
    if how != "end":
        others = await cancel_all()
        if how == "recipe twice":
            await turns(1)
            others = [*others, *await cancel_all()]
        await asyncio.gather(*others, return_exceptions=True)
    del watch


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
@pytest.mark.parametrize("how", ["end", "recipe", "recipe twice"])
@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("vendor", SUBJECTS)
def test_a_real_renewal_is_kept_whenever_the_loop_ends(  # noqa: PLR0917 - a table of four ways
    vendor: str, kind: str, how: str, store: str, tmp_path: Path, redis_url: str | None
) -> None:
    """The vendor has rotated if and only if the new token is held and stored; no person is asked, nothing signs in anew."""
    with store_of(store, tmp_path, redis_url) as opened, SUBJECTS[vendor](opened()) as subject:
        client = subject.client

        async def kept() -> tuple[str, str]:
            held, record = client.current, await client.store.load(client.key)
            assert held is not None
            assert record is not None
            return held.access_token.reveal(), record.token.access_token.reveal()

        with runner(kind) as first:
            first.run(client.token())
        name, rotated, acted = None, subject.rotated(), set[bool]()
        for turn in TURNS:
            with runner(kind) as second:
                second.run(_ends(subject, turn, how=how))
            subject.hold().set()
            with runner(kind) as third:
                held, stored = third.run(kept())
                assert held == stored, f"turn {turn}"
                if name is not None:
                    acted.add(held != name)
                    assert (held != name) == (subject.rotated() != rotated), f"turn {turn}"
                third.run(client.renew())
                held, stored = third.run(kept())
                name, rotated = held, subject.rotated()
                assert held == stored, f"turn {turn}"
            assert subject.reused() == 0, f"turn {turn}"
        with runner(kind) as last:
            last.run(client.aclose())
            last.run(client.store.aclose())
        assert acted == {True, False}  # the sweep has met ends before the request was out, and after
