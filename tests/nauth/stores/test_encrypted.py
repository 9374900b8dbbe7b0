"""`EncryptedStore`: the contract over a sealed `MemoryStore`, rotation, and records that do not open."""

from __future__ import annotations

import base64
import contextlib
import gc
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from nauth.errors import ConfigurationError, StoreError
from nauth.secret import Secret
from nauth.stores import EncryptedStore, aes_gcm
from nauth.stores.aes_gcm import Keyring
from nauth.stores.base import Lease, Record, StoreKey, TokenStore
from nauth.stores.memory import MemoryStore
from nauth.testing.clock import FakeClock
from nauth.testing.contract.store import StoreContract
from nauth.token import Token
from tests.support.authenticator import HOUR, made
from tests.support.leaks.errors import leaks
from tests.support.manager import KEY
from tests.support.store import FakeStore

OLD, NEW = EncryptedStore.generate_key(), EncryptedStore.generate_key()
NOW = timedelta(0)
CANARY = "canary-token-9f3a"
OTHER = attrs.evolve(KEY, identity="other")


class TestEncryptedStore(StoreContract):
    """Two handles are two programs with the same keys on one store."""

    pushes = True

    def setup_method(self) -> None:
        self.clock = FakeClock()
        self.inner = MemoryStore(clock=self.clock)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[TokenStore]:
        store = EncryptedStore(self.inner, {"2026-11": NEW, "2026-10": OLD})
        yield store
        await store.aclose()

    async def advance(self, by: timedelta) -> None:
        self.clock.advance(by)


class Shelf:
    """One inner store, and programs with this or that key on it."""

    def __init__(self) -> None:
        self.inner = FakeStore(FakeClock())

    def program(self, **keys: Secret) -> EncryptedStore:
        return EncryptedStore(self.inner, keys or {"new": NEW})

    async def sealed(self, key: StoreKey = KEY) -> Token:
        record = await self.inner.load(key)
        assert record is not None
        return record.token

    async def plant(self, text: str, key: StoreKey = KEY) -> None:
        await self.inner.plant(key, attrs.evolve(made("x"), access_token=Secret(text)))


async def put(store: TokenStore, token: Token, key: StoreKey = KEY) -> Record:
    lease = await store.lease(key, HOUR)
    assert lease is not None
    record = await store.load(key)
    version = 0 if record is None else record.version
    return await store.commit(lease, token, expected_version=version, age=NOW)


async def got(store: TokenStore, key: StoreKey = KEY) -> Token:
    record = await store.load(key)
    assert record is not None
    return record.token


async def test_the_inner_store_sees_nothing_but_the_end() -> None:
    """What lies in the inner store tells how long a token lives and nothing that it says."""
    shelf = Shelf()
    token = Token(
        access_token=Secret(CANARY),
        refresh_token=Secret(f"{CANARY}-refresh"),
        scheme=CANARY,
        lifetime=HOUR,
        expires_at=datetime(2099, 1, 1, tzinfo=UTC),
        extra={CANARY: CANARY},
    )
    store = shelf.program()
    await put(store, token)
    sealed = await shelf.sealed()
    assert (sealed.lifetime, sealed.expires_at) == (token.lifetime, token.expires_at)
    assert (sealed.scheme, dict(sealed.extra)) == ("", {})
    assert sealed.refresh_token == Secret("sealed")
    head, key_id, text = sealed.access_token.reveal().split(".")
    assert (head, key_id) == ("nauth1", "new")
    blob = base64.urlsafe_b64decode(text + "==")
    shown = f"{text} {blob!r} {sealed!r} {store!r} {vars(store)!r} {shelf.inner!r} {vars(shelf.inner)!r}"
    assert "canary" not in shown
    assert NEW.reveal() not in shown
    assert await got(store) == token


async def test_no_refresh_token_leaves_no_trace_of_one() -> None:
    """The placeholder is there only where there is a refresh token to keep the record for."""
    shelf = Shelf()
    await put(shelf.program(), made("a"))
    assert (await shelf.sealed()).refresh_token is None


