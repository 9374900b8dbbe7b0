"""A sign-in sealed for the browser's session: any worker ends it, once, in time, for the person who began it."""

from __future__ import annotations

import asyncio
import builtins
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from yarl import URL

from nauth.errors import (
    ConfigurationError,
    InteractionRequiredError,
    LeaseLostError,
    NotSentError,
    RequestRejectedError,
)
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import AuthorizationCode, StartedSignIn, TokenEndpoint, recall, remember
from nauth.oauth2 import sign_in as module
from nauth.oauth2.callback import Awaited, awaited_for
from nauth.secret import Secret
from nauth.stores import EncryptedStore, MemoryStore
from nauth.testing import FakeClock
from nauth.token import Token
from tests.support.transport import FakeTransport, answer

_OK = answer(200, {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600})
_KEYS = {"k1": EncryptedStore.generate_key()}


class _Stage:
    """Workers that share a store and keys, and a fake server."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(clock=self.clock)
        self.store = MemoryStore(clock=self.clock)
        self.managers: list[TokenManager] = []

    def worker(self, **options: Any) -> tuple[AuthorizationCode, TokenManager]:
        endpoint = TokenEndpoint(
            options.pop("token_url", "https://auth.example.com/token"),
            client_id=options.pop("client_id", "id"),
            transport=self.transport,
        )
        given: dict[str, Any] = {
            "authorization_url": "https://auth.example.com/authorize",
            "redirect_uri": "https://app.example/cb",
            "sealing": _KEYS,
            "clock": self.clock,
        } | options
        code = AuthorizationCode(endpoint, **given)
        key = endpoint.key("x", given.get("account"))
        manager = TokenManager(code, key=key, store=self.store, clock=self.clock)
        self.managers.append(manager)
        return code, manager

    def sent(self) -> dict[str, str]:
        return dict(parse_qsl((self.transport.requests[-1].body or b"").decode()))


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    """A stage that closes its managers."""
    made = _Stage()
    yield made
    for manager in made.managers:
        await manager.aclose()


def _back(started: StartedSignIn, **members: str) -> str:
    query = {"code": "CANARY-code", "state": URL(started.url).query["state"]} | members
    return str(URL("https://app.example/cb").with_query(query))


async def _refused(
    worker: tuple[AuthorizationCode, TokenManager], callback: str, started: str, words: str
) -> None:
    code, manager = worker
    with pytest.raises(InteractionRequiredError, match=words):
        await code.exchange(callback, manager, started=started)
    assert not code.pending


async def test_another_worker_ends_it(stage: _Stage) -> None:
    """Another object with the same keys exchanges the code, with the verifier and redirect URI of the beginning."""
    first, _ = stage.worker()
    second, manager = stage.worker()
    started = first.begin_sign_in(redirect_uri="https://app.example/other", account=None, data={"next": "/a"})
    assert "CANARY" not in started.url
    assert URL(started.url).query["redirect_uri"] == "https://app.example/other"
    assert second.read_sign_in(started.sealed).data == {"next": "/a"}
    stage.transport.queue(_OK)
    token = await second.exchange(_back(started), manager, started=started.sealed)
    assert token.access_token == Secret("at-1")
    assert stage.sent()["redirect_uri"] == "https://app.example/other"
    assert len(stage.sent()["code_verifier"]) == 64
    verifier = stage.sent()["code_verifier"]
    assert verifier not in started.sealed + started.url + repr(started) + repr(
        second.read_sign_in(started.sealed)
    )
    assert started.expires_at.timestamp() == pytest.approx(stage.clock.wall() + 600)


async def test_without_pkce(stage: _Stage) -> None:
    """Without PKCE no verifier is sealed or sent."""
    code, manager = stage.worker(pkce=False)
    started = code.begin_sign_in()
    stage.transport.queue(_OK)
    await code.exchange(_back(started), manager, started=started.sealed)
    assert "code_verifier" not in stage.sent()


async def test_second_use_is_refused_everywhere(stage: _Stage) -> None:
    """A copied session opens no second sign-in: not in this worker, not in another, not after all have ended."""
    started = stage.worker()[0].begin_sign_in()
    code, manager = stage.worker()
    stage.transport.queue(_OK)
    await code.exchange(_back(started), manager, started=started.sealed)
    await _refused((code, manager), _back(started), started.sealed, "used before")
    await _refused(stage.worker(), _back(started), started.sealed, "used before")
    stage.clock.advance(590)
    await _refused(stage.worker(), _back(started), started.sealed, "used before")
    assert len(stage.transport.requests) == 1


async def test_of_six_at_once_one(stage: _Stage) -> None:
    """Six workers that get one callback at once: one exchanges it."""
    started = stage.worker()[0].begin_sign_in()
    stage.transport.queue(_OK)
    workers = [stage.worker() for _ in range(6)]
    done = await asyncio.gather(
        *(code.exchange(_back(started), manager, started=started.sealed) for code, manager in workers),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Token) for one in done) == 1
    assert sum(isinstance(one, InteractionRequiredError) for one in done) == 5
    assert len(stage.transport.requests) == 1


async def test_a_lost_lease_is_a_use(stage: _Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the marker cannot be committed because another worker took over, the code is not sent."""

    async def lost(*args: object, **options: object) -> None:
        raise LeaseLostError("gone")

    worker = stage.worker()
    started = worker[0].begin_sign_in()
    monkeypatch.setattr(stage.store, "commit", lost)
    await _refused(worker, _back(started), started.sealed, "used before")
    assert stage.transport.requests == []


