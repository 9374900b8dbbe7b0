"""`NAUTH_STORE`: which text names which store, one for each text and process, and no password in any error."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from yarl import URL

from nauth.clock import SystemClock
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.stores import MemoryStore, RedisStore, SQLiteStore, open_store, store_from_env
from nauth.stores.address import _table, store_for_client
from nauth.stores.memory import default_store
from nauth.testing import FakeClock
from nomadauth import NomadClient, NomadPassword
from nombaauth import NombaClient, NombaCredentials

PASSWORD = "hunter2-planted"
CREDENTIALS = NombaCredentials(client_id="i", client_secret="s", account_id="a")
LOGIN = NomadPassword(username="u", password="p")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a process that has opened nothing yet."""
    for name, empty in (("stores", {}), ("files", {}), ("told", set())):
        monkeypatch.setattr(_table, name, empty)


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_unset(value: str | None) -> None:
    """Unset or blank names no store."""
    assert store_from_env({} if value is None else {"NAUTH_STORE": value}) is None


@pytest.mark.parametrize("address", ["memory:", "memory://", "MEMORY:"])
def test_memory(address: str) -> None:
    """The process's own memory store can be named, too."""
    assert open_store(address) is default_store()


@pytest.mark.parametrize("slashes", [1, 3, 4])
def test_sqlite_absolute(slashes: int, tmp_path: Path) -> None:
    """One, three or four slashes begin an absolute path."""
    path = tmp_path / "t.db"
    store = open_store(f"sqlite:{'/' * slashes}{str(path)[1:]}")
    assert isinstance(store, SQLiteStore)
    assert repr(str(path)) in repr(store)


def test_sqlite_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the folder of the moment, for good; the repr shows it."""
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:t.db")
    assert str(tmp_path / "t.db") in repr(store)
    monkeypatch.chdir("/")
    assert open_store("sqlite:t.db") is store


@pytest.mark.parametrize(
    "address, shown",
    [
        ("redis://localhost:6379/2", "prefix 'nauth'"),
        (f"redis://u:{PASSWORD}@localhost/0?prefix=my%2Fapp&health_check_interval=3", "prefix 'my/app'"),
        (f"rediss://:{PASSWORD}@r.example.com:6380/0?prefix=x", "prefix 'x'"),
        (f"redis://:{PASSWORD}@r.example.com/0?allow_plaintext=true", "prefix 'nauth'"),
        ("unix:///run/redis.sock?db=1&prefix=p", "prefix 'p'"),
    ],
)
def test_redis(address: str, shown: str) -> None:
    """An address of Redis makes a RedisStore; our own parameters are taken off, the password is not shown."""
    store = open_store(Secret(address))
    assert isinstance(store, RedisStore)
    assert shown in repr(store)
    assert PASSWORD not in repr(store)


WRONG = [
    f"/var/lib/{PASSWORD}.db",
    f"C:\\{PASSWORD}\\t.db",
    f"sqlite://host/{PASSWORD}.db",
    "sqlite::memory:",
    "sqlite:",
    "sqlite:/folder/",
    f"sqlite:/t.db?key={PASSWORD}",
    f"postgres://u:{PASSWORD}@h/db",
    f"redis//u:{PASSWORD}@h",
    f"reddis://u:{PASSWORD}@h/0",
    f"redis://u:{PASSWORD}@r.example.com/0",
    f"redis://u:{PASSWORD}@h:port/0",
    f"redis://u:{PASSWORD}@localhost/0?allow_plaintext=perhaps",
    f"redis://u:{PASSWORD}@localhost/0?prefix=a&prefix=b",
    f"redis://u:{PASSWORD}@localhost/0?{PASSWORD}=1",
    f"memory:{PASSWORD}",
    PASSWORD,
]


@pytest.mark.parametrize("address", WRONG)
def test_wrong(address: str) -> None:
    """What names no store is refused: the error names the variable and quotes nothing, nor do the frames it passed."""
    with pytest.raises(ConfigurationError) as caught:
        store_from_env({"NAUTH_STORE": address})
    assert str(caught.value).startswith("NAUTH_STORE")
    walked = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in walked.stack if "/common/nauth/" in frame.filename]
    for name, shown in [
        item for frame in ours for item in (frame.locals or {}).items() if item[0] != "environ"
    ]:
        assert PASSWORD not in shown, name
    assert PASSWORD not in f"{caught.value}{caught.value.__context__}{caught.value.__cause__}"


def test_forms_are_listed() -> None:
    """The error lists the forms."""
    with pytest.raises(ConfigurationError, match=r"sqlite:.*redis://.*memory:"):
        open_store("nonsense")


def test_one_for_each_text(tmp_path: Path) -> None:
    """The same text is the same object; another text is another."""
    first = open_store(f"sqlite:{tmp_path}/a.db")
    assert store_from_env({"NAUTH_STORE": f" sqlite:{tmp_path}/a.db\n"}) is first
    assert open_store(f"sqlite:{tmp_path}/b.db") is not first


def test_file(tmp_path: Path) -> None:
    """`NAUTH_STORE_FILE` names a file that holds the address; it is read once."""
    file = tmp_path / "address"
    file.write_text(f"redis://:{PASSWORD}@localhost/0\n")
    store = store_from_env({"NAUTH_STORE_FILE": str(file)})
    assert isinstance(store, RedisStore)
    file.unlink()
    assert store_from_env({"NAUTH_STORE_FILE": str(file)}) is store


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "cannot be read"),
        (b"", "must hold one line"),
        (b"memory:\nmemory:", "must hold one line"),
        (b"memory:" + b" " * 70_000 + b"x", "must hold one line"),
        (b"\xff", "is not text"),
        (b"hunter2-planted", "names no token store"),
    ],
)
def test_wrong_file(content: bytes | None, said: str, tmp_path: Path) -> None:
    """A file that is missing, or holds no address, is named by its variable; its content is not quoted."""
    file = tmp_path / "address"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        store_from_env({"NAUTH_STORE_FILE": str(file)})
    assert "NAUTH_STORE_FILE" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_both() -> None:
    """The variable and the file at the same time are a mistake."""
    with pytest.raises(ConfigurationError, match="both set"):
        store_from_env({"NAUTH_STORE": "memory:", "NAUTH_STORE_FILE": "/x"})


async def test_a_client_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was given no store uses the environment's; one that was given a store uses that."""
    given = MemoryStore()
    async with (
        NombaClient(CREDENTIALS, environment="sandbox") as before,
    ):
        assert before._manager._store is default_store()
    monkeypatch.setenv("NAUTH_STORE", f"sqlite:{tmp_path}/t.db")  # late, as `load_dotenv()` does
    async with (
        NombaClient(CREDENTIALS, environment="sandbox") as named,
        NombaClient(CREDENTIALS, environment="sandbox") as twin,
        NombaClient(CREDENTIALS, environment="sandbox", store=given) as explicit,
    ):
        assert named._manager._store is twin._manager._store is open_store(f"sqlite:{tmp_path}/t.db")
        assert explicit._manager._store is given