async def test_each_seal_is_another() -> None:
    """The same token sealed twice looks different: each seal has a nonce of its own."""
    shelf, texts = Shelf(), set[str]()
    for _ in range(20):
        await put(shelf.program(), made("a"))
        texts.add((await shelf.sealed()).access_token.reveal().split(".")[2][:16])
    assert len(texts) == 20


async def test_rotation() -> None:
    """Records of the old key are read, and the next commit uses the first key."""
    shelf = Shelf()
    await put(shelf.program(old=OLD), made("a", refresh="r"))
    both = shelf.program(new=NEW, old=OLD)
    assert await got(both) == made("a", refresh="r")
    await put(both, made("b"))
    assert (await shelf.sealed()).access_token.reveal().startswith("nauth1.new.")
    assert await got(shelf.program(new=NEW)) == made("b")
    with pytest.raises(StoreError, match=r"with the key 'new'; the keys given here are: old\. Add 'new'"):
        await shelf.program(old=OLD).load(KEY)


async def test_a_wrong_key_is_an_error_and_nothing_is_lost() -> None:
    """Another key under the same id opens nothing, deletes nothing, and with the right one all is well."""
    shelf = Shelf()
    await put(shelf.program(new=OLD), made(CANARY, refresh="r"))
    before = await shelf.inner.load(KEY)
    wrong = shelf.program()
    with pytest.raises(StoreError, match="does not open with the key 'new'") as caught:
        await wrong.load(KEY)
    assert leaks(caught.value, [CANARY, OLD.reveal(), NEW.reveal()]) == []
    assert caught.value.__context__ is None
    with pytest.raises(StoreError, match="does not open"):
        await wrong.discard(KEY, made(CANARY))
    assert await shelf.inner.load(KEY) == before
    assert await got(shelf.program(new=OLD)) == made(CANARY, refresh="r")


async def test_a_record_is_bound_to_its_place() -> None:
    """A record that was copied to another credential's key, or given another key id, does not open."""
    shelf = Shelf()
    await put(shelf.program(), made("a"))
    text = (await shelf.sealed()).access_token.reveal()
    for key in (OTHER, attrs.evolve(KEY, vendor="other"), attrs.evolve(KEY, base_url="https://other")):
        await shelf.plant(text, key)
        with pytest.raises(StoreError, match="copied here"):
            await shelf.program().load(key)
    await shelf.plant(text.replace(".new.", ".same."))
    with pytest.raises(StoreError, match="does not open with the key 'same'"):
        await shelf.program(same=NEW).load(KEY)


async def test_tampering_is_seen() -> None:
    """No byte of a sealed token can be changed, and none left out."""
    shelf = Shelf()
    await put(shelf.program(), made("a"))
    blob = base64.urlsafe_b64decode((await shelf.sealed()).access_token.reveal().split(".")[2] + "==")
    bent = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(len(blob))]
    for wrong in (*bent, blob[:-1], blob[1:], blob[:12], blob[:3], blob + b"\0"):
        await shelf.plant(f"nauth1.new.{base64.urlsafe_b64encode(wrong).decode().rstrip('=')}")
        with pytest.raises(StoreError, match="was altered"):
            await shelf.program().load(KEY)
    await shelf.plant("nauth1.new.A")
    with pytest.raises(StoreError, match="was altered"):
        await shelf.program().load(KEY)


@pytest.mark.parametrize(
    "text", [CANARY, f"nauth2.new.{CANARY}", f"nauth1.new.{CANARY}.more", "nauth1.new.", f"nauth1..{CANARY}"]
)
async def test_a_plain_record_is_an_error(text: str) -> None:
    """A record that was never sealed is not taken for a token, and is not shown."""
    shelf = Shelf()
    await shelf.plant(text)
    with pytest.raises(StoreError, match="not one that EncryptedStore has written") as caught:
        await shelf.program().load(KEY)
    assert leaks(caught.value, [CANARY]) == []
    assert (await shelf.sealed()).access_token == Secret(text)


