"""Which Nomba is meant is never guessed, and contradictions are named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from yarl import URL

from nombaauth import ConfigurationError
from nombaauth.config import HOSTS, POLICY, choose_base_url


@pytest.mark.parametrize(
    "environment, host",
    [("production", "https://api.nomba.com"), ("sandbox", "https://sandbox.nomba.com")],
)
def test_an_environment_has_its_documented_host(environment: str, host: str) -> None:
    """Production and sandbox are the two hosts of the documents."""
    assert choose_base_url(environment, None) == URL(host)


@pytest.mark.parametrize(
    "environment, base_url, expected",
    [
        (None, "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("sandbox", "https://sandbox.nomba.com", "https://sandbox.nomba.com"),
        ("production", "https://proxy.example.com/nomba", "https://proxy.example.com/nomba"),
        ("sandbox", URL("https://proxy.example.com"), "https://proxy.example.com"),
        (None, " https://api.nomba.com/ ", "https://api.nomba.com"),
    ],
)
def test_a_base_url_wins_where_it_does_not_contradict(
    environment: str | None, base_url: str | URL, expected: str
) -> None:
    """An address of one's own is used as given, less its trailing slash."""
    assert choose_base_url(environment, base_url) == URL(expected)


@pytest.mark.parametrize(
    "environment, base_url, named",
    [
        (
            None,
            None,
            ["environment='production'", "environment='sandbox'", "NOMBA_ENVIRONMENT", "NOMBA_BASE_URL"],
        ),
        ("live", None, ["'production' or 'sandbox'", "not a text of 4 characters"]),
        (" Sandbox", None, ["a text of 8 characters that differs from 'sandbox' by case or white space"]),
        (3, None, ["not int"]),
        (["sandbox"], None, ["not list"]),
        ("sandbox", "https://api.nomba.com", ["contradicts", "production host"]),
        ("production", "https://sandbox.nomba.com/v1", ["contradicts", "sandbox host"]),
        (None, "https://sandbox.api.nomba.com", ["does not exist", "https://sandbox.nomba.com"]),
        (None, "http://api.nomba.com", ["https"]),
        (None, 5, ["base_url", "int"]),
        (None, "api.nomba.com", ["absolute https URL"]),
    ],
)
def test_what_cannot_be_meant_is_refused(environment: object, base_url: object, named: list[str]) -> None:
    """Nothing named, a wrong name or type, a contradiction, a host that does not exist: each says what to do."""
    with pytest.raises(ConfigurationError) as refused:
        choose_base_url(environment, base_url)
    assert all(word in str(refused.value) for word in named)


def test_no_environment_is_assumed() -> None:
    """Neither host appears where nothing was configured."""
    with pytest.raises(ConfigurationError) as refused:
        choose_base_url(None, None)
    assert not any(str(host) in str(refused.value) for host in HOSTS.values())


def test_renewal_starts_five_minutes_early() -> None:
    """The margin is the documented one."""
    assert POLICY.margin == timedelta(minutes=5)
