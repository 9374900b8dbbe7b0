"""One address: what the user gives, with or without ``/api``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from yarl import URL

from nomadauth import ConfigurationError
from nomadauth.config import INTERACTIVE_POLICY, POLICY, choose_base_url


@pytest.mark.parametrize(
    "given, url",
    [
        ("https://admin-app.example.com", "https://admin-app.example.com/api"),
        ("https://admin-app.example.com/", "https://admin-app.example.com/api"),
        ("https://admin-app.example.com/api", "https://admin-app.example.com/api"),
        ("https://admin-app.example.com/api/", "https://admin-app.example.com/api"),
        ("https://admin-app.example.com/API", "https://admin-app.example.com/API"),
        ("https://proxy.example.com/nomad", "https://proxy.example.com/nomad/api"),
        ("https://proxy.example.com/nomad/api/", "https://proxy.example.com/nomad/api"),
        ("https://proxy.example.com/myapi", "https://proxy.example.com/myapi/api"),
        (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080/api"),
        (URL("https://nomad-admin-api.example.com"), "https://nomad-admin-api.example.com/api"),
    ],
)
def test_the_api_is_below_the_root(given: str | URL, url: str) -> None:
    """``/api`` is put behind whatever does not end in it; a prefix stays."""
    assert choose_base_url(given) == URL(url)


@pytest.mark.parametrize(
    "given, words",
    [
        (None, "NOMAD_MEDIA_BASE_URL"),
        ("http://admin-app.example.com", "https"),
        ("admin-app.example.com", "absolute https URL"),
        (5, "int"),
    ],
)
def test_no_host_is_guessed(given: object, words: str) -> None:
    """Without an address, or with an unsafe one, nothing is assumed."""
    with pytest.raises(ConfigurationError, match=words):
        choose_base_url(given)


def test_renewal_starts_at_three_quarters_of_an_hour() -> None:
    """A token of an hour is renewed just under 45 minutes into its life; a person gets five minutes to answer."""
    assert (POLICY.margin, POLICY.jitter) == (timedelta(minutes=15), timedelta(minutes=1))
    assert INTERACTIVE_POLICY.deadline == timedelta(minutes=5)
    assert INTERACTIVE_POLICY.margin == POLICY.margin