class Busy(FakeStore):
    """A store in which another program seals the same token anew between a look and a discard."""

    again: int = 1

    async def discard(self, key: StoreKey, token: Token) -> bool:
        if self.again:
            self.again -= 1
            opened = await got(EncryptedStore(self, {"new": NEW}), key)
            await put(EncryptedStore(self, {"new": NEW}), opened, key)
        return await super().discard(key, token)


async def test_discard_sees_through_a_new_seal() -> None:
    """A token that was sealed again meanwhile is still the token to discard."""
    store = EncryptedStore(Busy(FakeClock()), {"new": NEW})
    await put(store, made("a"))
    assert await store.discard(KEY, made("a"))
    assert await store.load(KEY) is None


class Refusing(FakeStore):
    async def discard(self, key: StoreKey, token: Token) -> bool:
        return False


async def test_discard_ends() -> None:
    """A store that shows a record and will not delete it is asked once."""
    store = EncryptedStore(Refusing(FakeClock()), {"new": NEW})
    await put(store, made("a"))
    assert not await store.discard(KEY, made("a"))


async def test_pushes_that_do_not_open(caplog: pytest.LogCaptureFixture) -> None:
    """A pushed record that cannot be opened is not delivered, and a warning says so once."""
    shelf = Shelf()
    heard: list[Record | None] = []
    reader = shelf.program(old=OLD)
    reader.subscribe(KEY, heard.append)
    with caplog.at_level(logging.DEBUG, "nauth"):
        await put(shelf.program(), made(CANARY))
        await put(shelf.program(), made(f"{CANARY}-2"))
        assert heard == []
        record = await shelf.inner.load(KEY)
        assert record is not None
        assert await shelf.inner.discard(KEY, record.token)
        assert heard == [None]
        await put(reader, made("good"))
        assert [None if one is None else one.token for one in heard] == [None, made("good")]
    assert len(caplog.records) == 1
    assert "the keys given here are: old" in caplog.text
    assert CANARY not in caplog.text


class Ear:
    def __init__(self) -> None:
        self.heard: list[Record | None] = []

    def hear(self, record: Record | None) -> None:
        self.heard.append(record)


async def test_dead_listeners_leave_nothing_behind() -> None:
    """A listener that died, or was taken off, is forgotten here and in the inner store."""
    shelf = Shelf()
    store = shelf.program()
    dies, stays = Ear(), Ear()
    store.subscribe(KEY, dies.hear)
    stop = store.subscribe(KEY, stays.hear)
    gc.collect()
    store.subscribe(KEY, stays.hear)()
    assert len(shelf.inner._listeners[KEY]) == 2
    record = await put(store, made("a"))
    assert dies.heard == stays.heard == [record]
    del dies
    gc.collect()
    assert len(store._relays) == 1
    stop()
    await put(store, made("b"))
    assert stays.heard == [record]
    assert store._relays == {}
    assert shelf.inner._listeners == {}


async def test_a_listener_that_dies_under_way_is_passed_over() -> None:
    """A push that has begun when its listener dies is dropped and does no harm."""
    shelf = Shelf()
    store, ear = shelf.program(), Ear()
    store.subscribe(KEY, ear.hear)
    (relay,) = store._relays.values()
    del ear
    gc.collect()
    relay.hear(None)
    assert store._relays == {}


class Closable(MemoryStore):
    persistent = True
    closed = False

    async def aclose(self) -> None:
        self.closed = True


async def test_what_passes_through() -> None:
    """Whether records last, the lease's object and the closing are the inner store's matter."""
    inner = Closable()
    store = EncryptedStore(inner, {"new": NEW})
    assert store.persistent
    assert not EncryptedStore(MemoryStore(), {"new": NEW}).persistent
    lease: Lease | None = await store.lease(KEY, HOUR)
    assert lease is inner._leases[KEY]
    await store.aclose()
    assert inner.closed
    assert repr(store) == "<EncryptedStore, keys new, over <MemoryStore: 0 records, 1 leases>>"
    assert repr(store._keyring) == "<Keyring: new>"


