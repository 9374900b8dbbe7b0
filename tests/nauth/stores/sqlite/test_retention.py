"""How long an `SQLiteStore` keeps what: as long as it is of use, whatever the machine's clock does meanwhile."""

from __future__ import annotations

import base64
from datetime import timedelta

import attrs
import pytest

from nauth.secret import Secret
from nauth.stores.encrypted import EncryptedStore
from nauth.stores.sqlite.store import SQLiteStore
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY
from tests.support.sqlite.files import LONG, NOW, Shelf, held, outside, raw

OTHER = attrs.evolve(KEY, identity="other")
DAYS = 86_400.0


async def days_pass(shelf: Shelf, store: SQLiteStore, days: int) -> None:
    """Let another credential be renewed each day."""
    for _ in range(days):
        shelf.clock.advance(LONG)
        await shelf.put(store, made("daily"), OTHER)


@pytest.mark.parametrize("days", [3, 100, 20_000])
async def test_a_jump_of_the_clock_deletes_nothing(shelf: Shelf, days: int) -> None:
    """A clock that is put forward, and back again, costs no credential its record, however often the others commit."""
    store = shelf.open()
    await shelf.put(store, made("a", refresh="r"))
    await shelf.put(store, made("plain"), attrs.evolve(KEY, identity="plain"))
    shelf.clock.step_wall(days * DAYS)
    for _ in range(3):
        await shelf.put(store, made("b"), OTHER)
    assert len(await shelf.run("SELECT key FROM token")) == 3
    shelf.clock.step_wall(-days * DAYS)
    await shelf.put(shelf.open(), made("c"), OTHER)
    assert len(await shelf.run("SELECT key FROM token")) == 3


async def test_a_machine_that_wakes_up_in_1970(shelf: Shelf) -> None:
    """What was stored before the clock was set for the first time stays when it is."""
    shelf.clock.step_wall(-50 * 365 * DAYS)
    store = shelf.open()
    await shelf.put(store, made("a", refresh="r"))
    shelf.clock.step_wall(50 * 365 * DAYS)
    await days_pass(shelf, store, 30)
    assert await store.load(KEY) is not None


async def test_a_weekly_job_keeps_its_refresh_token(shelf: Shelf) -> None:
    """A refresh token of thirty days is still there a week later, among jobs that run each hour."""
    store = shelf.open()
    await shelf.put(store, made("a", refresh="r"))
    for _ in range(7 * 24):
        shelf.clock.advance(HOUR)
        await shelf.put(store, made("hourly"), OTHER)
    assert await store.load(KEY) is not None


async def test_refresh_tokens_leave_in_the_end(shelf: Shelf) -> None:
    """A record leaves a day after its refresh token's life: the setting, or what the vendor states."""
    store = SQLiteStore(shelf.path, clock=shelf.clock, refresh_lifetime=5 * LONG)
    stated = attrs.evolve(made("b", refresh="r"), extra={"refresh_token_expires_in": str(int(8 * DAYS))})
    third = attrs.evolve(KEY, identity="third")
    await shelf.put(store, made("a", refresh="r"))
    await shelf.put(store, stated, third)
    seen = list[int]()
    for _ in range(10):
        await days_pass(shelf, store, 1)
        seen.append(sum([await store.load(KEY) is not None, await store.load(third) is not None]))
    assert seen == [2] * 5 + [1] * 3 + [0] * 2
    await store.aclose()


async def test_a_sealed_record_is_kept_as_long(shelf: Shelf) -> None:
    """Encrypted or not: what the vendor states of the refresh token's life holds, and nothing else of `extra` shows."""
    inner = shelf.open()
    store = EncryptedStore(inner, {"k": Secret(base64.b64encode(bytes(32)).decode())})
    token = attrs.evolve(made("a", refresh="r"), extra={"refresh_expires_in": "864000", "session": "canary"})
    lease = await store.lease(KEY, LONG)
    assert lease is not None
    await store.commit(lease, token, expected_version=0, age=NOW)
    sealed = await inner.load(KEY)
    assert sealed is not None
    assert dict(sealed.token.extra) == {"refresh_expires_in": "864000"}
    record = await store.load(KEY)
    assert record is not None
    assert record.token == token
    await days_pass(shelf, inner, 12)
    assert await store.load(KEY) is None


async def test_files_from_before_the_table(shelf: Shelf) -> None:
    """A file that an earlier version made gets the clock when it is opened."""
    store = shelf.open()
    await shelf.put(store, made("a", refresh="r"))
    await store.aclose()
    await shelf.run("DROP TABLE clock")
    again = shelf.open()
    assert await again.load(KEY) is not None
    await shelf.put(again, made("b"), OTHER)
    await held(again)
    ((steady_us, seen_us),) = await shelf.run("SELECT steady_us, seen_us FROM clock")
    assert steady_us == seen_us == int(shelf.clock.wall() * 1_000_000)


async def test_an_age_counts(shelf: Shelf) -> None:
    """The life of a refresh token counts from when it was asked for."""
    store = SQLiteStore(shelf.path, clock=shelf.clock, refresh_lifetime=2 * LONG)
    lease = await held(store)
    await store.commit(lease, made("a", refresh="r"), expected_version=0, age=timedelta(days=1))
    await days_pass(shelf, store, 1)
    assert await store.load(KEY) is not None
    await days_pass(shelf, store, 1)
    assert await store.load(KEY) is None
    await store.aclose()


async def in_files(shelf: Shelf, text: str) -> list[str]:
    """Return the names of the store's files that hold `text`."""

    def look() -> list[str]:
        files = [file for file in shelf.path.parent.rglob("*") if file.is_file()]
        return sorted(file.name for file in files if text.encode() in file.read_bytes())

    return await outside(look)


async def test_a_replaced_token_is_in_no_file(shelf: Shelf) -> None:
    """What was replaced or discarded is overwritten while the store is open, in the write-ahead log too."""
    store = shelf.open()
    await shelf.put(store, made("first-canary", refresh="refresh-canary"))
    assert await in_files(shelf, "first-canary")
    await shelf.put(store, made("second-canary" * 2000))
    assert await in_files(shelf, "first-canary") == []
    assert await in_files(shelf, "refresh-canary") == []
    assert await in_files(shelf, "second-canary")
    assert await store.discard(KEY, made("second-canary" * 2000))
    assert await in_files(shelf, "second-canary") == []


async def test_a_reader_puts_the_overwriting_off(shelf: Shelf) -> None:
    """Another process that reads at the moment of the commit costs nothing but time: the next one overwrites both."""
    store, reader = shelf.open(), shelf.open()
    await shelf.put(store, made("first-canary"))
    await reader.load(KEY)
    await raw(reader, "BEGIN")
    await raw(reader, "SELECT count(*) FROM token")
    await shelf.put(store, made("second-canary"))
    assert await in_files(shelf, "first-canary")
    await raw(reader, "ROLLBACK")
    await shelf.put(store, made("third-canary"))
    assert await in_files(shelf, "first-canary") == await in_files(shelf, "second-canary") == []
