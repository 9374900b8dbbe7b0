"""Where the client's settings come from, which of them win, and what is said of wrong ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest
from yarl import URL

from nauth.testing import FakeClock
from noyoauth import HOSTS, ConfigurationError, NoyoClient, NoyoCredentials
from noyoauth.client import _settings
from noyoauth.config import TOKEN_URL
from tests.support.vendors.stages import NoyoStage as Stage

_CREDENTIALS = NoyoCredentials(client_id="id-1", client_secret="CANARY")
_FULL = {"NOYO_CLIENT_ID": "id-1", "NOYO_CLIENT_SECRET": "CANARY\n", "NOYO_ENVIRONMENT": "Sandbox"}


def test_everything_may_come_from_the_environment() -> None:
    """Credentials, and the environment in any case; Noyo's one token address, and all its hosts of it."""
    found = _settings(None, None, None, None, environ=_FULL)
    hosts = HOSTS["sandbox"]
    assert (found.credentials, found.environment, found.token_url) == (_CREDENTIALS, "sandbox", TOKEN_URL)
    assert (found.base_url, *found.origins) == (hosts.fulfillment, hosts.tracking, hosts.group_installation)


@pytest.mark.parametrize(
    "environment, base_url, token_url, environ, urls",
    [
        ("live", None, None, _FULL, ("https://fulfillment.noyo.com", TOKEN_URL)),
        (None, "https://proxy.example.com", None, _FULL, ("https://proxy.example.com", TOKEN_URL)),
        (
            None,
            None,
            None,
            _FULL | {"NOYO_BASE_URL": "https://p.example.com/"},
            ("https://p.example.com", TOKEN_URL),
        ),
        (
            "live",
            None,
            None,
            {"NOYO_TOKEN_URL": "https://t.example.com/t"},
            ("https://fulfillment.noyo.com", "https://t.example.com/t"),
        ),
        (
            "live",
            None,
            "https://mine.example.com/t",
            {"NOYO_TOKEN_URL": "https://t.example.com/t"},
            ("https://fulfillment.noyo.com", "https://mine.example.com/t"),
        ),
        (
            None,
            None,
            None,
            {"NOYO_BASE_URL": "http://127.0.0.1:1"},
            ("http://127.0.0.1:1", "http://127.0.0.1:1/auth/public/token"),
        ),
    ],
)
def test_an_argument_wins_over_the_environment(
    environment: str | None,
    base_url: str | None,
    token_url: str | None,
    environ: dict[str, str],
    urls: tuple[str, str | URL],
) -> None:
    """What is given in code is not mixed with what the process says of the same thing."""
    found = _settings(_CREDENTIALS, environment, base_url, token_url, environ=environ)
    assert (found.base_url, found.token_url) == (URL(urls[0]), URL(urls[1]))


def test_every_fault_is_listed_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is missing or wrong at once, arguments and variables together, and no value of any secret."""
    for name in ("CLIENT_ID", "CLIENT_SECRET", "ENVIRONMENT", "BASE_URL", "TOKEN_URL"):
        monkeypatch.delenv(f"NOYO_{name}", raising=False)
    with pytest.raises(ConfigurationError) as refused:
        NoyoClient(token_url="http://t.example.com/t", origins=5, max_lifetime=600)  # type: ignore[arg-type]  # wrong on purpose
    names = [
        "NOYO_CLIENT_ID",
        "NOYO_CLIENT_SECRET",
        "NOYO_ENVIRONMENT",
        "NOYO_BASE_URL",
        "'live'",
        "'sandbox'",
    ]
    names += ["token_url", "origins must be", "max_lifetime must be"]
    assert [name for name in names if name not in str(refused.value)] == []


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"NOYO_ENVIRONMENT": ""}, "which Noyo is meant"),
        ({"NOYO_ENVIRONMENT": "production"}, "NOYO_ENVIRONMENT must be live or sandbox"),
        ({"NOYO_BASE_URL": "https://fulfillment.noyo.com"}, "contradicts"),
        ({"NOYO_BASE_URL": "http://noyo.example.com"}, "https"),
        ({"NOYO_TOKEN_URL": "https://accounts.noyo.com"}, "whole address"),
        ({"NOYO_CLIENT_ID": " "}, "NOYO_CLIENT_ID is not set"),
        ({"NOYO_CLIENT_ID": "CANARY:x"}, "colon"),
    ],
)
def test_a_wrong_variable_is_refused(changed: dict[str, str], words: str) -> None:
    """An unset, unknown, contradictory or unsafe setting stops the client before anything is sent."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        _settings(None, None, None, None, environ=_FULL | changed)
    assert "CANARY" not in str(refused.value)


def test_a_function_that_gives_no_credentials_is_refused() -> None:
    """The client asks for the credentials once at its start; the error shows the form that works, not the value."""
    source: Any = lambda: "CANARY"  # noqa: E731 - a function without a name, as users write it
    with pytest.raises(ConfigurationError, match=r"NoyoClient\(NoyoCredentials\(") as refused:
        NoyoClient(source, environment="sandbox")
    assert "CANARY" not in str(refused.value)


def test_a_sandbox_token_is_never_served_to_live() -> None:
    """The store's key tells environments, token hosts and unnamed addresses apart, and one from the same is equal."""

    def key(**options: Any) -> object:
        given = {"environment": None, "base_url": None, "token_url": None} | options
        return _settings(_CREDENTIALS, **given, environ={}).key()

    keys = [
        key(environment="live"),
        key(environment="sandbox"),
        key(environment="live", token_url="https://t.example.com/t"),
        key(base_url="https://a.example.com"),
        key(base_url="https://b.example.com"),
        key(environment="live", base_url="http://127.0.0.1:1"),
    ]
    assert len(set(map(str, keys))) == len(keys)
    # Tracking and Fulfillment of one environment take the same token
    assert key(base_url="https://tracking.noyo.com") == keys[0]
    assert key(environment="live", base_url="https://a.example.com") == keys[0]


async def test_two_environments_on_one_store_share_nothing(stage: Stage) -> None:
    """The same key, the same token host, one store: a client said to be live signs in for itself."""
    for environment in ("sandbox", "live", "sandbox", "live"):
        await (await stage.client(environment=environment)).check()
    assert stage.calls == 2


async def test_lifetime_settings_reach_the_token() -> None:
    """Cap and unit are the user's to say."""
    async with Stage.opened(token_kind="opaque") as stage:
        assert (await (await stage.client()).token()).lifetime == timedelta(seconds=600)
        longer = await stage.client(max_lifetime=timedelta(hours=1))
        assert (await longer.renew()).lifetime == timedelta(seconds=864)
        other = await stage.client(expires_in_unit="s", max_lifetime=timedelta(days=11))
        assert (await other.renew()).lifetime == timedelta(days=10)


def test_all_apis_of_the_environment_are_origins() -> None:
    """Fulfillment, Tracking and Group Installation of the environment, and none of the other's."""
    client = NoyoClient(_CREDENTIALS, environment="sandbox", clock=FakeClock())
    hosts = {host for _, host, _ in client.auth.origins}
    assert hosts == {url.host for url in attrs.astuple(HOSTS["sandbox"])}
