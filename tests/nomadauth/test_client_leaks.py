"""No secret shows: not in a repr, a log, or an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from nauth.testing import Fault
from nomadauth import LoginStatus, NomadError, NomadInteractionRequiredError, Token
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NomadStage as Stage


async def test_no_secret_in_any_repr_or_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """After a full life, neither the objects nor the debug logs of everything show a secret or token."""
    caplog.set_level(logging.DEBUG)
    client, sso = await stage.client(), await stage.client(stage.signed_on())
    tokens: list[Token] = [await client.token(), await client.renew(), await sso.token(), await sso.renew()]
    for each in (client, sso):
        await each.check()
        await each.logout()
        await each.logout()
    hidden = [stage.sandbox.credentials.password.reveal()]
    for token in tokens:
        hidden += [
            token.access_token.reveal(),
            token.refresh_token.reveal() if token.refresh_token else "-" * 9,
        ]
    parts = [
        client,
        client.api,
        client.auth,
        client._manager,
        sso,
        stage.store,
        stage.events,
        tokens,
        stage.sandbox.log,
    ]
    shown = caplog.text + repr(parts) + repr(vars(client)) + repr(vars(sso))
    assert [text for text in hidden if text in shown] == []


@pytest.mark.parametrize("endpoint", ["login", "refresh", "renew", "logout", "ping_auth", "user", "ping"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=302, headers={"Location": "https://example.com/?CANARY"}),
        Fault(body=b"CANARY"),
        Fault(drop="before"),
        Fault(drop="after"),
        Fault(status=418, body=b'{"message":"CANARY-which-is-a-long-token-of-theirs"}'),
    ],
)
async def test_no_secret_in_any_error(endpoint: str, fault: Fault, stage: Stage) -> None:
    """Whatever fails wherever: neither text, data, chain nor any frame's locals hold a secret, token or wire value."""
    client = await stage.client(stage.signed_on() if endpoint == "renew" else None)
    doors: dict[str, Callable[[], Any]] = {
        "login": client.token,
        "refresh": client.renew,
        "renew": client.renew,
        "logout": client.logout,
        "ping_auth": client.check,
        "user": client.api.get_user,
        "ping": client.ping,
    }
    hidden = [stage.sandbox.credentials.password.reveal(), "CANARY"]
    if endpoint != "login":
        token = await client.token()
        assert token.refresh_token is not None
        hidden += [token.access_token.reveal(), token.refresh_token.reveal()]
    stage.sandbox.faults.add(fault, endpoint=endpoint, times=20)
    if endpoint == "logout" and fault.body is not None and fault.status is None:
        await doors[endpoint]()  # a logout's answer has no body to be read
        return
    with pytest.raises(NomadError) as failed:
        await doors[endpoint]()
    assert leaks(failed.value, hidden) == []


async def test_what_a_qr_code_holds_stays_hidden(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor a log shows it; whoever needs it opens it."""
    caplog.set_level(logging.DEBUG)
    async with Stage.opened() as stage:
        client = await stage.client(stage.sandbox.account(LoginStatus.TWO_FACTOR_SETUP_REQUIRED))
        with pytest.raises(NomadInteractionRequiredError) as refused:
            await client.token()
    wanted = refused.value.interaction
    assert wanted is not None
    assert wanted.qr_code is not None
    assert wanted.qr_code_image is not None
    canaries = [wanted.qr_code.reveal(), wanted.qr_code_image.reveal()]
    assert leaks(refused.value, canaries) == []
    assert not any(canary in caplog.text for canary in canaries)
