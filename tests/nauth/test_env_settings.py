"""Settings come from the environment, and everything wrong with them is said at once."""

from __future__ import annotations

import pytest

from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError


def test_optional() -> None:
    """The first name that is set wins; white space is stripped, and nothing else counts as unset."""
    reader = EnvironmentReader({"A": " \n", "B": "\tvalue\r\n", "C": "other"})
    assert reader.optional("A", "B", "C") == "value"
    assert reader.optional("A") is None
    assert reader.optional("D") is None
    reader.finish("X()")


def test_required() -> None:
    """A value is returned as it is, inner spaces included; a secret as a `Secret`."""
    reader = EnvironmentReader({"NAME": "two words", "SECRET": " hunter2\n"})
    assert reader.required("NAME") == "two words"
    secret = reader.required_secret("OLD_SECRET", "SECRET")
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in repr(secret)
    reader.finish("X()")


def test_choice() -> None:
    """A choice is compared and returned in lower case; unset is None and no fault."""
    reader = EnvironmentReader({"SIDE": " Sandbox "})
    assert reader.choice("SIDE", ["production", "sandbox"]) == "sandbox"
    assert reader.choice("OTHER", ["production", "sandbox"]) is None
    reader.finish("X()")


def test_all_faults_at_once() -> None:
    """One error names every fault in the order found, and no value."""
    reader = EnvironmentReader({"SIDE": "hunter2", "EMPTY": " "})
    assert reader.required("NAME", "OLD_NAME") == ""
    assert not reader.required_secret("EMPTY")
    assert reader.choice("SIDE", ["production", "sandbox"]) is None
    reader.fault("X_URL is odd")
    with pytest.raises(ConfigurationError) as caught:
        reader.finish("XClient()")
    assert str(caught.value) == (
        "XClient() cannot be set up: NAME or OLD_NAME is not set; EMPTY is not set; "
        "SIDE must be production or sandbox; X_URL is odd"
    )


def test_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the process environment is read."""
    monkeypatch.setenv("NAUTH_TEST_ONLY", "here")
    assert EnvironmentReader().optional("NAUTH_TEST_ONLY") == "here"


def test_empty_environment_is_not_the_process() -> None:
    """An empty mapping is an environment without variables, not a request for the process's."""
    assert EnvironmentReader({}).optional("PATH") is None


def test_a_fault_is_told_once() -> None:
    """However often a variable is asked for."""
    reader = EnvironmentReader({"A": "a", "A_FILE": "/f"})
    assert [reader.optional("A"), reader.required("A")] == ["a", "a"]
    assert reader.faults == ("A and A_FILE are both set: set one of them",)
