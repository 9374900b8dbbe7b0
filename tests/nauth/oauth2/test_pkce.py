"""Verifier and challenge, by the book."""

from __future__ import annotations

import pytest

from nauth.errors import ConfigurationError
from nauth.oauth2 import PKCE


def test_the_example_of_the_rfc() -> None:
    """RFC 7636 appendix B."""
    pkce = PKCE("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert (pkce.method, pkce.challenge) == ("S256", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")


def test_verifiers_are_random_long_enough_and_hidden() -> None:
    """No two are alike, all are within 43 to 128 characters, and no repr shows one."""
    made = [PKCE() for _ in range(20)]
    assert len({pkce.verifier for pkce in made}) == 20
    assert all(43 <= len(pkce.verifier.reveal()) <= 128 for pkce in made)
    assert made[0].verifier.reveal() not in repr(made[0])
    assert PKCE(made[0].verifier) == made[0]


@pytest.mark.parametrize("verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + "é", 7, None])
def test_another_form_is_refused(verifier: object) -> None:
    """Too short, too long, or with other characters: refused without being quoted."""
    with pytest.raises(ConfigurationError) as refused:
        PKCE(verifier)  # type: ignore[arg-type]  # wrong types are among the cases
    assert "aaa" not in str(refused.value)