async def test_what_was_not_sent_can_be_used(stage: _Stage) -> None:
    """Where no connection was made the marker goes away, and nothing is kept in this object."""
    code, manager = stage.worker()
    started = code.begin_sign_in()
    stage.transport.queue(NotSentError("no route"))
    with pytest.raises(NotSentError):
        await code.exchange(_back(started), manager, started=started.sealed)
    assert not code.pending
    stage.transport.queue(_OK)
    code, manager = stage.worker()
    await code.exchange(_back(started), manager, started=started.sealed)


async def test_refusals_send_nothing(stage: _Stage) -> None:
    """A stranger's callback, another tab's, no session, an altered or foreign seal, too late, a clock that went back."""
    worker = stage.worker()
    started, other = worker[0].begin_sign_in(), worker[0].begin_sign_in()
    await _refused(worker, "https://app.example/cb?code=c&state=forged", started.sealed, "another sign-in")
    await _refused(worker, _back(other), started.sealed, "another sign-in")
    await _refused(worker, "https://app.example/cb?code=c", started.sealed, "another sign-in")
    await _refused(worker, _back(started), "", "holds no sign-in for this callback")
    for altered in (started.sealed[:-2] + "AA", "k1.", "k1.%%", "k2.AAAA", "text", other.url):
        await _refused(worker, _back(started), altered, "altered, or sealed with another key")
    await _refused(stage.worker(client_id="other"), _back(started), started.sealed, "another client id")
    await _refused(
        stage.worker(token_url="https://elsewhere.example/token"), _back(started), started.sealed, "server"
    )
    stage.clock.advance(661)
    await _refused(worker, _back(started), started.sealed, "began 661 s ago, and 600 s are allowed")
    stage.clock.step_wall(-800)
    await _refused(worker, _back(started), started.sealed, "workers' clocks are apart")
    assert stage.transport.requests == []


async def test_a_denied_sign_in_is_used(stage: _Stage) -> None:
    """An `error=` is read after all checks, names what the person did, and uses the sign-in up."""
    worker = stage.worker()
    started = worker[0].begin_sign_in()
    denied = f"https://app.example/cb?error=access_denied&state={URL(started.url).query['state']}"
    await _refused(worker, "https://app.example/cb?error=access_denied", started.sealed, "another sign-in")
    await _refused(worker, denied, started.sealed, "declined")
    await _refused(worker, denied, started.sealed, "used before")


