"""Errors carry data, survive copying and recasting, and belong to the vendor and to a kind."""

from __future__ import annotations

import copy
import pickle

import pytest

from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    NauthError,
    VendorUnavailableError,
    fresh_copy,
    recast,
)
from nomadauth import (
    LoginStatus,
    NomadAccountBlockedError,
    NomadError,
    NomadInteraction,
    NomadInteractionRequiredError,
    NomadThrottledError,
    Secret,
    UnknownStatus,
    errors,
)
from nomadauth.errors import LEAVES, Endpoint, blocked, refusal

_LEAVES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, NomadError) and value is not NomadError
]


@pytest.mark.parametrize("leaf", _LEAVES)
def test_every_error_has_a_vendor_and_a_kind(leaf: type[NomadError]) -> None:
    """`except NomadError` and `except <kind>` both work, and none is an OSError."""
    assert issubclass(leaf, NauthError)
    assert any(
        not kind.__module__.startswith("nomadauth") and kind is not NauthError for kind in leaf.__mro__[2:-4]
    )
    assert not issubclass(leaf, OSError)
    made = leaf("text", status=400, code="c", request_id="r", detail="d")
    for twin in (copy.copy(made), pickle.loads(pickle.dumps(made)), fresh_copy(made), recast(made, leaf)):  # noqa: S301 - our own bytes
        assert type(twin) is leaf
        assert (str(twin), vars(twin)) == (str(made), vars(made))


def test_the_kinds() -> None:
    """A blocked account is a refusal, throttling is unavailability, a step is a person's."""
    assert issubclass(NomadAccountBlockedError, CredentialsRejectedError)
    assert issubclass(NomadThrottledError, VendorUnavailableError)
    assert issubclass(NomadInteractionRequiredError, InteractionRequiredError)
    assert all(issubclass(leaf, kind) for kind, leaf in LEAVES.items())


@pytest.mark.parametrize("status", [*LoginStatus, UnknownStatus("IsOnTheMoon")])
def test_a_blocked_account_says_why(status: LoginStatus | UnknownStatus) -> None:
    """The reason is in words; an unknown one is kept as data only."""
    error = blocked(status, status=200, detail=None, request_id=None)
    assert (error.login_status, error.code) == (status, status.value)
    assert "may not sign in" in str(error)
    assert "IsOnTheMoon" not in str(error)


def test_an_interaction_travels_with_its_error_unseen() -> None:
    """The QR secret is data of the error, and in none of its texts."""
    wanted = NomadInteraction(
        login_status=LoginStatus.TWO_FACTOR_SETUP_REQUIRED, username="CANARY", qr_code=Secret("CANARY")
    )
    error = fresh_copy(NomadInteractionRequiredError("x", interaction=wanted))
    assert error.interaction is wanted
    assert "CANARY" not in f"{error!r} {vars(error)} {wanted!r}"
    assert (wanted.wants_password, wanted.attempt) == (False, 1)


def test_a_token_refused_names_the_single_session() -> None:
    """The likeliest cause on some tenants is another login."""
    assert "another login" in str(refusal(Endpoint.RESOURCE, 401))
