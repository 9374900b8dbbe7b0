"""What a user of any client is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from nauth.errors import ClosedError, InteractionRequiredError
from nauth.testing import Fault
from nauth.token import RenewalPolicy
from tests.support.leaks.errors import leaks
from tests.support.vendors.packages import named
from tests.support.vendors.table import CASES, FIXED, Stage

_WAYS = [case for case in CASES if not case.name.endswith("-harsh")]
every_way = pytest.mark.parametrize("case", _WAYS, ids=lambda case: case.name)
every_credential = pytest.mark.parametrize("case", [*_WAYS, *FIXED], ids=lambda case: case.name)


@every_way
async def test_a_wrong_credential_is_typed_and_not_sent_again(stage: Stage) -> None:
    """One sign-in, then the same error from the cool-down, then one more; it names the setting and no secret."""
    client: Any = await stage.client(wrong=True)
    for _ in range(3):
        with pytest.raises(stage.case.refusal, match=stage.case.setting) as refused:
            await client.check()
        assert leaks(refused.value, ["CANARY"]) == []
        assert refused.value.retry_after == timedelta(seconds=10)
    assert stage.token_calls == stage.case.refusal_calls
    stage.clock.advance(10)
    with pytest.raises(stage.case.refusal):
        await client.token()
    # where only a person can help, the vendor is not asked again
    times = 1 if issubclass(stage.case.refusal, InteractionRequiredError) else 2
    assert stage.token_calls == times * stage.case.refusal_calls


@every_credential
@pytest.mark.parametrize(
    "fault, error",
    [
        (Fault(status=500), "UnavailableError"),
        (Fault(status=502, body=b"<html>", content_type="text/html"), "UnavailableError"),
        (Fault(status=403), "PermissionDeniedError"),
        (Fault(status=404), "NotFoundError"),
        (Fault(status=422), "BadRequestError"),
        (Fault(status=302, headers={"Location": "https://example.com/"}), "MalformedResponseError"),
        (Fault(body=b"<html>", content_type="text/html"), "MalformedResponseError"),
        (Fault(body=b'{"code":"00","data":null}'), "MalformedResponseError"),
        (Fault(body=b'{"meta":{},"response":[]}'), "MalformedResponseError"),
        (Fault(drop="after"), "OutcomeUnknownError"),
    ],
)
async def test_a_check_names_what_went_wrong(stage: Stage, fault: Fault, error: str) -> None:
    """Each failure of the resource call is an error class of the vendor's own, and none renews."""
    client: Any = await stage.client()
    await client.token()
    calls = stage.token_calls
    stage.sandbox.faults.add(fault, times=9)
    with pytest.raises(named(stage.case.vendor, error, "errors")):
        await client.check()
    assert stage.token_calls == calls


@every_way
@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_vendor_that_is_down_is_asked_as_often_as_the_policy_says(
    stage: Stage, attempts: int
) -> None:
    """A thousand callers without a token cause `attempts` token calls together, and in the cool-down none."""
    stage.sandbox.faults.add(Fault(status=503), endpoint=stage.case.signs_in, times=99)
    policy = RenewalPolicy(attempts=attempts, backoff=timedelta(0))
    client: Any = await stage.client(policy=policy)
    for _ in range(2):
        told = await asyncio.gather(*(client.token() for _ in range(1000)), return_exceptions=True)
        assert {type(error) for error in told} == {named(stage.case.vendor, "UnavailableError", "errors")}
        assert stage.token_calls == attempts


@every_credential
async def test_a_typed_call_is_sent_as_often_as_the_policy_says(stage: Stage) -> None:
    """With one attempt a typed call that may be sent again is not."""
    client: Any = await stage.client(policy=RenewalPolicy(attempts=1))
    await client.token()
    before = sum(stage.sandbox.requests.values())
    stage.sandbox.faults.add(Fault(status=503), times=9)
    with pytest.raises(named(stage.case.vendor, "UnavailableError", "errors")):
        await client.check()
    assert sum(stage.sandbox.requests.values()) - before == 1


@every_way
async def test_throttled_is_throttled_with_the_wait(stage: Stage) -> None:
    """A wait that is too long for the deadline is told at once, to `token`, `check` and a request; one call is made."""
    fault = Fault(status=429, headers={"Retry-After": "120"})
    stage.sandbox.faults.add(fault, endpoint=stage.case.signs_in)
    client: Any = await stage.client()
    calls: list[Callable[[], Awaitable[Any]]] = [client.token, client.check, lambda: stage.status(client)]
    for call in calls:
        with pytest.raises(named(stage.case.vendor, "ThrottledError", "errors")) as refused:
            await call()
        assert refused.value.retry_after == timedelta(seconds=120)
    assert stage.token_calls == 1


@every_credential
async def test_a_host_that_is_not_there_is_not_sent(stage: Stage) -> None:
    """No connection: typed, never a wrong credential, and it says that trying again is safe."""
    client: Any = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
    await stage.sandbox.aclose()
    with pytest.raises(named(stage.case.vendor, "NotSentError", "errors")) as refused:
        await client.check()
    assert refused.value.retry_after is not None


@every_way
async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every call raises the same typed error."""
    client: Any = await stage.client()
    await client.check()
    await client.aclose()
    own = [getattr(client, name) for name in (*stage.case.calls_to_end, "ping") if hasattr(client, name)]
    if hasattr(client, "groups"):
        own.append(client.groups().__anext__)
    for call in (client.token, client.check, client.renew, *own):
        with pytest.raises(ClosedError):
            await call()
