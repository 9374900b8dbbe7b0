"""Which Noyo is meant is never guessed, and contradictions are named."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from yarl import URL

from noyoauth import HOSTS, ConfigurationError, NoyoEnvironment
from noyoauth.config import POLICY, TOKEN_URL, choose_base_url, choose_origins, choose_token_url


@pytest.mark.parametrize(
    "environment, host",
    [("live", "https://fulfillment.noyo.com"), ("sandbox", "https://fulfillment-sandbox.noyo.com")],
)
def test_an_environment_has_its_documented_host(environment: str, host: str) -> None:
    """Relative paths go to the Fulfillment host of the environment."""
    assert choose_base_url(environment, None) == (environment, URL(host))


@pytest.mark.parametrize(
    "environment, base_url, expected",
    [
        (None, "http://127.0.0.1:8080/", (None, "http://127.0.0.1:8080")),
        ("sandbox", "http://127.0.0.1:8080/", ("sandbox", "http://127.0.0.1:8080")),
        ("live", "https://proxy.example.com/noyo", ("live", "https://proxy.example.com/noyo")),
        (
            "sandbox",
            URL("https://tracking-sandbox.noyo.com"),
            ("sandbox", "https://tracking-sandbox.noyo.com"),
        ),
        (None, " https://tracking.noyo.com/ ", ("live", "https://tracking.noyo.com")),
        (None, "https://fulfillment-sandbox.noyo.com", ("sandbox", "https://fulfillment-sandbox.noyo.com")),
    ],
)
def test_a_base_url_wins_where_it_does_not_contradict(
    environment: str | None, base_url: str | URL, expected: tuple[str | None, str]
) -> None:
    """An address of one's own is used as given, and one of Noyo's own states its environment."""
    assert choose_base_url(environment, base_url) == (expected[0], URL(expected[1]))


@pytest.mark.parametrize(
    "environment, base_url, named",
    [
        (
            None,
            None,
            ["environment='live'", "environment='sandbox'", "NOYO_ENVIRONMENT", "NOYO_BASE_URL"],
        ),
        ("production", None, ["'live' or 'sandbox'", "not a text of 10 characters"]),
        ("LIVE", None, ["a text of 4 characters that differs from 'live' by case or white space"]),
        (3, None, ["not int"]),
        (["sandbox"], None, ["not list"]),
        ("sandbox", "https://fulfillment.noyo.com", ["contradicts base_url", "live host"]),
        ("live", "https://tracking-sandbox.noyo.com/v1", ["contradicts base_url", "sandbox host"]),
        (None, "http://fulfillment.noyo.com", ["https"]),
        (None, 5, ["base_url", "int"]),
    ],
)
def test_what_cannot_be_meant_is_refused(environment: object, base_url: object, named: list[str]) -> None:
    """Nothing named, a wrong name or type, a contradiction: each says what to do, and no host is assumed."""
    with pytest.raises(ConfigurationError) as refused:
        choose_base_url(environment, base_url)
    assert all(word in str(refused.value) for word in named)


@pytest.mark.parametrize(
    "token_url, base_url, expected",
    [
        (None, None, str(TOKEN_URL)),
        (None, "https://fulfillment.noyo.com", "https://accounts.noyo.com/auth/public/token"),
        (None, "https://proxy.example.com", "https://accounts.noyo.com/auth/public/token"),
        (None, "http://127.0.0.1:80", "http://127.0.0.1:80/auth/public/token"),
        ("https://proxy.example.com/t", "http://127.0.0.1:80", "https://proxy.example.com/t"),
    ],
)
def test_tokens_come_from_noyos_one_address(
    token_url: str | None, base_url: str | None, expected: str
) -> None:
    """One address for both environments; a base URL on loopback never sends the secret out to it."""
    assert choose_token_url(token_url, URL(base_url) if base_url else None) == URL(expected)


@pytest.mark.parametrize(
    "token_url, words",
    [("https://accounts.noyo.com", "whole address"), ("http://noyo.example.com/t", "plain http"), (5, "int")],
)
def test_a_wrong_token_url_is_refused(token_url: object, words: str) -> None:
    """A host alone, plain http and other types are settings to fix."""
    with pytest.raises(ConfigurationError, match=words):
        choose_token_url(token_url, None)


@pytest.mark.parametrize("environment", ["live", "sandbox"])
def test_the_other_apis_of_the_environment_may_see_the_token(environment: NoyoEnvironment) -> None:
    """Tracking and Group Installation of the same environment, beside what the user names."""
    hosts = HOSTS[environment]
    assert choose_origins(environment, ["https://x.example.com"], overridden=False) == (
        hosts.tracking,
        hosts.group_installation,
        URL("https://x.example.com"),
    )
    other = HOSTS["sandbox" if environment == "live" else "live"]
    assert not {url.host for url in attrs.astuple(hosts)} & {url.host for url in attrs.astuple(other)}


def test_with_a_base_url_only_what_is_named_may() -> None:
    """An overridden base URL leaves Noyo's own hosts out."""
    assert choose_origins("live", (), overridden=True) == ()
    assert choose_origins(None, [URL("https://a.example.com")], overridden=True) == (
        URL("https://a.example.com"),
    )


@pytest.mark.parametrize(
    "origins, words",
    [
        ("https://a.example.com", "a list of URLs, not str"),
        (5, "not int"),
        (["http://a.example.com"], "plain http"),
        (["https://tracking.noyo.com"], "contradicts origins"),
    ],
)
def test_a_wrong_origin_is_refused(origins: object, words: str) -> None:
    """A single text, plain http, and above all a host of the other environment."""
    with pytest.raises(ConfigurationError, match=words):
        choose_origins("sandbox", origins, overridden=True)


def test_hosts_of_both_environments_never_go_together() -> None:
    """Even where it was not said which environment is meant."""
    with pytest.raises(ConfigurationError, match="contradicts origins"):
        choose_origins(
            None, ["https://tracking.noyo.com", "https://tracking-sandbox.noyo.com"], overridden=True
        )


def test_renewal_starts_a_minute_early() -> None:
    """The margin leaves most of the ten minutes."""
    assert POLICY.margin == timedelta(seconds=60)
