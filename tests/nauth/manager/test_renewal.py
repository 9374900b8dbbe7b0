"""`Renewal`: the steps by themselves, without a manager."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import attrs
import pytest

from nauth.errors import ExpiredOnArrivalError, TokenUnchangedError
from nauth.manager.held_token import NOTHING
from nauth.manager.renewal import Renewal, Renewed, refusal
from nauth.manager.store_access import LEASE_GRACE, KeyedStore
from nauth.testing.clock import FakeClock
from nauth.time_formats import instant
from nauth.token import RenewalPolicy, Token
from tests.support.authenticator import HOUR, FakeAuthenticator, made
from tests.support.manager import KEY, POLICY, all_blocked
from tests.support.store import FakeStore


class Bench:
    """A renewal over fakes."""

    def __init__(self, policy: RenewalPolicy = POLICY, *, rotating: bool = False) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.vendor = FakeAuthenticator(rotating=rotating)
        self.renewal = Renewal(self.vendor, KeyedStore(self.store, KEY, self.clock), policy, self.clock)

    async def run(
        self,
        base: Token | None = None,
        version: int = 0,
        rejected: list[Token] | None = None,
        *,
        force: bool = False,
    ) -> Renewed:
        held = attrs.evolve(NOTHING, token=base, version=version)
        return await self.renewal.run(lambda: held, rejected or [], since=None if force else version)


async def test_lease_outlives_the_call() -> None:
    """The lease is longer than the token call may take, so that there is loop_state to store the result."""
    bench = Bench()
    gate = bench.vendor.gate = asyncio.Event()
    task = asyncio.create_task(bench.run())
    await all_blocked()
    (lease,) = bench.store._leases.values()
    assert lease.remaining == POLICY.deadline + LEASE_GRACE
    gate.set()
    await task


async def test_the_order_of_steps() -> None:
    """Lease, re-read, call, commit, and the lease is given back."""
    bench = Bench()
    made_one = await bench.run()
    assert bench.store.calls == ["lease", "load", "commit"]
    assert (made_one.call, made_one.version, made_one.fault) == ("issue", 1, None)


async def test_the_record_is_the_base_if_it_is_newer() -> None:
    """A newer record that is dead gives its refresh token; an older one does not replace what is held."""
    bench = Bench(rotating=True)
    await bench.store.plant(KEY, made("dead", refresh="newer"), age=HOUR)
    await bench.run(made("mine", refresh="mine"), 0)
    assert bench.vendor.calls == ["refresh newer"]
    await bench.run(made("mine", refresh="mine"), 2)
    assert bench.vendor.calls[1:] == ["refresh mine"]


async def test_expires_at_is_filled_in() -> None:
    """A token with a lifetime only gets its end by this machine's wall clock; a known one is left alone."""
    bench = Bench()
    result = await bench.run()
    assert result.token.expires_at == instant(bench.clock.wall() + 3600)
    end = instant(bench.clock.wall() + 100)
    bench.vendor.answers.append(
        Token(access_token=made("x").access_token, lifetime=timedelta(seconds=100), expires_at=end)
    )
    assert (await bench.run(force=True)).token.expires_at == end


async def test_authenticators_own_stamp_is_believed() -> None:
    """An authenticator that waited before its last attempt says by its stamp when that one went out."""
    bench = Bench()
    gate = bench.vendor.gate = asyncio.Event()
    bench.vendor.answers.append(
        Token(
            access_token=made("x").access_token,
            lifetime=HOUR,
            expires_at=instant(bench.clock.wall() + 3600 + 20),
        )
    )
    task = asyncio.create_task(bench.run())
    await all_blocked()
    bench.clock.advance(25)
    gate.set()
    result = await task
    assert bench.clock.monotonic() - result.asked_at == 5
    record = await bench.store.load(KEY)
    assert record is not None
    assert record.age == timedelta(seconds=5)


async def test_issue_after_a_refused_refresh_counts_from_its_own_sending() -> None:
    """The time spent on a refused refresh is no part of the life of the token issued after it."""
    bench = Bench()

    async def slow_load() -> None:
        bench.clock.advance(7)

    bench.vendor._spent.add("old")
    bench.store.will("load", None, slow_load)
    result = await bench.run(made("a", refresh="old"))
    assert bench.vendor.calls == ["refresh old", "issue"]
    assert result.asked_at == bench.clock.monotonic()


async def test_faults() -> None:
    """A refused token that comes back, and one without life, are marked, and stored only for a new refresh token."""
    bench = Bench()
    bench.vendor.answers.extend([made("a"), made("b", lifetime=timedelta(0)), made("a", refresh="new")])
    unchanged = await bench.run(None, 0, [made("a")])
    assert isinstance(unchanged.fault, TokenUnchangedError)
    dead = await bench.run()
    assert isinstance(dead.fault, ExpiredOnArrivalError)
    assert await bench.store.load(KEY) is None
    rotated = await bench.run(None, 0, [made("a")])
    assert isinstance(rotated.fault, TokenUnchangedError)
    assert rotated.version == 1


def test_refusal() -> None:
    """Only a token among the rejected ones is refused."""
    assert refusal(made("a"), [made("b"), made("a")]) is not None
    assert refusal(made("a"), [made("b")]) is None


@pytest.mark.parametrize("rejected, calls", [([], []), ([made("stored")], ["issue"])])
async def test_adoption(rejected: list[Token], calls: list[str]) -> None:
    """A newer record is adopted unless it is the refused token."""
    bench = Bench()
    await bench.store.plant(KEY, made("stored"), age=timedelta(seconds=9))
    result = await bench.run(None, 0, rejected)
    assert bench.vendor.calls == calls
    if not calls:
        assert result.asked_at == bench.clock.monotonic() - 9
