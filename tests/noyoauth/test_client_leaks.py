"""No secret shows: not in a repr, a log, or an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from nauth.testing import Fault
from noyoauth import NoyoError
from noyoauth.sandbox.data import EIN
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NoyoStage as Stage


async def test_no_secret_in_any_repr_or_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """After a full life, neither the objects nor the debug logs of everything show a secret or token."""
    caplog.set_level(logging.DEBUG)
    client = await stage.client()
    tokens = [await client.token(), await client.renew()]
    await client.check()
    stage.sandbox.kill_sessions()
    await client.check()
    credentials = stage.sandbox.credentials
    hidden = [credentials.client_secret.reveal(), credentials.authorization.split()[1], EIN]
    hidden += [token.access_token.reveal() for token in tokens]
    parts = [
        client,
        client.api,
        client.auth,
        client._manager,
        stage.store,
        stage.events,
        tokens,
        stage.sandbox.log,
    ]
    shown = caplog.text + repr(parts) + repr(vars(client)) + repr(vars(client.api))
    assert [text for text in hidden if text in shown] == []


@pytest.mark.parametrize("endpoint", ["token", "groups"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, body=b'{"message":"CANARYCANARYCANARYCANARY"}'),
        Fault(status=401, body=b'{"error":"CANARYCANARYCANARYCANARY"}'),
        Fault(status=403),
        Fault(status=404, body=b"<html>CANARY"),
        Fault(status=500, body=b"CANARYCANARYCANARYCANARY"),
        Fault(status=302, headers={"Location": "https://example.com/"}),
        Fault(body=b"CANARY"),
        Fault(body=b'[{"access_token":"CANARY"}]'),
        Fault(body=b'{"access_token":{"a":"CANARY"},"expires_in":"CANARY","meta":"CANARY","response":[]}'),
        Fault(drop="before"),
        Fault(drop="after"),
    ],
)
async def test_no_secret_in_any_error(endpoint: str, fault: Fault, stage: Stage) -> None:
    """Whatever fails wherever: neither text, data, chain nor any frame's locals hold a secret, token or wire value."""
    client, credentials = await stage.client(), stage.sandbox.credentials
    hidden = [credentials.client_secret.reveal(), credentials.authorization.split()[1], "CANARY"]
    doors: dict[str, Callable[[], Any]] = {"token": client.token, "groups": client.check}
    if endpoint != "token":
        hidden.append((await client.token()).access_token.reveal())
    stage.sandbox.faults.add(fault, endpoint=endpoint, times=20)
    with pytest.raises(NoyoError) as failed:
        await doors[endpoint]()
    assert leaks(failed.value, hidden) == []
