"""Which source a client uses: one that is given, one that the environment names, or none."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.sources import (
    AwsSecret,
    AzureSecret,
    Environment,
    Fields,
    Function,
    KeyringSecret,
    SecretFile,
    Source,
    SourceRefusedError,
    VaultSecret,
    parse_source,
)
from nauth.sources.base import FieldsReader
from nauth.sources.choose import as_source, from_environment


@pytest.fixture(autouse=True)
def _vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")


@pytest.mark.parametrize(
    "text, kind, name",
    [
        ("file:/run/secrets/nomba.json", SecretFile, "file:/run/secrets/nomba.json"),
        ("aws:prod/nomba", AwsSecret, "aws:prod/nomba"),
        ("aws:prod/nomba?region=eu-west-1", AwsSecret, "aws:eu-west-1/prod/nomba"),
        (
            "aws:arn:aws:secretsmanager:eu-west-1:1:secret:x",
            AwsSecret,
            "aws:arn:aws:secretsmanager:eu-west-1:1:secret:x",
        ),
        ("azure:myvault/nomba", AzureSecret, "azure:myvault.vault.azure.net/nomba"),
        ("azure:https://v.example/a=b-c, d=e", AzureSecret, "azure:v.example/b-c,e"),
        ("vault:secret/prod/nomba", VaultSecret, "vault:vault.example/secret/prod/nomba"),
        (" vault:kv/nomba?kv=1", VaultSecret, "vault:vault.example/kv/nomba"),
        ("keyring:nomba", KeyringSecret, "keyring:nomba"),
    ],
)
def test_every_form(text: str, kind: type, name: str) -> None:
    """Each names its source; equal texts give one object, so that clients ask together."""
    source = parse_source(text)
    assert type(source) is kind
    assert source.name == name
    assert parse_source(text) is source
    assert isinstance(source, Source)
    assert repr(source)


@pytest.mark.parametrize(
    "text, words",
    [
        ("CANARY-secret", "must begin with aws:, azure:, file:, keyring:, vault:"),
        ("aws:", "must begin with"),
        ("ftp:CANARY", "must begin with"),
        ("aws:?region=x", "only region may follow"),
        ("aws:x?CANARY=1", "only region may follow"),
        ("azure:CANARY", "azure:VAULT/SECRET"),
        ("azure:v/under_score", "write nomba-client-secret"),
        ("azure:http://v.example/a", "https"),
        ("vault:CANARY", "vault:MOUNT/PATH"),
        ("vault:a/b?kv=3", "vault:MOUNT/PATH"),
    ],
)
def test_what_names_no_source(text: str, words: str) -> None:
    """The text is not shown: a secret may have been set in its place."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        parse_source(text, setting="NOMBA_CREDENTIALS")
    assert "CANARY" not in str(refused.value)
    assert (
        "NOMBA_CREDENTIALS" in str(refused.value)
        or "secret's name" in str(refused.value)
        or "vault_url" in str(refused.value)
    )


@pytest.mark.parametrize(
    "options, words",
    [({"kv": 3}, "1 or 2"), ({"address": "http://vault.example"}, "https"), ({"address": ""}, "which Vault")],
)
def test_a_vault_that_cannot_be(options: dict[str, Any], words: str) -> None:
    """Refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=words):
        VaultSecret("p", **options)


def _found(environ: dict[str, str], *, fixed: tuple[str, ...] = ()) -> tuple[Source | None, tuple[str, ...]]:
    reader = EnvironmentReader(environ)
    source = from_environment("X_", names=("X_ID", "X_SECRET"), fixed=fixed, reader=reader, environ=environ)
    return source, reader.faults


def test_the_environment_names_a_source(tmp_path: Path) -> None:
    """By ``X_CREDENTIALS``, or by a file for one of the names; plain variables are no source."""
    assert isinstance(_found({"X_CREDENTIALS": "aws:a"})[0], AwsSecret)
    assert isinstance(_found({"X_ID": "i", "X_SECRET_FILE": "/f"})[0], Environment)
    assert _found({"X_ID": "i", "X_SECRET": "s"}) == (None, ())
    (tmp_path / "f").write_text("aws:b\n")
    assert isinstance(_found({"X_CREDENTIALS_FILE": str(tmp_path / "f")})[0], AwsSecret)


def test_two_ways_to_sign_in() -> None:
    """A source beside a variable or a file for one is a contradiction, and both are named."""
    for more in ({"X_ID": "i"}, {"X_SECRET_FILE": "/f"}):
        source, faults = _found({"X_CREDENTIALS": "aws:a"} | more)
        assert source is None
        assert faults == (
            f"X_CREDENTIALS names a source, and {next(iter(more)).removesuffix('_FILE')} are set too: use one way to sign in",
        )
    assert _found({"X_CREDENTIALS": "aws:a", "X_APP": "i"}, fixed=("X_APP",))[0] is None
    assert "must begin with" in _found({"X_CREDENTIALS": "CANARY"})[1][0]


class _Holder:
    async def fetch(self) -> str:
        return "x"


async def _fetch() -> str:
    return "x"


def test_a_function_keeps_its_name_while_it_lives() -> None:
    """Clients made one after another with one function, or one object's method, share a token; two objects do not."""
    one, other = _Holder(), _Holder()
    names = [as_source(given).name for given in (_fetch, _fetch, one.fetch, one.fetch, other.fetch)]  # type: ignore[union-attr]
    assert names[0] == names[1]
    assert names[2] == names[3]
    assert len(set(names)) == 3
    assert Function(_fetch, name="a").name == "function:a"
    assert Function(_fetch).name != Function(_fetch).name
    assert "_fetch" in repr(Function(_fetch))

    class NoHash:
        __hash__ = None  # type: ignore[assignment]

        async def __call__(self) -> str:
            return "x"

    made = NoHash()
    assert as_source(made).name != as_source(made).name  # type: ignore[union-attr]
    del one
    gc.collect()


