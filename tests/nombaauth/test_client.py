"""The user's face: settings, requests with token and account id, the typed check, revocation."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession
from yarl import URL

from nauth.errors import ClosedError, NauthError
from nauth.testing import Fault
from nombaauth import (
    Balance,
    ConfigurationError,
    NombaClient,
    NombaCredentials,
    NombaCredentialsRejectedError,
    NombaError,
    NombaMalformedResponseError,
    NombaNotFoundError,
    NombaNotSentError,
    NombaPermissionDeniedError,
    NombaThrottledError,
    NombaTokenRefusedError,
    NombaUnavailableError,
    OriginError,
    RenewalPolicy,
)
from nombaauth.client import _settings
from tests.fakes.leaks import leaks
from tests.nombaauth.conftest import Stage, opened

_CREDENTIALS = NombaCredentials(client_id="id-1", client_secret="CANARY", account_id="account-1")
_FULL = {
    "NOMBA_CLIENT_ID": "id-1",
    "NOMBA_PRIVATE_KEY": "CANARY\n",
    "NOMBA_ACCOUNT_ID": "account-1",
    "NOMBA_ENVIRONMENT": "Sandbox",
}


# --- settings -------------------------------------------------------------------------------------------------------


def test_everything_may_come_from_the_environment() -> None:
    """Credentials, under either name, and the environment, in any case."""
    assert _settings(None, None, None, _FULL) == (_CREDENTIALS, URL("https://sandbox.nomba.com"))


@pytest.mark.parametrize(
    "environment, base_url, environ, url",
    [
        ("production", None, _FULL, "https://api.nomba.com"),
        (None, "https://proxy.example.com", _FULL, "https://proxy.example.com"),
        (None, None, _FULL | {"NOMBA_BASE_URL": "https://sandbox.nomba.com/"}, "https://sandbox.nomba.com"),
        (None, None, {"NOMBA_BASE_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ("sandbox", None, {}, "https://sandbox.nomba.com"),
    ],
)
def test_an_argument_wins_over_the_environment(
    environment: str | None, base_url: str | None, environ: dict[str, str], url: str
) -> None:
    """What is given in code is not mixed with what the process says."""
    assert _settings(_CREDENTIALS, environment, base_url, environ) == (_CREDENTIALS, URL(url))


def test_every_fault_is_listed_in_one_error() -> None:
    """All missing variables and the missing environment at once."""
    with pytest.raises(ConfigurationError) as refused:
        _settings(None, None, None, {})
    names = ["NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_PRIVATE_KEY", "NOMBA_ACCOUNT_ID"]
    names += ["NOMBA_ENVIRONMENT", "NOMBA_BASE_URL", "production", "sandbox"]
    assert [name for name in names if name not in str(refused.value)] == []


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"NOMBA_ENVIRONMENT": ""}, "which Nomba is meant"),
        ({"NOMBA_ENVIRONMENT": "live"}, "NOMBA_ENVIRONMENT must be production or sandbox"),
        ({"NOMBA_BASE_URL": "https://api.nomba.com"}, "contradicts"),
        ({"NOMBA_BASE_URL": "http://nomba.example.com"}, "https"),
        ({"NOMBA_CLIENT_ID": " "}, "NOMBA_CLIENT_ID is not set"),
    ],
)
def test_a_wrong_variable_is_refused(changed: dict[str, str], words: str) -> None:
    """An unset, unknown, contradictory or unsafe setting stops the client before anything is sent."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        _settings(None, None, None, _FULL | changed)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("credentials", [("id", "secret"), {"client_id": "CANARY"}, "CANARY"])
def test_credentials_of_another_type_are_refused(credentials: object) -> None:
    """The error shows the form that works and never the value."""
    with pytest.raises(ConfigurationError, match=r"NombaClient\(NombaCredentials\(") as refused:
        NombaClient(credentials, environment="sandbox")  # type: ignore[arg-type]  # that is the point
    assert "CANARY" not in str(refused.value)


