"""Statuses in every form: names, numbers, and unknown ones."""

from __future__ import annotations

import pytest

from nomadauth import LoginStatus, PingStatus, UnknownStatus
from nomadauth.statuses import STEPS, login_status, ping_status


@pytest.mark.parametrize("number, status", [*enumerate(LoginStatus, start=1)])
def test_a_login_status_by_name_and_number(number: int, status: LoginStatus) -> None:
    """Name, number, number as text or float, any case: the same member."""
    for value in (
        status.value,
        status.value.upper(),
        f" {status.value} ",
        number,
        str(number),
        float(number),
    ):
        assert login_status(value) is status


def test_the_documented_numbers() -> None:
    """4 and 5 are the only ones that a page states."""
    assert login_status(4) is LoginStatus.IS_PENDING_EMAIL_CONFIRMATION
    assert login_status(5) is LoginStatus.IS_PENDING_NEW_ACCOUNT_SIGNUP


@pytest.mark.parametrize(
    "name, status",
    [
        ("RequiresNewPassword", LoginStatus.IS_PENDING_NEW_PASSWORD),
        ("PendingApproval", LoginStatus.IS_DISABLED),
        ("Disabled", LoginStatus.IS_DISABLED),
        ("Expired", LoginStatus.IS_EXPIRED),
        ("PendingInvitation", LoginStatus.IS_PENDING_INVITATION),
    ],
)
def test_the_names_of_the_prose(name: str, status: LoginStatus) -> None:
    """What the description of login calls them, beside its enum."""
    assert login_status(name) is status


@pytest.mark.parametrize("number, status", [*enumerate(PingStatus, start=1)])
def test_a_ping_status_by_name_and_number(number: int, status: PingStatus) -> None:
    """A vendor's screenshot shows 1, its specification names."""
    assert ping_status(status.value) is status
    assert ping_status(number) is status


def test_a_replaced_session_has_two_names() -> None:
    """Prose says SessionReplaced, the enum SessionDeactivated."""
    assert ping_status("SessionReplaced") is PingStatus.SESSION_DEACTIVATED


@pytest.mark.parametrize("value", [None, "", "  "])
def test_nothing_is_a_success(value: object) -> None:
    """Null and empty text mean that nothing stands in the way."""
    assert login_status(value) is None


@pytest.mark.parametrize(
    "value, kept",
    [
        ("IsOnTheMoon", "IsOnTheMoon"),
        (0, "0"),
        (97, "97"),
        (-1, "-1"),
        (1.5, "float"),
        (True, "bool"),
        ([], "list"),
        ({}, "object"),
        (10**400, "int"),
        ("\x00", "unreadable"),
        ("A" * 40, "[...]"),
        (float("inf"), "float"),
    ],
)
def test_unknown_statuses_survive(value: object, kept: str) -> None:
    """It is kept as cleaned text, or by its type's name, and never raises."""
    assert login_status(value) == UnknownStatus(kept)


def test_three_steps_can_be_taken_at_once() -> None:
    """Both second-factor steps and the new password; the rest needs an administrator or a browser."""
    assert len(STEPS) == 3
