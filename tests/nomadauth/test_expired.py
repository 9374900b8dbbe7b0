"""A 403 counts as a 401 only where our own clock says that the token was over."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientResponse

from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.testing import FakeClock
from nauth.time_formats import instant
from nauth.token import Token
from nomadauth.responses import Hidden401


def _answer(status: int, sent: str) -> ClientResponse:
    info = SimpleNamespace(headers={"Authorization": sent})
    return cast("ClientResponse", SimpleNamespace(status=status, request_info=info))


def _watch(clock: FakeClock, token: Token | None) -> Hidden401:
    watch = Hidden401(clock)
    watch.manager = cast("TokenManager", SimpleNamespace(current=token))
    return watch


@pytest.mark.parametrize(
    "status, age_s, sent, counts",
    [
        (403, 0, "Bearer t", False),
        (403, 3599, "Bearer t", False),
        (403, 3600, "Bearer t", True),
        (403, 9999, "Bearer t", True),
        (404, 9999, "Bearer t", False),
        (200, 9999, "Bearer t", False),
        (403, 0, "Bearer old", True),
    ],
)
async def test_the_clock_decides(status: int, age_s: int, sent: str, counts: bool) -> None:
    """Live: permission denied. Over, or replaced meanwhile: worth one more try."""
    clock = FakeClock()
    token = Token(
        access_token=Secret("t"), lifetime=timedelta(hours=1), expires_at=instant(clock.wall() + 3600)
    )
    clock.advance(age_s)
    assert await _watch(clock, token)(_answer(status, sent)) is counts


@pytest.mark.parametrize("token", [None, Token(access_token=Secret("t"))])
async def test_a_token_without_an_end_is_never_over(token: Token | None) -> None:
    """Static credentials, and the moment after a logout."""
    assert await _watch(FakeClock(), token)(_answer(403, "Bearer t")) is False


async def test_before_there_is_a_manager_nothing_counts() -> None:
    """The hook is made before the manager it asks."""
    watch: Any = Hidden401(FakeClock())
    assert await watch(_answer(403, "Bearer t")) is False