async def test_the_seal_of_a_process(stage: _Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys, objects of one process open each other's; another process does not, and the error says what to do."""
    module._process_keyring.cache_clear()
    started = stage.worker(sealing=None)[0].begin_sign_in()
    code, manager = stage.worker(sealing=None)
    stage.transport.queue(_OK)
    await code.exchange(_back(started), manager, started=started.sealed)
    module._process_keyring.cache_clear()  # a restart
    later = code.begin_sign_in()
    await _refused(stage.worker(sealing=None), _back(started), started.sealed, "give sealing=")
    module._process_keyring.cache_clear()
    await _refused((code, manager), _back(later), later.sealed, "before a restart")


def test_several_workers_are_warned(
    stage: _Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """WEB_CONCURRENCY over 1 without keys: one warning."""
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    module._warn_of_workers.cache_clear()
    code, _ = stage.worker(sealing=None)
    with caplog.at_level(logging.WARNING, "nauth"):
        code.begin_sign_in()
        code.begin_sign_in()
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "sign-ins are sealed with a key of this process"
    ]
    module._warn_of_workers.cache_clear()


async def test_an_account_is_its_own(stage: _Stage) -> None:
    """A sign-in begun for one account is refused by the object of another, and the account is readable first."""
    ada, bob = stage.worker(account="ada"), stage.worker(account="bob")
    started = stage.worker()[0].begin_sign_in(account="ada")
    assert bob[0].read_sign_in(started.sealed).account == "ada"
    with pytest.raises(ConfigurationError, match="another account"):
        await bob[0].exchange(_back(started), bob[1], started=started.sealed)
    stage.transport.queue(_OK)
    await ada[0].exchange(_back(started), ada[1], started=started.sealed)
    assert bob[1].current is None
    assert ada[0].read_sign_in(ada[0].begin_sign_in().sealed).account == "ada"


@pytest.mark.parametrize("data", [{"next": 1}, {1: "next"}, {"next": "x" * 1_100}])
def test_data_is_small_text(stage: _Stage, data: Any) -> None:
    """The caller's data must fit a cookie."""
    with pytest.raises(ConfigurationError, match="data of a sign-in"):
        stage.worker()[0].begin_sign_in(data=data)


def test_a_refused_code_is_no_secret_elsewhere(stage: _Stage) -> None:
    """A wrong key is refused at once, and without cryptography the extra is named."""
    with pytest.raises(ConfigurationError, match="32 bytes"):
        stage.worker(sealing={"k1": Secret("short")})


def test_without_cryptography(stage: _Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    original = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "nauth.stores.aes_gcm":
            raise ImportError(name)
        return original(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"nauth\[crypto\]"):
        stage.worker()


async def test_a_refused_code(stage: _Stage) -> None:
    """What the server refuses is refused as ever, and the sign-in is used."""
    code, manager = stage.worker()
    started = code.begin_sign_in()
    stage.transport.queue(answer(400, {"error": "invalid_request"}))
    with pytest.raises(RequestRejectedError):
        await code.exchange(_back(started), manager, started=started.sealed)
    await _refused((code, manager), _back(started), started.sealed, "used before")


# --- in a session -----------------------------------------------------------------------------------------------------


def test_tabs_in_a_session(stage: _Stage) -> None:
    """Each tab finds its own; the oldest of six is dropped; what is taken is gone; a new dict is assigned each time."""
    code, _ = stage.worker()
    session: dict[str, object] = {}
    tabs = []
    for _ in range(6):
        before = session.get("nauth-signin")
        tabs.append(code.begin_sign_in())
        remember(session, tabs[-1])
        assert session["nauth-signin"] is not before
    assert recall(session, _back(tabs[0])) == ""
    kept = session["nauth-signin"]
    assert recall(session, _back(tabs[3])) == tabs[3].sealed
    assert session["nauth-signin"] is not kept
    assert recall(session, URL(_back(tabs[3]))) == ""
    assert recall(session, _back(tabs[5])) == tabs[5].sealed
    assert len(session["nauth-signin"]) == 3  # type: ignore[arg-type]  # a dict
    remember(session, tabs[1], most=1)
    assert session["nauth-signin"] == {tabs[1].name: tabs[1].sealed}


def test_a_spoilt_session(stage: _Stage) -> None:
    """What another program put there is no sign-in."""
    started = stage.worker()[0].begin_sign_in()
    for spoilt in (None, "text", {started.name: 7, 5: "x"}):
        session: dict[str, object] = {"nauth-signin": spoilt}
        assert recall(session, _back(started)) == ""
        remember(session, started)
        assert recall(session, _back(started)) == started.sealed


def test_the_size_of_five(stage: _Stage) -> None:
    """Five sign-ins with an account and where to go next stay below what a cookie holds."""
    code, _ = stage.worker()
    session: dict[str, dict[str, str]] = {}
    for number in range(5):
        remember(session, code.begin_sign_in(account=f"user-{number}", data={"next": "/reports"}))
    assert sum(len(name) + len(sealed) + 6 for name, sealed in session["nauth-signin"].items()) < 2_600


# --- clients that share a token ---------------------------------------------------------------------------------------


def test_clients_of_one_token_share_their_sign_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal keys, one object; beyond the bound the one longest unused is dropped."""
    monkeypatch.setattr("nauth.oauth2.callback._MOST_KEYS", 2)
    monkeypatch.setattr("nauth.oauth2.callback._by_key", type(awaited_for.__globals__["_by_key"])())
    first = awaited_for("a")
    awaited_for("b")
    assert awaited_for("a") is first
    awaited_for("c")
    assert awaited_for("a") is first
    assert isinstance(awaited_for("b"), Awaited)
    assert len(awaited_for.__globals__["_by_key"]) == 2


async def test_a_busy_store_is_released(stage: _Stage) -> None:
    """A sign-in that another worker is using right now is refused, and the other's lease stays."""
    code, manager = stage.worker()
    started = code.begin_sign_in()
    leases = []
    original = stage.store.lease

    async def busy(key: Any, ttl: timedelta) -> Any:
        if key.vendor == "sign-in":
            leases.append(await original(key, ttl))
        return await original(key, ttl)

    stage.store.lease = busy  # type: ignore[method-assign]
    await _refused((code, manager), _back(started), started.sealed, "used before")
    assert len(leases) == 1
    assert leases[0] is not None
