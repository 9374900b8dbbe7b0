"""`StoreContract`: the tests that every `TokenStore` must pass, for authors of stores."""

# ruff: noqa: S101 - assertions are what a contract suite is made of
from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import attrs

from nauth.errors import StoreError
from nauth.secret import Secret
from nauth.stores.base import TokenStore
from nauth.testing.contract.hooks import NOW, sample
from nauth.testing.contract.leases import LeaseContract
from nauth.testing.contract.sharing import SharingContract
from nauth.token import Token

__all__ = ["StoreContract"]

_ODD = "\"'\\|:{}%\r\n\t\x00 \u00e4\u05d0\U0001f511\ud800"
"""Characters that break careless quoting, splitting and encoding; JSON may contain even half of a surrogate pair."""

_ODD_IN_HEADER = _ODD.translate(dict.fromkeys(b"\r\n\0"))
"""The same without the characters that no header may hold: a store may refuse a record with such an access token."""

_TOKENS = {
    "plain": sample(),
    "endless": sample(lifetime=None),
    "refreshable": sample(refresh="refresh"),
    "no scheme": attrs.evolve(sample(), scheme=""),
    "odd scheme": attrs.evolve(sample(), scheme=_ODD_IN_HEADER),
    "unicode": sample("access!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~", refresh=f"refresh{_ODD}"),
    "long": sample("a" * 65_536, refresh="r" * 65_536),
    "huge lifetime": sample(lifetime=timedelta.max),
    "microseconds": sample(lifetime=timedelta(hours=1, microseconds=1)),
    "end": attrs.evolve(sample(), expires_at=datetime(2099, 12, 31, 23, 59, 59, 999_999, UTC)),
    "end elsewhere": attrs.evolve(
        sample(), expires_at=datetime(2099, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    ),
    "end of the calendar": attrs.evolve(sample(), expires_at=datetime.max.replace(tzinfo=UTC)),
    "extra": attrs.evolve(sample(), extra={"session": "7", "": "", _ODD: _ODD}),
    "everything": Token(
        access_token=Secret("a"),
        refresh_token=Secret("r"),
        scheme="MAC",
        expires_at=datetime(2099, 1, 1, tzinfo=UTC),
        lifetime=timedelta(days=1),
        extra={"a": "1", "b": "2"},
    ),
}


class StoreContract(LeaseContract, SharingContract):
    """Try a `TokenStore` of your own: subclass this, say how to open the store, and let pytest run it.

    Fill in `open` and `advance`, and set `pushes`. pytest makes a new object for each test, so what `open` keeps on
    `self` is the data of one test; every test uses keys of its own, so a server need not be emptied in between. An
    engine that counts on a `FakeClock` moves it in `advance`::

        import contextlib
        from collections.abc import AsyncIterator
        from datetime import timedelta

        from nauth.stores import MemoryStore, TokenStore
        from nauth.testing import FakeClock
        from nauth.testing.contract import StoreContract


        class TestMyStore(StoreContract):
            pushes = True

            def setup_method(self) -> None:
                self.clock = FakeClock()
                self.store = MemoryStore(clock=self.clock)

            @contextlib.asynccontextmanager
            async def open(self) -> AsyncIterator[TokenStore]:
                # your engine: a new connection each time, closed afterwards
                yield self.store

            async def advance(self, by: timedelta) -> None:
                self.clock.advance(by)

    An engine that uses another clock, such as a database server's, waits instead, so its leases must be short: ``ttl =
    timedelta(seconds=0.2)`` and ``await asyncio.sleep(by.total_seconds())``.

    The tests are coroutines. They run as they are where pytest-asyncio is in auto mode; in strict mode mark your class
    with ``@pytest.mark.asyncio``. Without pytest, derive from ``unittest.IsolatedAsyncioTestCase`` as well. For
    pytest's detailed assertion messages call ``pytest.register_assert_rewrite("nauth.testing")`` in conftest.py, before
    the first import.

    Beyond the words of `TokenStore` the suite asks for one thing: a record with a refresh token outlives its access
    token (`nauth.stores.codec.REFRESH_LIFETIME`), for that refresh token may be the only one that still works.
    """

    async def test_is_a_store(self) -> None:
        """The engine has every part of the contract and says whether its records outlive the process."""
        async with self.open() as store:
            assert isinstance(store, TokenStore)
            assert store.persistent in {True, False}

    async def test_load_of_nothing(self) -> None:
        """A key without a commit has no record, and loading it creates none."""
        async with self.pair() as (ours, theirs):
            assert await ours.load(self.key()) is None
            assert await theirs.load(self.key()) is None

    async def test_round_trip(self) -> None:
        """Every field of a token comes back as it was committed, on another handle too."""
        async with self.pair() as (ours, theirs):
            for name, token in _TOKENS.items():
                key = self.key(name)
                written = await self.put(ours, token, key)
                assert written.token == token, f"{name}: commit returned another token"
                for store in (ours, theirs):
                    record = await self.get(store, key)
                    assert record.token == token, f"{name}: load returned another token"
                    assert record.version == written.version > 0, f"{name}: load returned another version"

    async def test_one_record_replaces_the_other(self) -> None:
        """A commit leaves nothing of the record before it."""
        async with self.pair() as (ours, theirs):
            for store, name in (
                (ours, "everything"),
                (theirs, "plain"),
                (ours, "endless"),
                (theirs, "extra"),
            ):
                await self.put(store, _TOKENS[name], self.key())
                assert (await self.get(ours, self.key())).token == _TOKENS[name]

    async def test_age_is_counted_by_the_store(self) -> None:
        """A record's age is what the commit said and what has passed since, for every reader."""
        told = timedelta(seconds=3)
        async with self.pair() as (ours, theirs):
            written = await self.put(ours, sample(lifetime=timedelta(days=1)), self.key(), age=told)
            _about(written.age, told, self.patience)
            await self.advance(self.ttl)
            for store in (ours, theirs):
                _about((await self.get(store, self.key())).age, told + self.ttl, self.patience)

    async def test_a_token_from_the_future_has_no_negative_age(self) -> None:
        """The age of a new record is never negative."""
        async with self.open() as store:
            assert (await self.put(store, sample(), self.key())).age >= NOW
            assert (await self.get(store, self.key())).age >= NOW

    async def test_version_grows(self) -> None:
        """Each commit has a greater version than all before it, discarded ones too."""
        versions: list[int] = []
        async with self.pair() as (ours, theirs):
            for turn, store in enumerate((ours, theirs) * 3):
                versions.append((await self.put(store, sample(str(turn)), self.key())).version)
                if turn % 3:
                    assert await theirs.discard(self.key(), sample(str(turn)))
        assert versions == sorted(set(versions)), f"versions went back: {versions}"

    async def test_commit_compares_the_version(self) -> None:
        """A commit that expects another version than the record's is refused and writes nothing."""
        async with self.pair() as (ours, theirs):
            first = await self.put(ours, sample("first"), self.key())
            second = await self.put(theirs, sample("second"), self.key())
            for wrong in (0, first.version, second.version + 1):
                await self._refused(ours, sample("wrong"), expected=wrong)
                record = await self.get(ours, self.key())
                assert (record.token, record.version) == (second.token, second.version)

    async def test_commit_compares_with_no_record(self) -> None:
        """A commit that expects a record where there is none, or none any more, is refused and writes nothing."""
        async with self.pair() as (ours, theirs):
            await self._refused(ours, sample(), expected=1)
            assert await ours.load(self.key()) is None
            record = await self.put(ours, sample(), self.key())
            assert await theirs.discard(self.key(), sample())
            await self._refused(ours, sample("late"), expected=record.version)
            assert await theirs.load(self.key()) is None
            assert (await self.put(ours, sample("new"), self.key())).version > record.version

    async def test_discard_compares(self) -> None:
        """A discard deletes the record of the access token it names, and no other."""
        async with self.pair() as (ours, theirs):
            assert not await ours.discard(self.key(), sample())
            await self.put(ours, sample("a", refresh="r"), self.key())
            assert not await theirs.discard(self.key(), sample("b", refresh="r"))
            assert (await self.get(ours, self.key())).token == sample("a", refresh="r")
            assert await theirs.discard(self.key(), attrs.evolve(sample("a"), extra={"other": "fields"}))
            assert await ours.load(self.key()) is None
            assert not await ours.discard(self.key(), sample("a"))

    async def test_discard_leaves_the_lease(self) -> None:
        """A discard deletes the record and leaves the lease held."""
        async with self.pair() as (ours, theirs):
            await self.put(ours, sample("a"), self.key())
            lease = await self.take(ours, self.key())
            assert await theirs.discard(self.key(), sample("a"))
            assert await theirs.lease(self.key(), self.ttl) is None
            await ours.commit(lease, sample("b"), expected_version=0, age=NOW)
            assert (await self.get(theirs, self.key())).token == sample("b")

    async def test_keys_are_independent(self) -> None:
        """Keys that differ in any character have separate records and leases."""
        base, odd, long = self.key(), _ODD.replace("\ud800", ""), "x" * 1000
        keys = [
            base,
            attrs.evolve(base, vendor="other"),
            attrs.evolve(base, base_url="https://localhost"),
            attrs.evolve(base, identity=f"{base.identity}|"),
            # the same text when the parts are joined carelessly
            attrs.evolve(base, vendor=f"v|{base.identity}", base_url="b"),
            attrs.evolve(base, vendor="v", base_url=f"{base.identity}|b"),
            *(self.key(name) for name in (odd, f"{odd} ", "*", "?", "_", long, f"{long}y", "A", "a")),
        ]
        async with self.pair() as (ours, theirs):
            leases = [await self.take(ours, key) for key in keys]
            for turn, lease in enumerate(leases):
                await ours.commit(lease, sample(str(turn)), expected_version=0, age=NOW)
            assert await theirs.discard(keys[0], sample("0"))
            assert await theirs.load(keys[0]) is None
            found = [(await self.get(theirs, key)).token.access_token.reveal() for key in keys[1:]]
            assert found == [str(turn) for turn in range(1, len(keys))]

    async def test_a_refresh_token_outlives_its_access_token(self) -> None:
        """A record with a refresh token is kept after its access token's end, even if it was committed expired."""
        async with self.open() as store:
            for name, age in (("young", NOW), ("dead", self.ttl)):
                token = sample("a", refresh="r", lifetime=self.ttl / 2)
                await self.put(store, token, self.key(name), age=age)
            await self.advance(self.ttl)
            for name in ("young", "dead"):
                assert (await self.get(store, self.key(name))).token.refresh_token == Secret("r")

    async def test_dead_on_arrival(self) -> None:
        """Committing an expired token is no error, whether the store keeps it or not."""
        async with self.open() as store:
            for turn, lifetime in enumerate((self.ttl, timedelta(0), -self.ttl)):
                token = sample(f"dead {turn}", lifetime=lifetime)
                assert (await self.put(store, token, self.key(), age=2 * self.ttl)).token == token
            await self.put(store, sample("alive"), self.key())
            assert (await self.get(store, self.key())).token == sample("alive")

    async def test_aclose(self) -> None:
        """Closing twice is harmless, and so is one handle's closing to the other; a closed one may fail cleanly."""
        async with self.pair() as (ours, theirs):
            await self.put(ours, sample("a"), self.key())
            await ours.aclose()
            await ours.aclose()
            with contextlib.suppress(StoreError):
                await ours.load(self.key())
            assert (await self.get(theirs, self.key())).token == sample("a")
            await self.put(theirs, sample("b"), self.key())

    async def _refused(self, store: TokenStore, token: Token, *, expected: int) -> None:
        lease = await self.take(store, self.key())
        await self.lost(store.commit(lease, token, expected_version=expected, age=NOW))
        await store.release(lease)


def _about(age: timedelta, expected: timedelta, patience: timedelta) -> None:
    # engines count in milliseconds, and time passes on real clocks
    assert -timedelta(milliseconds=5) <= age - expected < patience, f"age is {age}, not {expected}"
