"""The four credentials and clients keep one shape; what one vendor alone has is declared in `tests.support.vendors.shape`."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.client import VendorClient
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from tests.support.vendors.packages import every_vendor, exceptions, face, named
from tests.support.vendors.shape import OPTIONS, OTHER_REPLIES, OTHER_TYPES, OWN_CALLS, OWN_OPTIONS
from tests.support.vendors.table import CASES, FIXED, Case, Vendor

every_kind = pytest.mark.parametrize(
    "case",
    [case for case in (*CASES, *FIXED) if not case.name.endswith("-harsh")],
    ids=lambda case: case.name,
)


# --- credentials ------------------------------------------------------------------------------------------------------


@every_kind
def test_credentials_are_frozen_comparable_data(case: Case) -> None:
    """Equal ones have one identity, the secret parts show nothing, and `from_env` reads them where that can be."""
    credentials = _credentials(case)
    assert attrs.has(type(credentials))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        credentials.anything = 1
    twin = attrs.evolve(credentials)
    assert (twin, twin.identity()) == (credentials, credentials.identity())
    assert type(credentials).__name__ in repr(credentials)
    assert [
        secret for secret in _secrets(credentials) if secret in f"{credentials!r} {credentials.identity()}"
    ] == []
    assert hasattr(type(credentials), "from_env") is (
        case.name != "NomadSSO"
    )  # a browser's return is no setting


def _credentials(case: Case) -> Any:
    sandbox = case.vendor.sandbox(**case.switches)
    # the return of a single sign-on names the sandbox's address, which it has while it runs only
    sandbox._base_url = "http://127.0.0.1:1"
    return case.credentials(sandbox)


def _secrets(credentials: Any) -> list[str]:
    values = [getattr(credentials, field.name) for field in attrs.fields(type(credentials))]
    found = [value.reveal() for value in values if isinstance(value, Secret)]
    assert found
    return found


# --- the client -------------------------------------------------------------------------------------------------------


@every_vendor
def test_clients_take_the_same_options(vendor: Vendor) -> None:
    """The same keyword parameters in the same order, of the same types; a vendor's own are declared."""
    first, *rest = inspect.signature(named(vendor, "Client")).parameters.values()
    assert (first.name, first.kind, first.default) == ("credentials", first.POSITIONAL_OR_KEYWORD, None)
    assert {parameter.kind for parameter in rest} == {inspect.Parameter.KEYWORD_ONLY}
    common = [parameter for parameter in rest if parameter.name in OPTIONS]
    assert [parameter.name for parameter in common] == list(OPTIONS)
    assert {parameter.name for parameter in rest} - set(OPTIONS) == exceptions(OWN_OPTIONS, vendor)
    optional = [parameter for parameter in common if "None" in OPTIONS[parameter.name]]
    assert {parameter.default for parameter in optional} == {None}
    usual = {"credentials": "{prefix}Credentials | AnySource[{prefix}Credentials] | None", **OPTIONS}
    for parameter in (first, *common):
        other, _ = OTHER_TYPES.get((vendor.name, parameter.name), (None, ""))
        assert parameter.annotation == (other or usual[parameter.name].format(prefix=vendor.prefix))


@every_vendor
def test_clients_have_the_same_face(vendor: Vendor) -> None:
    """All that `VendorClient` offers, unchanged, with `api` and `check`; a vendor's own calls are declared."""
    client = named(vendor, "Client")
    assert issubclass(client, VendorClient)
    own = set(face(client)) - set(face(VendorClient))
    assert own == {"api", "check"} | exceptions(OWN_CALLS, vendor)
    assert inspect.iscoroutinefunction(client.check)
    assert client.api.fget.__annotations__["return"] == f"{vendor.prefix}Api"
    typed_anew = [name for name in face(VendorClient) if name in vars(client)]
    assert typed_anew == (sorted(OTHER_REPLIES) if vendor.name == "nomba" else [])


@every_vendor
def test_clients_and_their_options_are_documented(vendor: Vendor) -> None:
    """The client's docstring names each parameter and the vendor's page; each public call has one of its own."""
    client = named(vendor, "Client")
    text = inspect.getdoc(client) or ""
    missing = [name for name in inspect.signature(client).parameters if f"\n    {name}: " not in text]
    assert missing == []
    assert "Source: https://" in text
    assert "ConfigurationError: " in text
    assert "async with" in text


_SHAPES = {
    "nomad": "NomadPassword",
    "nomba": "NombaCredentials",
    "noyo": "NoyoCredentials",
    "nao": "NaoApiKey",
}


_WRONG_OPTIONS: tuple[tuple[dict[str, object], str], ...] = (
    ({"store": "redis://:CANARY@host"}, r"not str.*open_store"),
    ({"policy": timedelta(minutes=1)}, "policy must be a RenewalPolicy, not timedelta"),
    ({"clock": 5}, r"clock must be a nauth\.Clock"),
    ({"observer": 5}, "observer must be a function"),
    ({"max_response_bytes": 0}, "max_response_bytes must be"),
    ({"max_response_bytes": "5"}, "max_response_bytes must be"),
)


@every_kind
async def test_options_of_another_type_are_refused(case: Case) -> None:
    """It is said when the client is made, and not by a foreign error at the first request."""
    async with case.vendor.sandbox(**case.switches) as sandbox:
        credentials = case.credentials(sandbox)
        for option, words in _WRONG_OPTIONS:
            with pytest.raises(ConfigurationError, match=words) as refused:
                case.vendor.client(credentials, base_url=sandbox.base_url, **option)
            assert "CANARY" not in str(refused.value)


@every_vendor
@pytest.mark.parametrize(
    "credentials", [("id", "CANARY"), {"client_secret": "CANARY"}, "CANARY", object()], ids=type
)
def test_credentials_of_another_type_are_refused(vendor: Vendor, credentials: object) -> None:
    """The error shows a form that works, and never the value."""
    with pytest.raises(
        ConfigurationError, match=rf"{vendor.prefix}Client\({_SHAPES[vendor.name]}\("
    ) as refused:
        vendor.client(credentials, base_url="https://api.example.com")
    assert "CANARY" not in str(refused.value)


@every_kind
async def test_the_constructor_sends_nothing(case: Case) -> None:
    """A client that is never used costs no call, and closes without one."""
    async with case.vendor.sandbox(**case.switches) as sandbox:
        credentials, before = case.credentials(sandbox), len(sandbox.log)
        async with case.vendor.client(credentials, base_url=sandbox.base_url) as client:
            assert sandbox.base_url in repr(client)
        assert len(sandbox.log) == before


@every_kind
async def test_no_repr_shows_a_secret(case: Case) -> None:
    """Not the client's, its endpoints', its manager's, its middleware's, nor the sandbox's; before and after use."""
    async with case.vendor.sandbox(**case.switches) as sandbox:
        credentials = case.credentials(sandbox)
        async with case.vendor.client(credentials, base_url=sandbox.base_url) as client:
            secrets = _secrets(credentials)
            face: Any = client
            for _ in range(2):
                shown = (
                    f"{client!r} {face.api!r} {client.auth!r} {client._manager!r} {sandbox!r} {sandbox.log!r}"
                )
                assert [secret for secret in secrets if secret in shown] == []
                assert type(client).__name__ in shown
                await face.check()
                secrets.append((await client.token()).access_token.reveal())
