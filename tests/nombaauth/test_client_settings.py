"""Where the client's settings come from, which of them win, and what is said of wrong ones."""

from __future__ import annotations

import inspect

import pytest
from yarl import URL

from nombaauth import ConfigurationError, NombaClient, NombaCredentials
from nombaauth.client import _settings
from tests.nombaauth.conftest import Stage

_CREDENTIALS = NombaCredentials(client_id="id-1", client_secret="CANARY", account_id="account-1")

_FULL = {
    "NOMBA_CLIENT_ID": "id-1",
    "NOMBA_PRIVATE_KEY": "CANARY\n",
    "NOMBA_ACCOUNT_ID": "account-1",
    "NOMBA_ENVIRONMENT": "Sandbox",
}


def test_everything_may_come_from_the_environment() -> None:
    """Credentials, under either name, and the environment, in any case."""
    assert _settings(None, None, None, _FULL) == (_CREDENTIALS, URL("https://sandbox.nomba.com"))


@pytest.mark.parametrize(
    "environment, base_url, environ, url",
    [
        ("production", None, _FULL, "https://api.nomba.com"),
        (None, "https://proxy.example.com", _FULL, "https://proxy.example.com"),
        (None, None, _FULL | {"NOMBA_BASE_URL": "https://sandbox.nomba.com/"}, "https://sandbox.nomba.com"),
        (None, None, {"NOMBA_BASE_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ("sandbox", None, {}, "https://sandbox.nomba.com"),
    ],
)
def test_an_argument_wins_over_the_environment(
    environment: str | None, base_url: str | None, environ: dict[str, str], url: str
) -> None:
    """What is given in code is not mixed with what the process says."""
    assert _settings(_CREDENTIALS, environment, base_url, environ) == (_CREDENTIALS, URL(url))


def test_every_fault_is_listed_in_one_error() -> None:
    """All missing variables and the missing environment at once."""
    with pytest.raises(ConfigurationError) as refused:
        _settings(None, None, None, {})
    names = ["NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY", "NOMBA_ACCOUNT_ID"]
    names += ["NOMBA_ENVIRONMENT", "NOMBA_BASE_URL", "production", "sandbox"]
    assert [name for name in names if name not in str(refused.value)] == []


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"NOMBA_ENVIRONMENT": ""}, "which Nomba is meant"),
        ({"NOMBA_ENVIRONMENT": "live"}, "NOMBA_ENVIRONMENT must be production or sandbox"),
        ({"NOMBA_BASE_URL": "https://api.nomba.com"}, "contradicts"),
        ({"NOMBA_BASE_URL": "http://nomba.example.com"}, "https"),
        ({"NOMBA_CLIENT_ID": " "}, "NOMBA_CLIENT_ID is not set"),
    ],
)
def test_a_wrong_variable_is_refused(changed: dict[str, str], words: str) -> None:
    """An unset, unknown, contradictory or unsafe setting stops the client before anything is sent."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        _settings(None, None, None, _FULL | changed)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("credentials", [("id", "secret"), {"client_id": "CANARY"}, "CANARY"])
def test_credentials_of_another_type_are_refused(credentials: object) -> None:
    """The error shows the form that works and never the value."""
    with pytest.raises(ConfigurationError, match=r"NombaClient\(NombaCredentials\(") as refused:
        NombaClient(credentials, environment="sandbox")  # type: ignore[arg-type]  # that is the point
    assert "CANARY" not in str(refused.value)


async def test_the_process_environment_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NombaClient()` without arguments signs in."""
    given = stage.sandbox.credentials
    for name, value in (
        ("CLIENT_ID", given.client_id),
        ("CLIENT_SECRET", f" {given.client_secret.reveal()}\n"),
        ("ACCOUNT_ID", given.account_id),
        ("BASE_URL", stage.sandbox.base_url),
    ):
        monkeypatch.setenv(f"NOMBA_{name}", value)
    monkeypatch.delenv("NOMBA_ENVIRONMENT", raising=False)
    async with NombaClient(store=stage.store, clock=stage.clock) as client:
        assert (await client.check()).currency == "NGN"


async def test_the_constructor_sends_nothing(stage: Stage) -> None:
    """A client that is never used costs no call, and closes without one."""
    async with NombaClient(stage.sandbox.credentials, base_url=stage.sandbox.base_url) as client:
        assert stage.sandbox.base_url in repr(client)
    assert stage.sandbox.log == []


def test_the_front_doors_signature_is_the_designs() -> None:
    """The client's options are those that users of all vendors know."""
    options = list(inspect.signature(NombaClient).parameters)
    assert options == [
        "credentials",
        "environment",
        "base_url",
        "session",
        "store",
        "policy",
        "clock",
        "observer",
        "proxy",
        "ssl_context",
    ]
