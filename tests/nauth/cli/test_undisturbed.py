"""The commands beside a running service: they use its token, or say what they would do and ask."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

import nauth
from naoauth.sandbox import NaoSandbox
from nauth.cli import shared_sign_in
from nauth.cli.app import app
from nauth.cli.runner import run
from nauth.cli.shared_sign_in import ServerClock
from nauth.errors import StoreError
from nauth.secret import Secret
from nauth.stores.address import _table
from nauth.stores.base import StoreKey, TokenStore
from nauth.stores.memory import default_store
from nauth.stores.sqlite import SQLiteStore
from nauth.testing import Fault, Sandbox
from nauth.token import Token
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.nauth.stores.conftest import prefix, valkey
from tests.support.redis.servers import Server

__all__ = ["prefix", "valkey"]


def _nauth(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, args, prog_name="nauth", input=stdin)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the stores that a test's commands have opened."""
    stores: dict[Any, Any] = {}
    monkeypatch.setattr(_table, "stores", stores)
    yield
    for store in stores.values():
        asyncio.run(store.aclose())


@pytest.fixture
def shared(nomba: NombaSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NombaSandbox:
    """A service that has signed in and shares its token through `NAUTH_STORE`."""
    address = f"sqlite:{tmp_path}/tokens.db"

    async def serve() -> None:
        store = SQLiteStore(tmp_path / "tokens.db")
        async with NombaClient(store=store) as client:
            await client.token()
        await store.aclose()

    asyncio.run(serve())
    monkeypatch.setenv("NAUTH_STORE", address)
    assert nomba.requests["issue"] == 1
    return nomba


def test_check_beside_a_service(shared: NombaSandbox) -> None:
    """Three checks beside a running service cause no sign-in and no renewal."""
    for _ in range(3):
        done = _nauth("check", "nomba")
        assert done.exit_code == 0, done.output
        assert "281946" not in done.stdout
    assert shared.token_calls == 1


def test_check_without_a_store(nomba: NombaSandbox) -> None:
    """Without a store, and without a terminal to ask on, nothing is sent, and the remedies are named."""
    done = _nauth("check", "nomba")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "NAUTH_STORE" in done.stderr
    assert "--sign-in" in done.stderr
    assert nomba.requests.total() == 0


@pytest.mark.parametrize("said, code, calls", [("y\n", 0, 1), ("n\n", 2, 0)])
def test_asked_on_a_terminal(
    said: str, code: int, calls: int, nomba: NombaSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the person decides."""
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(shared_sign_in, "sys", terminal)
    assert _nauth("check", "nomba", stdin=said).exit_code == code
    assert nomba.token_calls == calls


def test_a_vendor_with_many_sessions(
    serve: Callable[[Sandbox], None], environ: Callable[[Mapping[str, str]], None]
) -> None:
    """If a second sign-in disturbs no service, nothing is asked."""
    sandbox = NaoSandbox()
    serve(sandbox)
    account = sandbox.credentials
    assert account.password is not None
    environ(
        {
            "NAO_BASE_URL": sandbox.base_url,
            "NAO_EMAIL": account.email or "",
            "NAO_PASSWORD": account.password.reveal(),
        }
    )
    assert _nauth("check", "nao").exit_code == 0


def test_status(shared: NombaSandbox) -> None:
    """`nauth status` shows the record, calls no vendor, and shows nothing of the token."""
    tokens = [*shared._sessions._accesses, *shared._sessions._refreshes]
    done = _nauth("status")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"nomba at {shared.base_url}\n")
    assert "renewing       no" in done.stdout
    assert "refresh token  yes" in done.stdout
    as_json = _nauth("status", "--json")
    (line,) = json.loads(as_json.stdout)
    assert (line["vendor"], line["refresh_token"], line["renewing"]) == ("nomba", True, False)
    assert 1700 < line["expires_in_s"] <= 1801
    assert len(line["identity"]) == 8
    assert not any(token[:6] in done.output + as_json.output for token in tokens)
    assert shared.requests.total() == 1


def test_status_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose file does not exist is empty, and stays away."""
    monkeypatch.setenv("NAUTH_STORE", f"sqlite:{tmp_path}/tokens.db")
    done = _nauth("status")
    assert (done.exit_code, done.stdout) == (0, "the store holds no token\n")
    assert list(tmp_path.iterdir()) == []


class _Unlisted:
    """A store without `records`."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        if name == "records":
            raise AttributeError(name)
        return getattr(self._store, name)


def test_status_of_a_store_that_lists_nothing(nomba: NombaSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store without the ability to list shows what the environment's credentials lead to."""
    monkeypatch.setenv("NAUTH_STORE", "memory:")
    monkeypatch.setattr("nauth.cli.status.store_from_env", lambda: _Unlisted(default_store()))
    assert _nauth("status").stdout == "the store holds no token\n"
    assert _nauth("token", "nomba", "--sign-in").exit_code == 0
    done = _nauth("status")
    assert "renewing       not known" in done.stdout
    key = StoreKey(vendor="x", base_url="u", identity="i")
    assert asyncio.run(default_store().load(key)) is None


def test_status_of_redis(
    nomba: NombaSandbox, valkey: Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nauth status` shows the records of Redis without any credentials, and calls no vendor."""
    monkeypatch.setenv("NAUTH_STORE", f"{valkey.url}?prefix={prefix}")
    assert _nauth("status").stdout == "the store holds no token\n"
    assert _nauth("token", "nomba", "--sign-in").exit_code == 0
    for name in ("CLIENT_ID", "CLIENT_SECRET", "ACCOUNT_ID"):
        monkeypatch.delenv(f"NOMBA_{name}")
    done = _nauth("status")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"nomba at {nomba.base_url}\n")
    assert "renewing       no\n" in done.stdout
    assert nomba.requests.total() == 1


def test_status_without_a_store() -> None:
    """Without a shared store there is nothing to look at, and the exit code is that of misuse."""
    done = _nauth("status")
    assert done.exit_code == 2
    assert "NAUTH_STORE is not set" in done.stderr


async def test_records(tmp_path: Path) -> None:
    """A record that is being renewed, one that has expired, and one without an end are told apart."""
    store = SQLiteStore(tmp_path / "t.db")
    lives = {"a": timedelta(hours=1), "b": timedelta(minutes=1), "c": None}
    for name, lifetime in lives.items():
        key = StoreKey(vendor="v", base_url="https://v.example", identity=name)
        lease = await store.lease(key, timedelta(seconds=10))
        assert lease is not None
        token = Token(access_token=Secret("t"), lifetime=lifetime)
        await store.commit(lease, token, expected_version=0, age=timedelta(minutes=2))
        if name == "a":
            await store.lease(key, timedelta(seconds=10))
    found = {info.key.identity: info async for info in store.records()}
    assert {name: info.leased for name, info in found.items()} == {"a": True, "b": False, "c": False}
    assert found["b"].expires_in is not None
    assert found["b"].expires_in < timedelta(0)
    assert found["c"].expires_in is None
    await store.aclose()


def test_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expired record, and one whose end is not known, are said to be such."""

    async def put() -> None:
        store = SQLiteStore(tmp_path / "t.db")
        for name, lifetime in (("b", timedelta(minutes=1)), ("c", None)):
            key = StoreKey(vendor="v", base_url="https://v.example", identity=name)
            lease = await store.lease(key, timedelta(seconds=10))
            assert lease is not None
            token = Token(access_token=Secret("t"), lifetime=lifetime)
            await store.commit(lease, token, expected_version=0, age=timedelta(minutes=2))
        await store.aclose()

    asyncio.run(put())
    monkeypatch.setenv("NAUTH_STORE", f"sqlite:{tmp_path}/t.db")
    done = _nauth("status")
    assert "expires in     expired 0:01:0" in done.stdout
    assert "expires in     not known" in done.stdout


def test_header(shared: NombaSandbox) -> None:
    """`nauth token --header` prints the header alone to stdout, ready for curl."""
    (token,) = shared._sessions._accesses
    assert _nauth("token", "nomba", "--header").stdout == f"Authorization: Bearer {token}\n"


def test_token_as_json(shared: NombaSandbox) -> None:
    """As JSON the token itself is there only if it was asked for."""
    (token,) = shared._sessions._accesses
    plain = _nauth("token", "nomba", "--json")
    assert json.loads(plain.stdout)["state"] == "fresh"
    assert token not in plain.output
    shown = json.loads(_nauth("token", "nomba", "--json", "--show", "--header").stdout)
    assert (shown["access_token"], shown["authorization"]) == (token, f"Bearer {token}")


def test_check_as_json(shared: NombaSandbox) -> None:
    """As JSON the response is there only with --verbose."""
    found = json.loads(_nauth("check", "nomba", "--json").stdout)
    assert (found["works"], found["clock_difference"]) == (True, "none")
    assert "response" not in found
    assert json.loads(_nauth("check", "nomba", "--json", "-v").stdout)["response"]["amount"] == "281946.0"


def test_error_as_json(nomba: NombaSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON an error has its class, its text and the exit code."""
    monkeypatch.setenv("NOMBA_CLIENT_SECRET", "wrong")
    done = _nauth("check", "nomba", "--sign-in", "--json")
    found = json.loads(done.stderr)
    assert (done.exit_code, found["exit_code"], found["error"]) == (3, 3, "NombaCredentialsRejectedError")


def test_exec(shared: NombaSandbox) -> None:
    """`nauth exec` hands the token to a command, and ends with its exit code."""
    (token,) = shared._sessions._accesses
    script = (
        "import os, sys; sys.exit(7 if os.environ['NAUTH_ACCESS_TOKEN'] == sys.argv[1] and "
        "os.environ['NAUTH_AUTHORIZATION'] == 'Bearer ' + sys.argv[1] else 1)"
    )
    assert _nauth("exec", "nomba", "--", sys.executable, "-c", script, token).exit_code == 7
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert _nauth("exec", "nomba", "--", sys.executable, "-c", killed).exit_code == 137
    assert shared.token_calls == 1


def test_exec_that_cannot(shared: NombaSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not exist is 127; without a token it does not run."""
    done = _nauth("exec", "nomba", "--", "/no/such/canary")
    assert done.exit_code == 127
    assert "canary" not in done.output
    monkeypatch.delenv("NAUTH_STORE")
    monkeypatch.setenv("NOMBA_CLIENT_SECRET", "wrong")
    assert _nauth("exec", "nomba", "--sign-in", "--", "/no/such/canary").exit_code == 3
    assert shared.requests["issue"] == 2


def test_revoke_a_given_token(shared: NombaSandbox) -> None:
    """`nauth revoke --token-stdin` revokes what it is given and signs in to nothing."""
    (token,) = shared._sessions._accesses
    done = _nauth("revoke", "nomba", "--token-stdin", "--json", stdin=f"{token}\n")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"vendor": "nomba", "revoked": True}
    assert (shared.live_tokens, shared.requests["issue"], shared.requests["revoke"]) == (0, 1, 1)
    assert _nauth("revoke", "nomba", "--token-stdin", stdin="\n").exit_code == 2


@pytest.mark.slow
def test_timeout(nomba: NombaSandbox) -> None:
    """A vendor that does not answer within --timeout is one to try later."""
    nomba.faults.add(Fault(hold="before", delay=timedelta(seconds=30)), endpoint="issue")
    done = _nauth("check", "nomba", "--sign-in", "--timeout", "0.2")
    assert done.exit_code == 4
    assert "within 0.2 s (--timeout)" in done.stderr


def test_a_wait_is_explained(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long is named on stderr."""
    monkeypatch.setattr("nauth.cli.runner._SAY_SO_AFTER_S", 0.0)

    async def slow() -> int:
        await asyncio.sleep(0.02)
        return 0

    assert run(slow, waiting_for="Nomba") == 0
    assert capsys.readouterr().err == "waiting for Nomba ...\n"


async def _time_out() -> int:
    raise TimeoutError("the network's own")


async def _no_store() -> int:
    raise StoreError("down")


async def _no_idea() -> int:
    raise nauth.NauthError("else")


@pytest.mark.parametrize("work, code", [(_time_out, 1), (_no_store, 4), (_no_idea, 1)])
def test_other_errors(work: Callable[[], Any], code: int) -> None:
    """A time-out of something else's is no --timeout, and a store that is down is one to try later."""
    assert run(work, timeout_s=5.0) == code


@pytest.mark.parametrize(
    "ahead_s, shown",
    [
        (0, "none"),
        (95, "this machine is 95 s ahead"),
        (-60, "this machine is 60 s behind"),
        (None, "not known"),
    ],
)
async def test_clock_difference(ahead_s: int | None, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference from the vendor's clock is told in words; a response without a date says nothing."""
    now = datetime(2026, 7, 2, tzinfo=UTC)
    monkeypatch.setattr(shared_sign_in, "_wall", now.timestamp)
    clock = ServerClock()
    date = format_datetime(now - timedelta(seconds=ahead_s or 0), usegmt=True)
    headers = {"Date": "nonsense" if ahead_s is None else date}
    params = SimpleNamespace(response=SimpleNamespace(headers=headers))
    await clock.note(cast("Any", None), SimpleNamespace(), cast("Any", params))
    assert str(clock).startswith(shown)


def test_several_sandboxes(tmp_path: Path) -> None:
    """One command runs several vendors, with switches, and writes the variables to a file of its owner's."""
    file = tmp_path / "env"
    command = [sys.executable, "-m", "nauth", "sandbox", "nomba", "nomba", "--port", "0", "--json"]
    command += ["--switch", "second_issue=keeps_first", "--env-file", str(file)]
    with subprocess.Popen(  # noqa: S603 - our own code
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        process.terminate()
        process.communicate(timeout=20)
    assert set(found) == {"NOMBA_BASE_URL", "NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_ACCOUNT_ID"}
    assert f"NOMBA_BASE_URL={found['NOMBA_BASE_URL']}\n" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "args, said",
    [
        (("sandbox", "nomba", "noyo", "--port", "1"), "--port is for one vendor"),
        (("sandbox", "nomba", "--switch", "x"), "NAME=VALUE"),
        (("sandbox", "nomba", "--port", "0", "--switch", "no_such=x"), "no_such"),
    ],
)
def test_wrong_sandboxes(args: tuple[str, ...], said: str) -> None:
    """What does not fit together is refused."""
    done = _nauth(*args)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_short_help() -> None:
    """`-h` is `--help`, for every command."""
    for command in ("check", "token", "status", "exec", "revoke", "sandbox", "demo", "login"):
        assert _nauth(command, "-h").exit_code == 0


def test_version_attribute() -> None:
    """`nauth.__version__` is the distribution's; no other name is made up."""
    assert nauth.__version__ == _nauth("--version").stdout.split()[1]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nauth.nothing  # type: ignore[attr-defined]
