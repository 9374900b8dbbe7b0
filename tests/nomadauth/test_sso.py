"""The way to a single sign-on and back: addresses, prefixes, encodings, and nothing in any log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from nauth.testing import FakeClock
from nomadauth import ConfigurationError, NomadMalformedResponseError, NomadSSO, Secret, sso_login_url
from nomadauth.sso import parse_callback
from tests.support.leaks.errors import leaks

_NOW = datetime(2026, 7, 2, tzinfo=UTC)
_TOKEN, _REFRESH = "CANARY.a-b_c.d+e", "CANARY+r/f=="
_QUERY = f"authCallback=1&azure_token={_TOKEN}&azure_refresh_token={_REFRESH}"


@pytest.mark.parametrize(
    "base, sso_base, url",
    [
        ("https://a.example.com", None, "https://a.example.com/api/auth/azure/login"),
        ("https://a.example.com/api", None, "https://a.example.com/api/auth/azure/login"),
        ("https://a.example.com/x", None, "https://a.example.com/x/api/auth/azure/login"),
        ("https://a.example.com", "https://a.example.com", "https://a.example.com/auth/azure/login"),
    ],
)
def test_the_address_to_open(base: str, sso_base: str | None, url: str) -> None:
    """Below the API's address, or wherever the setting says."""
    assert sso_login_url("azure", base, sso_base_url=sso_base) == url


@pytest.mark.parametrize("provider", ["", "a/b", "..", ".", "a b", "?", None, 5, "é"])
def test_a_provider_is_one_word(provider: object) -> None:
    """What would change the path is refused."""
    with pytest.raises(ConfigurationError, match="provider"):
        sso_login_url(provider, "https://a.example.com")  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("provider", ["azure", "azurePortal", "okta", "x", "a-b", "my.idp_2"])
def test_a_provider_is_free_text(provider: str) -> None:
    """Each environment has its own."""
    assert sso_login_url(f" {provider} ", "https://a.example.com").endswith(f"/{provider}/login")


@pytest.mark.parametrize("lead", ["", "?", "https://portal.example.com/signed-in?", "/signed-in?"])
@pytest.mark.parametrize("tail", ["", "#fragment", "&other=1"])
def test_a_whole_address_or_a_bare_query(lead: str, tail: str) -> None:
    """Both are read, with whatever stands around the query."""
    found = parse_callback(f" {lead}{_QUERY}{tail} ".strip(), provider="azure", now=_NOW)
    assert (found.token, found.refresh_token) == (Secret(_TOKEN), Secret(_REFRESH))
    assert (found.prefix, found.confirmed, found.expires_at) == ("azure", True, None)


def test_percent_encoding_is_decoded_once() -> None:
    """An encoded token comes out as it was; a percent sign in it survives, and a plus sign stays one."""
    token = "a%2Bb+c/d=="
    found = parse_callback(f"azure_token={quote(token, safe='')}&authCallback=", provider="azure", now=_NOW)
    assert found.token == Secret(token)


@pytest.mark.parametrize("provider", ["azure", None, "okta"])
def test_another_prefix_is_found(provider: str | None) -> None:
    """Nomad's own code uses `azurePortal`; the only key ending in `_token` is taken, with its refresh token."""
    query = f"authCallback&azurePortal_token={_TOKEN}&azurePortal_refresh_token={_REFRESH}"
    found = parse_callback(query, provider=provider, now=_NOW)
    assert (found.prefix, found.token, found.refresh_token) == (
        "azurePortal",
        Secret(_TOKEN),
        Secret(_REFRESH),
    )


def test_the_providers_own_key_wins() -> None:
    """With several candidates the provider's counts."""
    assert parse_callback(f"other_token=x&{_QUERY}", provider="azure", now=_NOW).token == Secret(_TOKEN)


@pytest.mark.parametrize(
    "query, words",
    [
        ("", "no key ends"),
        ("CANARY", "no key ends"),
        ("CANARY=1&authCallback=1", "no key ends"),
        (f"azure_refresh_token={_REFRESH}", "no key ends"),
        ("azure_token=&authCallback=1", "no key ends"),
        ("a_token=CANARY&b_token=CANARY", "2 keys end"),
        ("x_token=" + "CANARY" * 20_000, "no key ends"),
    ],
)
def test_a_return_without_one_token_is_typed(query: str, words: str) -> None:
    """The error says what is missing and shows nothing of the address."""
    with pytest.raises(NomadMalformedResponseError, match=words) as refused:
        NomadSSO.from_callback(query)
    assert leaks(refused.value, ["CANARY"]) == []


def test_a_missing_auth_callback_is_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The tokens are taken; the log says so without showing any."""
    caplog.set_level(logging.DEBUG)
    found = parse_callback(f"azure_token={_TOKEN}", provider="azure", now=_NOW)
    assert (found.confirmed, found.refresh_token) == (False, None)
    assert "authCallback" in caplog.text
    assert "CANARY" not in caplog.text + repr(found)


def test_a_present_auth_callback_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged, whether it has a value or not."""
    caplog.set_level(logging.DEBUG)
    parse_callback(_QUERY, now=_NOW)
    parse_callback(f"authCallback&azure_token={_TOKEN}", now=_NOW)
    assert caplog.text == ""


def test_a_return_that_is_no_text_is_refused() -> None:
    """Only the type is named."""
    with pytest.raises(ConfigurationError, match="bytes"):
        NomadSSO.from_callback(b"CANARY")  # type: ignore[arg-type]  # that is the point


def test_a_credential_is_made_from_a_return() -> None:
    """Provider, tokens and the end of life, in seconds from now by the given clock; a Secret does as well as text."""
    clock = FakeClock()
    made = NomadSSO.from_callback(Secret(f"?{_QUERY}&expires=600"), clock=clock)
    assert (made.provider, made.token, made.refresh_token) == ("azure", Secret(_TOKEN), Secret(_REFRESH))
    assert made.expires_at == datetime.fromtimestamp(clock.wall(), UTC) + timedelta(minutes=10)
    kept = NomadSSO.from_callback(f"azurePortal_token={_TOKEN}&authCallback=1", provider="azure")
    assert (kept.provider, kept.refresh_token, kept.expires_at) == ("azure", None, None)
    assert "CANARY" not in repr(made)
