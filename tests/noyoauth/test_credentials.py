"""Credentials are checked where they are made, read from the environment, and never shown."""

from __future__ import annotations

import base64

import attrs
import pytest

from noyoauth import ConfigurationError, NoyoCredentials, Secret
from noyoauth.credentials import current

_ID, _SECRET = "client-1", "CANARY:" + "s%2B+ " * 5 + "~"


def _made(**changed: object) -> NoyoCredentials:
    given: dict[str, object] = {"client_id": _ID, "client_secret": _SECRET} | changed
    return NoyoCredentials(**given)  # type: ignore[arg-type]  # wrong types are what some tests are about


def test_white_space_around_values_is_dropped() -> None:
    """A pasted newline is no one's secret, wrapped or not."""
    assert _made(client_id=f" {_ID}\n", client_secret=f"\t{_SECRET}\r\n") == _made()
    assert _made(client_secret=Secret(f" {_SECRET} ")) == _made()


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_value_is_refused_by_name(name: str, value: str) -> None:
    """The error names the argument and where keys are made."""
    with pytest.raises(ConfigurationError, match=rf"{name}=.*empty.*Noyo app.*Command Center"):
        _made(**{name: value})


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", [None, 7, b"bytes"])
def test_a_wrong_type_is_refused_by_its_name(name: str, value: object) -> None:
    """The error tells the type that came and never the value."""
    with pytest.raises(ConfigurationError, match=type(value).__name__) as refused:
        _made(**{name: value})
    assert repr(value) not in str(refused.value) or value is None


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_half_a_character_is_refused(name: str) -> None:
    """What cannot be written as UTF-8 fails here and not in the middle of a renewal."""
    with pytest.raises(ConfigurationError, match=rf"{name}.*half a character"):
        _made(**{name: "a\ud800"})


def test_a_colon_belongs_into_the_secret_only() -> None:
    """Basic splits at the first colon, so an id with one is refused before it reveals half of itself."""
    with pytest.raises(ConfigurationError, match="colon") as refused:
        _made(client_id="CANARY:more")
    assert "CANARY" not in str(refused.value)
    assert _made(client_secret="a:b").client_secret == Secret("a:b")


@pytest.mark.parametrize(
    "client_id, secret",
    [("id", "plain"), ("id", "a:b%2B+c/ d"), ("i%d+", "100%"), ("ünïcode", "sécret☃")],
)
def test_the_basic_pair_is_plain_base64(client_id: str, secret: str) -> None:
    """Byte for byte ``id:secret`` in UTF-8: no percent-encoding, which RFC 6749 would want."""
    header = _made(client_id=client_id, client_secret=secret).authorization
    scheme, _, encoded = header.partition(" ")
    assert (scheme, base64.b64decode(encoded, validate=True)) == ("Basic", f"{client_id}:{secret}".encode())
    assert _made(client_id="Aladdin", client_secret="open sesame").authorization == (
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )


def test_they_are_frozen_and_hidden() -> None:
    """A credential cannot be changed, and neither repr, str, format nor asdict shows the secret."""
    made = _made()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.client_id = "other"  # type: ignore[misc]  # that is the point
    assert "CANARY" not in f"{made!r} {made} {attrs.asdict(made)}"


def test_every_part_counts_for_identity() -> None:
    """Equal credentials share a token; another id or secret does not."""
    assert _made().identity() == _made(client_secret=f" {_SECRET}").identity()
    assert len({made.identity() for made in (_made(), _made(client_id="2"), _made(client_secret="2"))}) == 3
    assert "CANARY" not in _made().identity()


def test_all_missing_variables_are_named_at_once() -> None:
    """One error lists both, blank values included."""
    with pytest.raises(ConfigurationError, match=r"NOYO_CLIENT_ID.*NOYO_CLIENT_SECRET"):
        NoyoCredentials.from_env({"NOYO_CLIENT_ID": "  "})


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variables of the process are read."""
    monkeypatch.setenv("NOYO_CLIENT_ID", _ID)
    monkeypatch.setenv("NOYO_CLIENT_SECRET", f"{_SECRET}\n")
    assert NoyoCredentials.from_env() == _made()


def test_a_function_stands_for_the_credentials_of_the_day() -> None:
    """It is called each time; what is no credentials is refused by its type."""
    days = iter([_made(), _made(client_secret="new")])
    assert [current(lambda: next(days)).client_secret for _ in range(2)] == [Secret(_SECRET), Secret("new")]
    assert current(_made()) == _made()
    for wrong in ("CANARY", lambda: "CANARY", {"client_id": "CANARY"}):
        with pytest.raises(ConfigurationError, match=r"NoyoClient\(NoyoCredentials\(") as refused:
            current(wrong)
        assert "CANARY" not in str(refused.value)