RAW = bytes(range(222, 254))
STANDARD = base64.b64encode(RAW).decode()


@pytest.mark.parametrize(
    "text",
    [STANDARD, STANDARD.rstrip("="), base64.urlsafe_b64encode(RAW).decode(), f"  {STANDARD}\n"],
    ids=["standard", "no padding", "url", "white space"],
)
async def test_ways_to_write_a_key(text: str) -> None:
    """Either alphabet, padded or not, with the line feed that a file ends with: it is one key."""
    shelf = Shelf()
    await put(shelf.program(k=Secret(base64.urlsafe_b64encode(RAW).decode())), made("a"))
    assert await got(shelf.program(k=Secret(text))) == made("a")


@pytest.mark.parametrize(
    "keys, match",
    [
        ({}, "is empty"),
        (NEW, "must be a mapping of key id to Secret, not Secret"),
        ([("new", NEW)], "must be a mapping .* not list"),
        ({"new": NEW.reveal()}, "key number 1 must be a Secret, not str"),
        ({"new": NEW, "old": None}, "key number 2 must be a Secret, not NoneType"),
        ({"new": Secret("")}, "key number 1 is not 32 bytes"),
        ({"new": Secret("canary!")}, "key number 1 is not 32 bytes"),
        ({"new": Secret("\u00e4" * 43)}, "key number 1 is not 32 bytes"),
        ({"new": Secret("canary=canary")}, "key number 1 is not 32 bytes"),
        ({"new": NEW, "old": Secret(base64.b64encode(b"canary" * 4).decode())}, "key number 2 is not 32"),
        ({"new": Secret(RAW.hex())}, "key number 1 is not 32 bytes"),
        ({NEW.reveal(): Secret("2026-11")}, "id of key number 1 must be a text"),
        ({"": NEW}, "id of key number 1 must be a text"),
        ({"a.b": NEW}, "id of key number 1 must be a text"),
        ({"new\n": NEW}, "id of key number 1 must be a text"),
        ({2026: NEW}, "id of key number 1 must be a text"),
        ({"new": NEW, "old": NEW}, "one key under two ids"),
    ],
)
def test_unfit_keys(keys: dict[str, Secret], match: str) -> None:
    """Every mistake with keys is an error at once, which names the place and quotes nothing."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        EncryptedStore(MemoryStore(), keys)
    text = str(caught.value)
    assert NEW.reveal() not in text
    assert "canary" not in text
    if NEW.reveal() not in repr(keys):  # what was not wrapped shows itself in the caller's own variables too
        assert leaks(caught.value, [NEW.reveal().rstrip("="), "canary", RAW.hex()]) == []


def test_generated_keys() -> None:
    """Generated keys are of the right length and never the same."""
    keys = {EncryptedStore.generate_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(base64.urlsafe_b64decode(key.reveal())) for key in keys} == {32}


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is missing the error names it."""
    monkeypatch.delitem(sys.modules, "nauth.stores.aes_gcm", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ConfigurationError, match=r"pip install nauth\[crypto\]"):
        EncryptedStore(MemoryStore(), {"new": NEW})


def test_importing_the_stores_imports_no_cryptography() -> None:
    """`nauth.stores` offers the class without its extra."""
    code = (
        "import sys, nauth.stores as s; s.EncryptedStore.generate_key(); print('cryptography' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "False"


def test_what_opens_and_is_no_token() -> None:
    """A record that opens and holds no token is an error that says so."""
    keyring = Keyring({"k": EncryptedStore.generate_key()})
    key = StoreKey(vendor="v", base_url="https://x.example", identity="i")
    text = keyring._sealed(b"no token", aes_gcm._bound(key, "k"))
    with pytest.raises(StoreError, match="cannot be read"):
        keyring.open(key, Token(access_token=Secret(f"nauth1.k.{text}"), scheme=""))
