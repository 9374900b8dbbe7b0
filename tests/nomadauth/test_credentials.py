"""Credentials are checked where they are made, read from the environment, and never shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from nauth.env_settings import EnvironmentReader
from nomadauth import (
    ConfigurationError,
    NomadApiKey,
    NomadCredentials,
    NomadPassword,
    NomadSSO,
    NomadStaticToken,
    Secret,
)
from nomadauth.credentials import read_credentials

_CANARY = "CANARY-" + "s" * 40
_PASSWORD = NomadPassword("svc@example.com", _CANARY, "app-1")
_ENV = {"NOMAD_MEDIA_USERNAME": "svc@example.com", "NOMAD_MEDIA_PASSWORD": f"{_CANARY}\n"}


@pytest.mark.parametrize(
    "made",
    [_PASSWORD, NomadSSO("azure", _CANARY, _CANARY), NomadStaticToken(_CANARY), NomadApiKey(_CANARY)],
    ids=lambda made: type(made).__name__,
)
def test_they_are_frozen_and_hidden(made: Any) -> None:
    """No credential can be changed, and neither repr, str, format nor asdict shows the secret."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.token = "other"
    assert _CANARY not in f"{made!r} {made} {attrs.asdict(made)} {made.identity()}"


def test_every_part_counts_for_identity() -> None:
    """Equal credentials share a session; anything else does not."""
    assert _PASSWORD.identity() == NomadPassword(" svc@example.com ", Secret(_CANARY), "app-1").identity()
    different: list[NomadCredentials] = [
        _PASSWORD,
        NomadPassword("svc@example.com", _CANARY),
        NomadPassword("svc@example.com", "other", "app-1"),
        NomadPassword("other", _CANARY, "app-1"),
        NomadSSO("azure", _CANARY, "r"),
        NomadSSO("okta", _CANARY, "r"),
        NomadSSO("azure", _CANARY, "q"),
        NomadSSO("azure", _CANARY),
        NomadStaticToken(_CANARY),
        NomadApiKey(_CANARY),
    ]
    assert len({made.identity() for made in different}) == len(different)


def test_a_password_is_kept_as_it_is() -> None:
    """White space may be part of what a person chose; around a token it never is."""
    assert NomadPassword("u", " p \n").password == Secret(" p \n")
    assert NomadPassword("u", Secret(" p")).password == Secret(" p")
    assert NomadStaticToken(f" {_CANARY}\n").token == Secret(_CANARY)
    assert NomadSSO("azure", f"{_CANARY} ", " ").refresh_token is None
    assert NomadPassword("u", "p", " ").application_id is None


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: NomadPassword("", "p"), "username"),
        (lambda: NomadPassword(" ", "p"), "username"),
        (lambda: NomadPassword("u", ""), "password"),
        (lambda: NomadPassword(5, "p"), "int"),
        (lambda: NomadPassword("u", 5), "int"),  # type: ignore[arg-type]  # likewise
        (lambda: NomadPassword("u", "p", 5), "int"),
        (lambda: NomadSSO("azure", ""), "token"),
        (lambda: NomadSSO("a/b", "t"), "provider"),
        (lambda: NomadSSO("azure", None), "NoneType"),  # type: ignore[arg-type]  # likewise
        (lambda: NomadSSO("azure", "t", expires_at=datetime(2026, 7, 2)), "aware"),  # noqa: DTZ001 - the point
        (lambda: NomadSSO("azure", "t", expires_at="soon"), "aware"),  # type: ignore[arg-type]  # likewise
        (lambda: NomadStaticToken(" "), "empty"),
        (lambda: NomadStaticToken("Bearer x"), "without the word"),
        (lambda: NomadApiKey("a\r\nX-Evil: 1"), "line break"),
        (lambda: NomadApiKey("schlüssel"), "ASCII"),
        (lambda: NomadApiKey(b"x"), "bytes"),  # type: ignore[arg-type]  # likewise
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], object], words: str) -> None:
    """Each wrong value is a setting to fix, named by what is wrong with it."""
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_an_aware_end_is_kept() -> None:
    """The end of a sign-on's token may be given."""
    end = datetime(2026, 7, 2, tzinfo=UTC)
    assert NomadSSO("azure", "t", expires_at=end).expires_at == end


# --- from the environment ---------------------------------------------------------------------------------------------