@pytest.mark.parametrize("given", [None, "text", 7, str, _Holder])
def test_what_is_no_source(given: object) -> None:
    """Left to the client, which says what it takes."""
    assert as_source(given) is None


def test_a_source_is_taken_as_it_is() -> None:
    """Ours, and any object of that shape."""

    class Own:
        name = "own"

        async def read(self) -> Fields:
            return Fields({})

    for source in (Own(), SecretFile("f"), Function(_fetch)):
        assert as_source(source) is source


# --- fields -----------------------------------------------------------------------------------------------------------


def test_fields_are_read_like_variables() -> None:
    """In either spelling; what is missing is told with the names that are there, and never with a value."""
    fields = Fields(
        {"client-id": Secret("i"), "X_SECRET": Secret("CANARY"), "other": Secret("CANARY")},
        None,
        {"n": "number"},
    )
    reader = FieldsReader(fields, prefix="X_", source="aws:a")
    assert reader.required("X_CLIENT_ID") == "i"
    assert reader.required_secret("X_SECRET") == Secret("CANARY")
    assert len(reader.environ) == 3
    assert "CANARY" not in repr(reader.environ)
    assert list(reader.environ) == ["X_CLIENT_ID", "X_SECRET", "X_OTHER"]
    reader.required("X_GONE", "X_ALSO")
    reader.required("X_N")
    with pytest.raises(SourceRefusedError) as refused:
        reader.finish("the credential")
    assert refused.value.problems == (
        "X_GONE or X_ALSO: not in aws:a (has: X_SECRET, client-id, n, other)",
        "X_N: is no text but number in aws:a",
    )
    assert "CANARY" not in str(refused.value)


def test_a_field_in_two_spellings() -> None:
    """Which one counts would be a guess."""
    reader = FieldsReader(Fields({"id": Secret("1"), "X_ID": Secret("2")}), prefix="X_", source="s")
    with pytest.raises(SourceRefusedError, match="X_ID: stands in s in two spellings"):
        reader.finish("the credential")


def test_an_empty_source() -> None:
    """It has nothing, and says so."""
    reader = FieldsReader(Fields({}), prefix="X_", source="s")
    assert reader.missing("X_ID") == "X_ID: not in s (has: nothing)"
    reader.finish("the credential")


# --- the environment --------------------------------------------------------------------------------------------------


def test_variables_and_files(tmp_path: Path) -> None:
    """Both are read anew each time, under the names of the variables."""
    (tmp_path / "s").write_text("s-1\n")
    source = Environment(
        "X_", {"X_ID": "i", "X_SECRET_FILE": str(tmp_path / "s"), "X_EMPTY": " ", "SSL_CERT_FILE": "/no"}
    )
    assert asyncio.run(source.read()).values == {"X_ID": Secret("i"), "X_SECRET": Secret("s-1")}
    (tmp_path / "s").write_text("s-2\n")
    assert asyncio.run(source.read()).values["X_SECRET"] == Secret("s-2")
    assert "X_" in source.name
    assert "X_" in repr(source)
    assert "subPath" in source.unchanged_hint


async def test_a_variable_in_both_ways(tmp_path: Path) -> None:
    """And a file that is not there: one error names both, and neither path nor value."""
    source = Environment("X_", {"X_ID": "CANARY", "X_ID_FILE": "/CANARY", "X_SECRET_FILE": "/CANARY-2"})
    with pytest.raises(SourceRefusedError) as refused:
        await source.read()
    assert refused.value.problems == (
        "X_ID and X_ID_FILE are both set: set one of them",
        "X_SECRET_FILE names a file that does not exist",
    )
    assert "CANARY" not in str(refused.value)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere."""
    monkeypatch.setenv("X_ID", "i")
    assert Environment("X_").read_now().values == {"X_ID": Secret("i")}
