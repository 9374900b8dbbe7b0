"""Where the client's settings come from, which of them win, and what is said of wrong ones."""

from __future__ import annotations

import pytest
from yarl import URL

from nombaauth import ConfigurationError, NombaCredentials
from nombaauth.client import _settings

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