def test_each_kind_comes_from_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process environment is the default, and white space around values is dropped."""
    assert NomadPassword.from_env(_ENV) == NomadPassword("svc@example.com", _CANARY)
    assert NomadPassword.from_env(_ENV | {"NOMAD_MEDIA_APPLICATION_ID": "app-1"}) == _PASSWORD
    for name in ("USERNAME", "PASSWORD", "STATIC_TOKEN", "API_KEY"):
        monkeypatch.setenv(f"NOMAD_MEDIA_{name}", f" {_CANARY}\n")
    assert NomadStaticToken.from_env() == NomadStaticToken(_CANARY)
    assert NomadApiKey.from_env() == NomadApiKey(_CANARY)
    assert NomadPassword.from_env().username == _CANARY


@pytest.mark.parametrize(
    "kind, names",
    [
        (NomadPassword, ["NOMAD_MEDIA_USERNAME", "NOMAD_MEDIA_PASSWORD"]),
        (NomadStaticToken, ["NOMAD_MEDIA_STATIC_TOKEN"]),
        (NomadApiKey, ["NOMAD_MEDIA_API_KEY"]),
    ],
)
def test_all_missing_variables_are_named_at_once(kind: Any, names: list[str]) -> None:
    """One error lists everything that a kind needs."""
    with pytest.raises(ConfigurationError) as refused:
        kind.from_env({"NOMAD_USERNAME": "another product's"})
    assert all(name in str(refused.value) for name in names)


@pytest.mark.parametrize(
    "environ, made",
    [
        (_ENV, NomadPassword("svc@example.com", _CANARY)),
        (_ENV | {"NOMAD_MEDIA_APPLICATION_ID": "app-1"}, _PASSWORD),
        ({"NOMAD_MEDIA_STATIC_TOKEN": _CANARY}, NomadStaticToken(_CANARY)),
        ({"NOMAD_MEDIA_API_KEY": _CANARY}, NomadApiKey(_CANARY)),
    ],
)
def test_the_kind_follows_from_what_is_set(environ: dict[str, str], made: object) -> None:
    """One kind of setting, one kind of credential."""
    reader = EnvironmentReader(environ)
    make = read_credentials(reader)
    reader.finish("NomadClient")
    assert make is not None
    assert make() == made


@pytest.mark.parametrize(
    "environ, words",
    [
        (
            {},
            [
                "NOMAD_MEDIA_USERNAME",
                "NOMAD_MEDIA_PASSWORD",
                "NOMAD_MEDIA_STATIC_TOKEN",
                "NOMAD_MEDIA_API_KEY",
            ],
        ),
        ({"NOMAD_MEDIA_USERNAME": "u"}, ["NOMAD_MEDIA_PASSWORD is not set"]),
        (
            {"NOMAD_MEDIA_APPLICATION_ID": "a"},
            ["NOMAD_MEDIA_USERNAME is not set", "NOMAD_MEDIA_PASSWORD is not set"],
        ),
        (_ENV | {"NOMAD_MEDIA_API_KEY": _CANARY}, ["contradict", "NOMAD_MEDIA_API_KEY"]),
        ({"NOMAD_MEDIA_STATIC_TOKEN": "t", "NOMAD_MEDIA_API_KEY": "k"}, ["contradict"]),
        (
            {"NOMAD_MEDIA_USERNAME": "u", "NOMAD_MEDIA_API_KEY": "k"},
            ["contradict", "NOMAD_MEDIA_PASSWORD is not set"],
        ),
    ],
)
def test_contradictions_and_gaps_are_listed_together(environ: dict[str, str], words: list[str]) -> None:
    """Everything that is wrong, in one error, without any value."""
    reader = EnvironmentReader(environ)
    read_credentials(reader)
    with pytest.raises(ConfigurationError) as refused:
        reader.finish("NomadClient")
    assert [word for word in words if word not in str(refused.value)] == []
    assert _CANARY not in str(refused.value)


@pytest.mark.parametrize("beside", ["NOMAD_MEDIA_STATIC_TOKEN", "NOMAD_MEDIA_API_KEY"])
def test_a_left_over_application_id_is_named(beside: str) -> None:
    """The variables that are set are named, and none that is not."""
    with pytest.raises(ConfigurationError, match=f"contradict.*NOMAD_MEDIA_APPLICATION_ID; {beside}") as told:
        _read({"NOMAD_MEDIA_APPLICATION_ID": "a", beside: _CANARY})
    assert "USERNAME" not in str(told.value)
    assert _CANARY not in str(told.value)


def _read(environ: dict[str, str]) -> object:
    reader = EnvironmentReader(environ)
    made = read_credentials(reader)
    reader.finish("NomadClient")
    return made