async def test_the_process_environment_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NombaClient()` without arguments signs in."""
    given = stage.sandbox.credentials
    for name, value in (
        ("CLIENT_ID", given.client_id),
        ("CLIENT_SECRET", f" {given.client_secret.reveal()}\n"),
        ("ACCOUNT_ID", given.account_id),
        ("BASE_URL", stage.sandbox.base_url),
    ):
        monkeypatch.setenv(f"NOMBA_{name}", value)
    monkeypatch.delenv("NOMBA_ENVIRONMENT", raising=False)
    async with NombaClient(store=stage.store, clock=stage.clock) as client:
        assert (await client.check()).currency == "NGN"


async def test_the_constructor_sends_nothing(stage: Stage) -> None:
    """A client that is never used costs no call, and closes without one."""
    async with NombaClient(stage.sandbox.credentials, base_url=stage.sandbox.base_url) as client:
        assert stage.sandbox.base_url in repr(client)
    assert stage.sandbox.log == []


# --- requests -------------------------------------------------------------------------------------------------------


async def test_a_check_is_typed(stage: Stage) -> None:
    """The simplest call proves the token and gives an exact amount."""
    balance = await (await stage.client()).check()
    assert isinstance(balance, Balance)
    assert (balance.amount, balance.currency) == (Decimal("281946.0"), "NGN")
    assert balance.time_created.timestamp() == stage.clock.wall()
    assert stage.calls == (1, 0, 0)


async def test_every_request_carries_token_and_account(stage: Stage) -> None:
    """Token, account id, Accept and User-Agent are put on; a caller's own headers win."""
    client = await stage.client()
    token = await client.token()
    async with client.get("/v1/transfers/banks") as response:
        assert (response.status, (await response.json())["code"]) == (200, "00")
    await (await client.get("/v1/transfers/banks", headers={"User-Agent": "mine"})).read()
    first, second = (exchange.headers for exchange in stage.sandbox.log[-2:])
    assert first["Authorization"] == token.authorization
    assert (first["accountId"], first["Accept"]) == (stage.sandbox.credentials.account_id, "application/json")
    assert (first["User-Agent"], second["User-Agent"]) == ("nauth (nombaauth)", "mine")


async def test_one_request_may_name_a_sub_account() -> None:
    """The header can be replaced for a call; in the path the parent's header stays."""
    async with opened(sub_account_header="works") as stage:
        client, sub = await stage.client(), stage.sandbox.sub_account_id
        async with client.get("/v1/accounts/balance", headers={"accountId": sub}) as response:
            assert response.status == 200
        async with client.get(f"/v1/accounts/{sub}/balance") as response:
            assert (await response.json())["data"]["amount"] == "1250.5"
        assert [exchange.headers["accountId"] for exchange in stage.sandbox.log[-2:]] == [
            sub,
            stage.sandbox.credentials.account_id,
        ]


async def test_a_foreign_origin_is_refused(stage: Stage) -> None:
    """The token goes to the configured host only."""
    client = await stage.client()
    with pytest.raises(OriginError):
        client.get("https://example.com/")
    assert stage.sandbox.log == []


async def test_a_session_of_ones_own_is_used_and_left_open(stage: Stage) -> None:
    """Requests and typed calls go through the given session, whatever it does with statuses; closing leaves it."""
    async with ClientSession(raise_for_status=True) as session:
        client = await stage.client(session=session)
        await client.check()
        stage.sandbox.faults.add(Fault(status=404), endpoint="balance")
        with pytest.raises(NombaNotFoundError):
            await client.check()
        await client.aclose()
        assert not session.closed
    assert stage.calls == (1, 0, 0)


async def test_a_renewal_can_be_asked_for(stage: Stage) -> None:
    """`renew` refreshes now, keeping the refresh token where none came back."""
    client = await stage.client()
    first = await client.token()
    second = await client.renew()
    assert not second.same_access(first)
    assert second.refresh_token == first.refresh_token
    assert stage.calls == (1, 1, 0)


# --- failures -------------------------------------------------------------------------------------------------------


def _wrong(credentials: NombaCredentials, **changed: str) -> NombaCredentials:
    return attrs.evolve(credentials, **changed)


async def test_a_wrong_secret_is_typed_and_not_repeated(stage: Stage) -> None:
    """One call, then the same error from the cool-down, then one more call; nothing of the secret anywhere."""
    wrong = _wrong(stage.sandbox.credentials, client_secret="CANARY-" + "x" * 80)
    client = await stage.client(wrong)
    for _ in range(3):
        with pytest.raises(NombaCredentialsRejectedError, match="NOMBA_CLIENT_SECRET") as refused:
            await client.check()
        assert leaks(refused.value, [wrong.client_secret.reveal()]) == []
        assert refused.value.retry_after == timedelta(seconds=10)
    assert stage.calls == (1, 0, 0)
    stage.clock.advance(10)
    with pytest.raises(NombaCredentialsRejectedError):
        await client.token()
    assert stage.calls == (2, 0, 0)


async def test_a_line_break_inside_the_account_id_is_a_setting_to_fix(stage: Stage) -> None:
    """Nothing is sent, and the error is about the configuration."""
    client = await stage.client(_wrong(stage.sandbox.credentials, account_id="a\r\nX-Evil: 1"))
    with pytest.raises(ConfigurationError, match="line break"):
        await client.token()
    assert stage.sandbox.log == []


async def test_throttled_is_throttled_through_every_door() -> None:
    """Whoever meets the 429 of a sign-in, by `token`, `check` or a request, is told so and for how long."""
    async with opened(rate_class="low", rate_headers="window_60s") as stage:
        await (await stage.client()).token()
        client = await stage.client(stage.sandbox.second_credentials)
        doors: list[Callable[[], Any]] = [
            client.token,
            client.check,
            lambda: client.get("/v1/transfers/banks"),
        ]
        for door in doors:
            with pytest.raises(NombaThrottledError) as refused:
                await door()
            assert refused.value.retry_after == timedelta(seconds=60)
        assert stage.calls[0] == 2


@pytest.mark.parametrize(
    "fault, leaf",
    [
        (Fault(status=500), NombaUnavailableError),
        (Fault(status=404), NombaNotFoundError),
        (Fault(status=403), NombaPermissionDeniedError),
        (Fault(body=b"<html>", content_type="text/html"), NombaMalformedResponseError),
        (Fault(body=b'{"code":"00","data":null}'), NombaMalformedResponseError),
    ],
)
async def test_a_check_names_what_went_wrong(fault: Fault, leaf: type[NauthError], stage: Stage) -> None:
    """Each failure of the resource call is a leaf of Nomba's own, and none renews."""
    client = await stage.client()
    stage.sandbox.faults.add(fault, endpoint="balance", times=3)
    with pytest.raises(leaf):
        await client.check()
    assert stage.calls == (1, 0, 0)


async def test_a_host_that_is_not_there_is_not_sent() -> None:
    """No connection: typed, and it says that trying again is safe."""
    async with opened() as stage:
        client = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
        await stage.sandbox.aclose()
        with pytest.raises(NombaNotSentError) as refused:
            await client.check()
        assert refused.value.retry_after is not None


async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every door raises the same typed error."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    for door in (client.token, client.check, client.revoke, client.renew):
        with pytest.raises(ClosedError):
            await door()


# --- revocation -----------------------------------------------------------------------------------------------------


async def test_a_revocation_forgets_and_the_next_call_signs_in(stage: Stage) -> None:
    """The token is dead at the vendor and gone here and in the store; the next call issues, never refreshes."""
    client = await stage.client()
    await client.token()
    await client.revoke()
    assert (stage.calls, stage.sandbox.live_tokens) == ((1, 0, 1), 0)
    assert await stage.store.load(client._manager.key) is None
    await client.check()
    assert stage.calls == (2, 0, 1)


async def test_a_cold_client_revokes_nothing(stage: Stage) -> None:
    """Revoking without a token does not sign in to do so."""
    await (await stage.client()).revoke()
    assert stage.sandbox.log == []


async def test_a_failed_revocation_can_be_repeated(stage: Stage) -> None:
    """While Nomba does not confirm, the token is kept."""
    client = await stage.client()
    token = await client.token()
    stage.sandbox.faults.add(Fault(status=403), endpoint="revoke")
    with pytest.raises(NombaPermissionDeniedError):
        await client.revoke()
    assert (await client.token()) is token
    await client.revoke()
    assert stage.sandbox.live_tokens == 0


async def test_a_stale_revocation_deletes_nothing_newer(stage: Stage) -> None:
    """What a sibling has stored meanwhile is revoked as well, not left behind or mixed up."""
    first, second = await stage.client(), await stage.client()
    await first.token()
    await second.renew()
    await first.revoke()
    assert stage.sandbox.live_tokens == 1  # the one that `second` had replaced: nobody holds it any more
    await second.check()
    assert stage.calls == (2, 1, 1)


# --- nothing shows --------------------------------------------------------------------------------------------------


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


def test_the_front_doors_signature_is_the_designs() -> None:
    """The client's options are those that users of all vendors know."""
    options = list(inspect.signature(NombaClient).parameters)
    assert options == [
        "credentials",
        "environment",
        "base_url",
        "session",
        "store",
        "policy",
        "clock",
        "observer",
    ]
