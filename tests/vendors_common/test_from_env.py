"""Clients made of environment variables alone; and one error that lists everything that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from naoauth.sandbox import data as nao_data
from nauth.errors import ConfigurationError
from nauth.stores import MemoryStore
from nauth.token import Token
from tests.support.vendors.table import CASES, FIXED, NAO, NOMAD, NOMBA, NOYO, VENDORS, Vendor

_PREFIXES = ("NOMAD_", "NOMBA_", "NOYO_", "NAO_")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the environment of the test run has set."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)


def _nomba(sandbox: Any) -> Mapping[str, str]:
    given = sandbox.credentials
    return {
        "NOMBA_CLIENT_ID": given.client_id,
        "NOMBA_CLIENT_SECRET": given.client_secret.reveal(),
        "NOMBA_ACCOUNT_ID": given.account_id,
        "NOMBA_BASE_URL": sandbox.base_url,
    }


def _nomba_private_key(sandbox: Any) -> Mapping[str, str]:
    values = dict(_nomba(sandbox))
    values["NOMBA_PRIVATE_KEY"] = values.pop("NOMBA_CLIENT_SECRET")
    return values


def _password(sandbox: Any) -> Mapping[str, str]:
    given = sandbox.credentials
    return {
        "NOMAD_MEDIA_USERNAME": given.username,
        "NOMAD_MEDIA_PASSWORD": given.password.reveal(),
        "NOMAD_MEDIA_APPLICATION_ID": given.application_id,
        "NOMAD_MEDIA_BASE_URL": sandbox.base_url,
    }


def _static_token(sandbox: Any) -> Mapping[str, str]:
    token = sandbox.static_token.token.reveal()
    return {"NOMAD_MEDIA_STATIC_TOKEN": token, "NOMAD_MEDIA_BASE_URL": f"{sandbox.base_url}/api"}


def _api_key(sandbox: Any) -> Mapping[str, str]:
    return {"NOMAD_MEDIA_API_KEY": sandbox.api_key.key.reveal(), "NOMAD_MEDIA_BASE_URL": sandbox.base_url}


def _noyo(sandbox: Any) -> Mapping[str, str]:
    given = sandbox.credentials
    return {
        "NOYO_CLIENT_ID": given.client_id,
        "NOYO_CLIENT_SECRET": given.client_secret.reveal(),
        "NOYO_ENVIRONMENT": "Sandbox",
        "NOYO_BASE_URL": sandbox.base_url,
        "NOYO_TOKEN_URL": sandbox.token_url,
    }


def _auth_token(sandbox: Any) -> Mapping[str, str]:
    token = sandbox.credentials_of("api_key").auth_token.reveal()
    return {"NAO_AUTH_TOKEN": token, "NAO_BASE_URL": sandbox.base_url}


def _person(sandbox: Any) -> Mapping[str, str]:
    return {
        "NAO_EMAIL": nao_data.EMAIL,
        "NAO_PASSWORD": nao_data.PASSWORD,
        "NAO_BASE_URL": f"{sandbox.base_url}/api/v2",
    }


def _application(sandbox: Any) -> Mapping[str, str]:
    return {
        "NAO_CLIENT_ID": nao_data.CLIENT_ID,
        "NAO_CLIENT_SECRET": nao_data.CLIENT_SECRET.reveal(),
        "NAO_REDIRECT_URI": nao_data.REDIRECT_URI,
        "NAO_BASE_URL": sandbox.base_url,
    }


@attrs.frozen
class Way:
    """One complete set of variables."""

    kind: str
    vendor: Vendor
    variables: Callable[[Any], Mapping[str, str]]
    switches: Mapping[str, Any] = attrs.field(factory=dict)


_WAYS = [
    Way("NombaCredentials", NOMBA, _nomba),
    Way("NombaCredentials", NOMBA, _nomba_private_key),
    Way("NomadPassword", NOMAD, _password),
    Way("NomadPassword", NOMAD, _password, {"application_id": "required"}),
    Way("NomadStaticToken", NOMAD, _static_token),
    Way("NomadApiKey", NOMAD, _api_key, {"static_scheme": "apikey"}),
    Way("NoyoCredentials", NOYO, _noyo),
    Way("NaoApiKey", NAO, _auth_token),
    Way("NaoSession-password", NAO, _person),
]

_NOT_FROM_VARIABLES = {
    "NomadSSO": "what a browser brings back is no setting, and must not lie in one",
    "NaoSession-key": "NAO_AUTH_TOKEN means NaoApiKey, which the vendor advises; NaoSession.from_env() reads it too",
    "NaoOAuth": "a person must sign in first: tested by itself below",
}


def test_every_kind_is_read_from_variables() -> None:
    """Each way to sign in is tried here, or has a reason why it cannot be."""
    kinds = {case.name for case in (*CASES, *FIXED) if not case.name.endswith("-harsh")}
    assert {way.kind for way in _WAYS} | set(_NOT_FROM_VARIABLES) == kinds
    assert {way.kind for way in _WAYS}.isdisjoint(_NOT_FROM_VARIABLES)


@pytest.mark.parametrize("way", _WAYS, ids=lambda way: f"{way.kind}-{way.variables.__name__}")
async def test_a_client_without_arguments_signs_in(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """`async with XClient()` and nothing else; a blank before a value and a newline behind it do no harm."""
    async with way.vendor.sandbox(**way.switches) as sandbox:
        for name, value in way.variables(sandbox).items():
            monkeypatch.setenv(name, f" {value}\n")
        async with way.vendor.client() as client:
            await client.check()  # type: ignore[attr-defined]  # every vendor's client has it
            async with client.get(way.vendor.path) as response:
                assert response.status == 200
            assert (await client.token()).access_token


async def test_an_oauth_client_without_arguments_waits_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's settings come from variables; the person's consent cannot."""
    async with NAO.sandbox(oauth_refresh="kept") as sandbox:
        for name, value in _application(sandbox).items():
            monkeypatch.setenv(name, value)
        async with NAO.client(store=MemoryStore()) as client:
            nao: Any = client
            token: Token = await nao.exchange(sandbox.approve(nao.authorization_url()))
            assert token.scheme == "Bearer"
            await nao.check()


