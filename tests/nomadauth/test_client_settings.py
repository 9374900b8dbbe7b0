"""Where the client's settings come from, which of them win, and what is said of wrong ones."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from yarl import URL

from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nomadauth import (
    ConfigurationError,
    NomadApiKey,
    NomadClient,
    NomadPassword,
    NomadSSO,
    RenewalPolicy,
    credentials,
)
from nomadauth.client import _settings
from nomadauth.config import INTERACTIVE_POLICY, POLICY
from tests.nomadauth.conftest import Stage

_HOST = "https://admin-app.example.com"
_PASSWORD = NomadPassword("svc@example.com", "CANARY")

_FULL = {
    "NOMAD_MEDIA_USERNAME": "svc@example.com",
    "NOMAD_MEDIA_PASSWORD": "CANARY\n",
    "NOMAD_MEDIA_BASE_URL": _HOST,
}


def test_everything_may_come_from_the_environment() -> None:
    """Credentials and the address; ``/api`` is put behind it."""
    assert _settings(None, environ=_FULL) == (_PASSWORD, URL(f"{_HOST}/api"), None)


def test_an_argument_wins_over_the_environment() -> None:
    """What is given in code is not mixed with what the process says."""
    found = _settings(NomadApiKey("k"), base_url="https://b.example.com/api", environ=_FULL)
    assert found == (NomadApiKey("k"), URL("https://b.example.com/api"), None)
    assert _settings(None, base_url="https://b.example.com", environ=_FULL)[:2] == (
        _PASSWORD,
        URL("https://b.example.com/api"),
    )


def test_every_fault_is_listed_in_one_error() -> None:
    """Credentials, addresses and the environment that does not exist, all at once and without a value."""
    with pytest.raises(ConfigurationError) as refused:
        _settings(
            None,
            environment="live",
            portal_url="http://portal.example.com",
            sso_base_url="https://user:CANARY@sso.example.com",
            environ={"NOMAD_MEDIA_USERNAME": "CANARY", "NOMAD_MEDIA_API_KEY": "CANARY"},
        )
    text = str(refused.value)
    words = ["contradict", "NOMAD_MEDIA_PASSWORD is not set", "no environments", "NOMAD_MEDIA_BASE_URL"]
    words += ["portal_url uses plain http", "sso_base_url must not contain a user name"]
    assert [word for word in words if word not in text] == []
    assert "CANARY" not in text


@pytest.mark.parametrize("credentials", [("id", "secret"), {"password": "CANARY"}, "CANARY"])
def test_credentials_of_another_type_are_refused(credentials: object) -> None:
    """The error shows the form that works and never the value."""
    with pytest.raises(ConfigurationError, match=r"NomadClient\(NomadPassword\(") as refused:
        NomadClient(credentials, base_url=_HOST)  # type: ignore[arg-type]  # that is the point
    assert "CANARY" not in str(refused.value)


class _Disk(MemoryStore):
    """A store that says it outlives the process."""

    persistent = True


async def test_a_store_that_persists_is_refused_unless_asked_for(stage: Stage) -> None:
    """The error quotes the vendor's advice; the word of the user overrides it."""
    store = _Disk(clock=stage.clock)
    with pytest.raises(ConfigurationError, match=r"Do not persist it to disk.*allow_persistence=True"):
        NomadClient(_PASSWORD, base_url=_HOST, store=store)
    client = await stage.client(store=store, allow_persistence=True)
    assert (await client.check()).message == "Pong Auth"


async def test_the_process_environment_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NomadClient()` without arguments signs in."""
    given = stage.sandbox.credentials
    for name, value in (
        ("USERNAME", given.username),
        ("PASSWORD", f" {given.password.reveal()}\n"),
        ("BASE_URL", f"{stage.sandbox.base_url}/api/"),
    ):
        monkeypatch.setenv(f"NOMAD_MEDIA_{name}", value)
    async with NomadClient(store=stage.store, clock=stage.clock) as client:
        assert (await client.check()).endpoint == "ping_auth"


async def test_the_constructor_sends_nothing(stage: Stage) -> None:
    """A client that is never used costs no call, and closes without one."""
    async with NomadClient(_PASSWORD, base_url=stage.sandbox.base_url) as client:
        assert stage.sandbox.base_url in repr(client)
    assert stage.sandbox.log == []


async def test_a_person_gets_time_to_answer() -> None:
    """With somebody to ask, the default policy waits five minutes; one's own policy is left alone."""

    async def nobody(_: object) -> None:
        return None

    def policy_of(**options: Any) -> RenewalPolicy:
        return NomadClient(_PASSWORD, base_url=_HOST, **options)._manager._policy

    own = RenewalPolicy()
    assert policy_of() == POLICY
    assert policy_of(on_interaction=nobody) == INTERACTIVE_POLICY
    assert policy_of(on_interaction=nobody, policy=own) is own


async def test_a_password_is_digested_slowly_only_where_the_key_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In memory the key costs no scrypt, which would hold the loop up; equal credentials still share one."""
    monkeypatch.setattr(credentials, "slow_digest", None)
    first, second = (NomadClient(_PASSWORD, base_url=_HOST) for _ in range(2))
    assert first._manager.key == second._manager.key

    monkeypatch.setattr(credentials, "slow_digest", lambda *_: "slow")

    class Lasting(MemoryStore):
        persistent = True

    lasting = NomadClient(_PASSWORD, base_url=_HOST, store=Lasting(), allow_persistence=True)
    assert lasting._manager.key.identity == _PASSWORD.identity()
    sso = NomadClient(NomadSSO("azure", "one", "r"), base_url=_HOST)
    assert sso._manager.key.identity == NomadSSO("azure", "one", "r").identity()


async def test_two_sign_ons_do_not_mix() -> None:
    """Each sign-on is a session of its own."""
    store, clock = MemoryStore(), FakeClock()
    async with (
        NomadClient(NomadSSO("azure", "one", "r"), base_url=_HOST, store=store, clock=clock) as first,
        NomadClient(NomadSSO("azure", "two", "r"), base_url=_HOST, store=store, clock=clock) as second,
    ):
        assert not (await first.token()).same_access(await second.token())


def test_the_front_doors_signature_is_the_designs() -> None:
    """The options all vendors share come first, in the same order."""
    options = list(inspect.signature(NomadClient).parameters)
    shared = ["credentials", "environment", "base_url", "session", "store", "policy", "clock", "observer"]
    assert options == [*shared, "allow_persistence", "on_interaction", "portal_url", "sso_base_url"]
