"""No secret shows: not in a repr, a log, or an error."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from nauth.testing import Fault
from nombaauth import NombaError, NombaTokenRefusedError
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NombaStage as Stage


async def test_no_secret_in_any_repr_or_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """After a full life, neither the objects nor the debug logs of everything show a secret or token."""
    caplog.set_level(logging.DEBUG)
    client = await stage.client()
    tokens = [await client.token(), await client.renew()]
    await client.check()
    await client.revoke()
    await client.revoke()
    hidden = [stage.sandbox.credentials.client_secret.reveal()]
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
        stage.store,
        stage.events,
        tokens,
        stage.sandbox.log,
    ]
    shown = caplog.text + repr(parts) + repr(vars(client))
    assert [text for text in hidden if text in shown] == []


@pytest.mark.parametrize("endpoint", ["issue", "refresh", "revoke", "balance"])
@pytest.mark.parametrize(
    "fault, harmless",
    [
        (Fault(status=400, body=b'{"code":"400","description":"Request failed."}'), {"refresh"}),
        (Fault(status=500), set()),
        (Fault(status=302, headers={"Location": "https://example.com/"}), set()),
        (Fault(body=b"CANARY"), set()),
        (Fault(body=b'[{"access_token":"CANARY"}]'), {"refresh"}),
        (
            Fault(body=b'{"code":"00","data":{"access_token":"CANARY","refresh_token":5,"amount":"CANARY"}}'),
            {"refresh", "revoke"},
        ),
        (Fault(drop="before"), set()),
        (Fault(drop="after"), set()),
    ],
)
async def test_no_secret_in_any_error(endpoint: str, fault: Fault, harmless: set[str], stage: Stage) -> None:
    """Whatever fails wherever: neither text, data, chain nor any frame's locals hold a secret, token or wire value."""
    client, hidden = await stage.client(), [stage.sandbox.credentials.client_secret.reveal(), "CANARY"]
    doors: dict[str, Callable[[], Any]] = {
        "issue": client.token,
        "refresh": client.renew,
        "revoke": client.revoke,
        "balance": client.check,
    }
    if endpoint != "issue":
        token = await client.token()
        assert token.refresh_token is not None
        hidden += [token.access_token.reveal(), token.refresh_token.reveal()]
    stage.sandbox.faults.add(fault, endpoint=endpoint, times=20)
    if endpoint in harmless:  # a refused refresh leads to a sign-in, and a revocation's data do not matter
        await doors[endpoint]()
        assert stage.calls == {"refresh": (2, 1, 0), "revoke": (1, 0, 1)}[endpoint]
        return
    with pytest.raises(NombaError) as failed:
        await doors[endpoint]()
    assert leaks(failed.value, hidden) == []


async def test_no_secret_in_the_error_of_a_refusal_that_goes_on(stage: Stage) -> None:
    """The 401 that stays has the renewed token behind it, in no frame and no text."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    with pytest.raises(NombaTokenRefusedError) as refused:
        await client.check()
    token = await client.token()
    assert token.refresh_token is not None
    hidden = [
        token.access_token.reveal(),
        token.refresh_token.reveal(),
        stage.sandbox.credentials.client_secret.reveal(),
    ]
    assert leaks(refused.value, hidden) == []


def test_the_leak_finder_finds() -> None:
    """The helper sees texts, attributes, causes, and locals of frames outside the tests."""
    with pytest.raises(TypeError) as plain:
        json.loads({"a": "CANARY"})  # type: ignore[arg-type]  # to get a frame with a local that shows
    assert leaks(plain.value, ["CANARY"]) == ["loads: s"]
    chained = NombaError("x", detail="CANARY")
    assert leaks(chained, ["CANARY"]) != []
    outer = NombaError("x")
    outer.__cause__ = NombaError("CANARY")
    assert leaks(outer, ["CANARY"]) != []