# --- what is wrong, all at once ---------------------------------------------------------------------------------------

_PLAIN = "http://plain.example"

_FAULTS: list[tuple[Vendor, Mapping[str, str], list[str]]] = [
    (
        NOMBA,
        {},
        [
            "NOMBA_CLIENT_ID",
            "NOMBA_CLIENT_SECRET",
            "NOMBA_PRIVATE_KEY",
            "NOMBA_ACCOUNT_ID",
            "NOMBA_ENVIRONMENT",
            "NOMBA_BASE_URL",
            "production",
            "sandbox",
        ],
    ),
    (
        NOMBA,
        {"NOMBA_CLIENT_SECRET": "CANARY", "NOMBA_ENVIRONMENT": "live", "NOMBA_BASE_URL": _PLAIN},
        ["NOMBA_CLIENT_ID is not set", "NOMBA_ACCOUNT_ID is not set", "production or sandbox", "https"],
    ),
    (
        NOMBA,
        {"NOMBA_ENVIRONMENT": "sandbox", "NOMBA_BASE_URL": "https://api.nomba.com"},
        ["NOMBA_CLIENT_ID is not set", "contradict"],
    ),
    (NOYO, {}, ["NOYO_CLIENT_ID", "NOYO_CLIENT_SECRET", "NOYO_ENVIRONMENT"]),
    (
        NOYO,
        {
            "NOYO_CLIENT_SECRET": "CANARY",
            "NOYO_ENVIRONMENT": "production",
            "NOYO_BASE_URL": _PLAIN,
            "NOYO_TOKEN_URL": "https://tokens.example",
        },
        ["NOYO_CLIENT_ID is not set", "live or sandbox", "base_url", "token_url must be the whole address"],
    ),
    (
        NOYO,
        {"NOYO_ENVIRONMENT": "sandbox", "NOYO_BASE_URL": "https://fulfillment.noyo.com"},
        ["NOYO_CLIENT_ID is not set", "NOYO_CLIENT_SECRET is not set", "contradicts"],
    ),
    (
        NOMAD,
        {},
        ["NOMAD_MEDIA_USERNAME", "_PASSWORD", "_STATIC_TOKEN", "_API_KEY", "NOMAD_MEDIA_BASE_URL"],
    ),
    (
        NOMAD,
        {
            "NOMAD_MEDIA_USERNAME": "ada",
            "NOMAD_MEDIA_STATIC_TOKEN": "CANARY",
            "NOMAD_MEDIA_API_KEY": "CANARY",
            "NOMAD_MEDIA_BASE_URL": _PLAIN,
        },
        ["contradict", "NOMAD_MEDIA_PASSWORD is not set", "base_url", "https"],
    ),
    (
        NAO,
        {},
        [
            "NAO_AUTH_TOKEN",
            "NAO_EMAIL",
            "NAO_PASSWORD",
            "NAO_CLIENT_ID",
            "NAO_CLIENT_SECRET",
            "NAO_REDIRECT_URI",
        ],
    ),
    (
        NAO,
        {"NAO_EMAIL": "ada", "NAO_AUTH_TOKEN": "CANARY", "NAO_CLIENT_ID": "id", "NAO_BASE_URL": _PLAIN},
        ["contradict", "NAO_CLIENT_SECRET is not set", "NAO_REDIRECT_URI is not set", "base_url", "https"],
    ),
    (NAO, {"NAO_PASSWORD": "CANARY", "NAO_BASE_URL": _PLAIN}, ["NAO_EMAIL is not set", "base_url"]),
]


@pytest.mark.parametrize(
    "vendor, variables, wanted",
    _FAULTS,
    ids=[f"{vendor.name}-{len(variables)}" for vendor, variables, _ in _FAULTS],
)
def test_everything_wrong_is_told_at_once(
    vendor: Vendor, variables: Mapping[str, str], wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One `ConfigurationError` for all that is missing or contradictory, naming the client and showing no secret."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        vendor.client()
    text = str(refused.value)
    assert [words for words in wanted if words not in text] == []
    assert text.startswith(f"{vendor.prefix}Client cannot be set up: ")
    assert "CANARY" not in f"{text} {vars(refused.value)}"


def test_every_vendor_is_asked_for_its_faults() -> None:
    """Each has a case without any variable and one with several faults."""
    assert [sum(vendor is other for other, _, _ in _FAULTS) >= 2 for vendor in VENDORS] == [True] * 4
