"""Credentials are checked where they are made, read from the environment, and never shown."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from yarl import URL

from naoauth import ConfigurationError, NaoApiKey, NaoClient, NaoCredentials, NaoOAuth, NaoSession, Secret
from naoauth.client import _settings
from naoauth.config import HOST, choose_base_url

_APP: dict[str, Any] = {
    "client_id": "id-1",
    "client_secret": "CANARY",
    "redirect_uri": "https://app.example/cb",
}
_OAUTH_ENV = {
    "NAO_CLIENT_ID": "id-1",
    "NAO_CLIENT_SECRET": "CANARY\n",
    "NAO_REDIRECT_URI": "https://app.example/cb",
}
_PERSON_ENV = {"NAO_EMAIL": "ada@x.example", "NAO_PASSWORD": "CANARY"}
_KEY_ENV = {"NAO_AUTH_TOKEN": " CANARY-key\n"}


# --- each kind -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "Bearer x", "a\nb", "é", 7, None])
def test_an_api_key_stands_alone(value: Any) -> None:
    """A scheme, white space or another type is refused by name, unquoted."""
    for made in (lambda: NaoApiKey(value), lambda: NaoSession(auth_token="" if value is None else value)):
        with pytest.raises(ConfigurationError) as refused:
            made()
        assert "Bearer x" not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"email": "a"},
        {"password": "p"},
        {"email": "", "password": "p"},
        {"email": "a", "password": ""},
        {"auth_token": "k", "email": "a", "password": "p"},
        {"auth_token": "k", "email": "a"},
        {"email": "a", "password": 7},
        {"email": 7, "password": "p"},
    ],
)
def test_a_session_takes_exactly_one_way(given: dict[str, Any]) -> None:
    """Both, neither or half of one are refused."""
    with pytest.raises(ConfigurationError):
        NaoSession(**given)


def test_a_password_is_kept_as_it_is() -> None:
    """Spaces around it may be meant; a Secret is taken too."""
    assert NaoSession(email=" a ", password=" p ").password == Secret(" p ")
    assert NaoSession(email="a", password=Secret("p")) == NaoSession(email="a", password="p")


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": " "},
        {"client_secret": ""},
        {"client_secret": 7},
        {"redirect_uri": ""},
        {"redirect_uri": 7},
        {"client_auth": "none"},
        {"token_path": "oauth/token"},
        {"token_path": "//evil.example/token"},
        {"authorize_path": "https://evil.example"},
        {"revoke_path": "/a b"},
    ],
)
def test_an_application_is_checked(changed: dict[str, Any]) -> None:
    """Empty values, and paths that would lead to another host, are refused."""
    with pytest.raises(ConfigurationError) as refused:
        NaoOAuth(**(_APP | changed))
    assert "CANARY" not in str(refused.value)


def test_nothing_shows_a_secret() -> None:
    """Neither repr, str nor asdict."""
    for made in (
        NaoApiKey("CANARY"),
        NaoSession(auth_token="CANARY"),
        NaoSession(email="a", password="CANARY"),
        NaoOAuth(**_APP, refresh_token="CANARY"),
    ):
        assert "CANARY" not in f"{made!r} {made} {attrs.asdict(made)} {made.identity()}"


def test_identities() -> None:
    """Equal credentials share a session; other secrets, ways to sign in and people do not."""
    same: list[tuple[NaoCredentials, NaoCredentials]] = [
        (NaoApiKey("k"), NaoApiKey(" k ")),
        (NaoSession(email="a", password="p"), NaoSession(email="a", password="p")),
        (NaoOAuth(**_APP, account="ada"), NaoOAuth(**_APP, account="ada")),
        (NaoOAuth(**_APP, refresh_token="r"), NaoOAuth(**_APP, refresh_token="r")),
    ]
    assert all(one.identity() == other.identity() for one, other in same)
    different: list[NaoCredentials] = [
        NaoApiKey("k"),
        NaoSession(auth_token="k"),
        NaoSession(email="a", password="p"),
        NaoSession(email="a", password="q"),
        NaoSession(email="b", password="p"),
        NaoOAuth(**_APP, account="ada"),
        NaoOAuth(**_APP, account="bob"),
        NaoOAuth(**_APP, refresh_token="r"),
        NaoOAuth(**_APP),
        NaoOAuth(**_APP),  # without an account no person is served another's token
    ]
    assert len({made.identity() for made in different}) == len(different)
    own = NaoOAuth(**_APP)
    assert own.identity() == own.identity()
    assert own == NaoOAuth(**_APP)


# --- from the environment --------------------------------------------------------------------------------------------


def test_each_kind_reads_its_variables() -> None:
    """White space around values is dropped."""
    assert NaoApiKey.from_env(_KEY_ENV) == NaoApiKey("CANARY-key")
    assert NaoSession.from_env(_KEY_ENV) == NaoSession(auth_token="CANARY-key")
    assert NaoSession.from_env(_PERSON_ENV) == NaoSession(email="ada@x.example", password="CANARY")
    assert NaoOAuth.from_env(_OAUTH_ENV).client_secret == Secret("CANARY")
    assert NaoOAuth.from_env(_OAUTH_ENV).identity() == NaoOAuth.from_env(_OAUTH_ENV).identity()


@pytest.mark.parametrize(
    "kind, names",
    [
        (NaoApiKey, ["NAO_AUTH_TOKEN"]),
        (NaoSession, ["NAO_EMAIL", "NAO_PASSWORD"]),
        (NaoOAuth, ["NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI"]),
    ],
)
def test_each_kind_names_all_that_is_missing(
    kind: type[NaoApiKey | NaoSession | NaoOAuth], names: list[str]
) -> None:
    """At once."""
    with pytest.raises(ConfigurationError) as refused:
        kind.from_env({})
    assert all(name in str(refused.value) for name in names)


@pytest.mark.parametrize("more", [{"NAO_EMAIL": "a"}, {"NAO_PASSWORD": "CANARY"}])
def test_a_session_that_contradicts_itself(more: dict[str, str]) -> None:
    """A key beside half a person is a mistake."""
    with pytest.raises(ConfigurationError, match="contradicts") as refused:
        NaoSession.from_env(_KEY_ENV | more)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    "environ, kind", [(_OAUTH_ENV, NaoOAuth), (_PERSON_ENV, NaoSession), (_KEY_ENV, NaoApiKey)]
)
def test_the_client_finds_the_kind(environ: dict[str, str], kind: type[object]) -> None:
    """By what is set."""
    made, url, _ = _settings(None, None, None, environ)
    assert (type(made), url) == (kind, HOST)


@pytest.mark.parametrize(
    "environ, names",
    [
        ({}, ["NAO_AUTH_TOKEN", "NAO_EMAIL", "NAO_CLIENT_ID"]),
        ({"NAO_CLIENT_ID": "x"}, ["NAO_CLIENT_SECRET is not set", "NAO_REDIRECT_URI is not set"]),
        ({"NAO_PASSWORD": "CANARY"}, ["NAO_EMAIL is not set"]),
        (_KEY_ENV | _PERSON_ENV, ["contradict", "NAO_AUTH_TOKEN", "NAO_EMAIL"]),
        (_OAUTH_ENV | _KEY_ENV, ["contradict", "NAO_CLIENT_ID"]),
        (
            {"NAO_CLIENT_ID": "x", "NAO_EMAIL": "a", "NAO_BASE_URL": "http://nao.example"},
            ["contradict", "NAO_CLIENT_SECRET is not set", "https"],
        ),
        ({"NAO_AUTH_TOKEN": "Bearer CANARY"}, ["My Profile"]),
    ],
)
def test_every_fault_is_listed_at_once(environ: dict[str, str], names: list[str]) -> None:
    """Missing, contradictory and unsafe settings in one error, without values."""
    with pytest.raises(ConfigurationError) as refused:
        _settings(None, None, None, environ)
    assert [name for name in names if name not in str(refused.value)] == []
    assert "CANARY" not in str(refused.value)


# --- the address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, url",
    [
        (None, "https://www.nao-cloud.com"),
        ("https://nao.example/", "https://nao.example"),
        ("https://nao.example/api/v2", "https://nao.example"),
        ("https://nao.example/nao/api/v2/", "https://nao.example/nao"),
        (URL("https://nao.example:8443/x"), "https://nao.example:8443/x"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
def test_the_base_url(given: object, url: str) -> None:
    """With or without the API's path; a prefix of one's own stays."""
    assert str(choose_base_url(None, given)).rstrip("/") == url


@pytest.mark.parametrize("given", ["http://www.nao-cloud.com/api/v2", "nao-cloud.com", 7, ""])
def test_an_unsafe_base_url(given: object) -> None:
    """Plain http, which the vendor's own examples use, would show the password."""
    with pytest.raises(ConfigurationError):
        choose_base_url(None, given)


@pytest.mark.parametrize("environment", ["production", ""])
def test_there_are_no_environments(environment: Any) -> None:
    """Naming one is a mistake."""
    with pytest.raises(ConfigurationError, match="no environments"):
        NaoClient(NaoApiKey("k"), environment=environment)
