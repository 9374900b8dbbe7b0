"""No secret shows: not in an address, a repr, a log, or an error."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from naoauth import NaoClient, NaoCredentials, NaoOAuth, NaoSession
from naoauth.sandbox import data
from nauth.errors import NauthError
from nauth.testing import Fault
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NaoStage as Stage

_KEY = data.auth_token("opaque")


async def test_secrets_are_in_no_address_and_no_repr(stage: Stage) -> None:
    """No query ever carries a credential, and no repr of client or token shows one."""
    client = await stage.client()
    await client.check()
    token = await client.token()
    assert all("?" not in exchange.path for exchange in stage.sandbox.log)
    for secret in (token.access_token.reveal(), data.PASSWORD, _KEY):
        assert secret not in f"{client!r} {token!r} {client.api!r} {stage.events!r}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"meta": {"n": 1, "other": "CANARY.CANARY", "auth_token": "CANARY"}}',
        b'{"meta": {"jwt": ["CANARY"]}, "data": {"attributes": {"auth_token": "CANARY"}}}',
        b"CANARY",
        b'{"access_token": "CANARY", "token_type": "mac"}',
        b'{"access_token": 7, "refresh_token": "CANARY"}',
        b'{"error": "invalid_grant", "error_description": "CANARY-CANARY-CANARY-CANARY"}',
    ],
)
@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("kind", ["session", "session_by_key", "oauth"])
async def test_no_failure_shows_a_secret(
    kind: Any, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the request's secrets nor the answer's: not in text, data, log, chain, or locals of our frames."""
    async with Stage.opened() as stage:
        client = await stage.client(_planted(stage.sandbox.credentials_of(kind)))
        stage.sandbox.faults.add(Fault(status=status, body=body), endpoint="sessions", times=9)
        stage.sandbox.faults.add(Fault(status=status, body=body), endpoint="token", times=9)
        with pytest.raises(NauthError) as refused:
            await _attempt(stage, client, kind)
        assert leaks(refused.value, ["CANARY"]) == []
        assert "CANARY" not in caplog.text


async def _attempt(stage: Stage, client: NaoClient, kind: str) -> None:
    if kind == "oauth":
        await client.exchange(f"{stage.sandbox.approve(client.authorization_url())}&x=CANARY")
    await client.check()


def _planted(credentials: NaoCredentials) -> NaoCredentials:
    if isinstance(credentials, NaoOAuth):
        return attrs.evolve(credentials, client_secret="CANARY-secret")
    if isinstance(credentials, NaoSession) and credentials.password is not None:
        return attrs.evolve(credentials, password="CANARY-password")
    return NaoSession(auth_token="CANARY-key")


async def test_a_refused_callback_shows_nothing(stage: Stage) -> None:
    """A forged state, or a page instead of an address."""
    client = await stage.client(stage.application())
    client.authorization_url()
    for callback in ("code=CANARY&state=CANARY", "CANARY" * 9999, f"code=CANARY&{'code=CANARY'}"):
        with pytest.raises(NauthError) as refused:
            await client.exchange(callback)
        assert leaks(refused.value, ["CANARY"]) == []
