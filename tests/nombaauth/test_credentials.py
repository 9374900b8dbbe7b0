"""Credentials are checked where they are made, read from the environment, and never shown."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from nombaauth import ConfigurationError, NombaCredentials, Secret
from nombaauth.client import _settings

_ID, _SECRET, _ACCOUNT = "client-1", "CANARY-" + "s" * 81, "account-1"


def _made(**changed: object) -> NombaCredentials:
    given: dict[str, object] = {"client_id": _ID, "client_secret": _SECRET, "account_id": _ACCOUNT} | changed
    return NombaCredentials(**given)  # type: ignore[arg-type]  # wrong types are what some tests are about


@pytest.mark.parametrize("secret", ["s" * 44, "s" * 88, "x", "with inner space", Secret("wrapped")])
def test_no_length_is_checked(secret: str | Secret) -> None:
    """The documents say 44 and reality says 88, so any secret is taken as it is."""
    assert _made(client_secret=secret).client_secret == Secret.of(secret)


def test_white_space_around_values_is_dropped() -> None:
    """A pasted newline is no one's secret, wrapped or not."""
    loose = _made(client_id=f" {_ID}\n", client_secret=f"\t{_SECRET}\r\n", account_id=f"{_ACCOUNT} ")
    assert loose == _made()
    assert _made(client_secret=Secret(f" {_SECRET} ")) == _made()
    assert loose.client_secret.reveal() == _SECRET


@pytest.mark.parametrize("name", ["client_id", "client_secret", "account_id"])
@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_value_is_refused_by_name(name: str, value: str) -> None:
    """The error names the argument and where the dashboard shows it."""
    with pytest.raises(ConfigurationError, match=rf"{name}=.*empty.*API keys.*private key"):
        _made(**{name: value})


@pytest.mark.parametrize("name", ["client_id", "client_secret", "account_id"])
@pytest.mark.parametrize("value", [None, 7, b"bytes"])
def test_a_wrong_type_is_refused_by_its_name(name: str, value: object) -> None:
    """The error tells the type that came and never the value."""
    with pytest.raises(ConfigurationError, match=type(value).__name__) as refused:
        _made(**{name: value})
    assert repr(value) not in str(refused.value) or value is None


def test_they_are_frozen_and_hidden() -> None:
    """A credential cannot be changed, and neither repr, str, format nor asdict shows the secret."""
    made = _made()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.client_id = "other"  # type: ignore[misc]  # that is the point
    assert _SECRET not in f"{made!r} {made} {attrs.asdict(made)}"


def test_every_part_counts_for_identity() -> None:
    """Equal credentials share a session; another id, secret or account does not."""
    assert _made().identity() == _made(client_secret=f" {_SECRET}").identity()
    others = [_made(client_id="2"), _made(client_secret="2"), _made(account_id="2")]
    assert len({made.identity() for made in (*others, _made())}) == 4
    assert _SECRET not in _made().identity()


@pytest.mark.parametrize("name", ["NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY"])
def test_the_environment_may_call_it_a_private_key(name: str) -> None:
    """Both names of the secret are read."""
    environ = {"NOMBA_CLIENT_ID": _ID, name: f"{_SECRET}\n", "NOMBA_ACCOUNT_ID": _ACCOUNT}
    assert NombaCredentials.from_env(environ) == _made()


@pytest.mark.parametrize(
    "read", [NombaCredentials.from_env, lambda environ: _settings(None, "sandbox", None, environ)]
)
def test_two_names_of_the_secret_that_differ_are_refused(read: Callable[[dict[str, str]], object]) -> None:
    """One of them is left over, and both are named; the same secret under both names is one."""
    environ = {
        "NOMBA_CLIENT_ID": _ID,
        "NOMBA_CLIENT_SECRET": _SECRET,
        "NOMBA_PRIVATE_KEY": "old",
        "NOMBA_ACCOUNT_ID": _ACCOUNT,
    }
    with pytest.raises(
        ConfigurationError, match="NOMBA_CLIENT_SECRET and NOMBA_PRIVATE_KEY are set and differ"
    ) as told:
        read(environ)
    assert "old" not in str(told.value).replace("threshold", "")
    assert NombaCredentials.from_env(environ | {"NOMBA_PRIVATE_KEY": _SECRET}) == _made()


def test_all_missing_variables_are_named_at_once() -> None:
    """One error lists everything, blank values included, and none of the values that are there."""
    with pytest.raises(ConfigurationError) as refused:
        NombaCredentials.from_env({"NOMBA_ACCOUNT_ID": "  "})
    text = str(refused.value)
    assert all(
        name in text
        for name in ("NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY", "NOMBA_ACCOUNT_ID")
    )


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variables of the process are read."""
    for name, value in (("CLIENT_ID", _ID), ("CLIENT_SECRET", _SECRET), ("ACCOUNT_ID", _ACCOUNT)):
        monkeypatch.setenv(f"NOMBA_{name}", value)
    assert NombaCredentials.from_env() == _made()