async def test_a_clock_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With an injected clock the variable is passed over, with one warning: it would fill a real store with fake times."""
    monkeypatch.setenv("NAUTH_STORE", f"sqlite:{tmp_path}/t.db")
    clock = FakeClock()
    for _ in range(3):
        async with NombaClient(CREDENTIALS, environment="sandbox", clock=clock) as client:
            assert client._manager._store is default_store(clock)
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.name == "nauth.store"
    assert warning.__dict__["nauth.event"] == "store.ignored"
    assert warning.__dict__["vendor"] == "nomba"


async def test_nomad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nomad Media's client passes over a store that outlives the process, with one warning, unless it is allowed."""
    monkeypatch.setenv("NAUTH_STORE", f"sqlite:{tmp_path}/t.db")
    for _ in range(2):
        async with NomadClient(LOGIN, base_url="https://n.example.com") as client:
            assert client._manager._store is default_store()
    async with NomadClient(LOGIN, base_url=URL("https://n.example.com"), allow_persistence=True) as client:
        assert isinstance(client._manager._store, SQLiteStore)
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "NAUTH_STORE" in warning.getMessage()
    assert "allow_persistence=True" in warning.getMessage()


def test_nomad_in_memory() -> None:
    """A store that ends with the process suits every vendor."""
    environ = {"NAUTH_STORE": "memory:"}
    store = store_for_client("nomad-media", clock=SystemClock(), may_persist=False, environ=environ)
    assert store is default_store()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork(tmp_path: Path) -> None:
    """A child forked while another thread holds the table's lock opens stores all the same."""
    script = (
        "import os\n"
        "from nauth.stores import open_store\n"
        "from nauth.stores.address import _table\n"
        f"first = open_store('sqlite:{tmp_path}/t.db')\n"
        "_table.guard.acquire()\n"
        "if not (pid := os.fork()):\n"
        f"    os._exit(0 if open_store('sqlite:{tmp_path}/t.db') is first else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    _run(script)


def test_the_lock_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in a child after a fork gives the table another lock."""
    before = _table.guard
    monkeypatch.setattr(_table, "guard", before)
    _table.after_fork()
    assert _table.guard is not before


def test_silent_at_the_end() -> None:
    """The process's own Redis store, which no client closes, causes no warning when Python ends."""
    script = (
        "import asyncio\n"
        "from nauth.stores import open_store\n"
        "from nauth.stores.base import StoreKey\n"
        "store = open_store('redis://127.0.0.1:1/0')\n"
        "async def main() -> None:\n"
        "    store.subscribe(StoreKey(vendor='v', base_url='u', identity='i'), print)\n"
        "    await asyncio.sleep(0.05)\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.run_until_complete(main())\n"
        "for task in asyncio.all_tasks(loop): task.cancel()\n"
        "loop.run_until_complete(asyncio.sleep(0.05))\n"
        "import nauth.stores.address as address\n"
        "address._table.stores.clear()\n"
        "del store\n"
        "import gc; gc.collect()\n"
        "loop.run_until_complete(asyncio.sleep(0.05))\n"
        "loop.close()\n"
    )
    assert "RedisStore" not in _run(script)


def _run(script: str) -> str:
    root = Path(__file__).parents[3]
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-W", "default", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "common")])},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
