"""One probe a switch of Nomba's double: what it changes, as a value that can be compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tests.support.vendors.callers.nomba import TTL_S, Caller

__all__ = [
    "Probe",
    "after_revoke",
    "auth_quota",
    "codes",
    "date",
    "dead_refresh",
    "error",
    "expired",
    "expiry",
    "lifetime",
    "limits",
    "mixed_up",
    "old_access",
    "rate_headers",
    "refresh_bearers",
    "refresh_life",
    "refused_by_address",
    "revoke_dead",
    "revoke_without_account",
    "rotation",
    "scope",
    "second_issue",
    "status_fields",
    "sub_account",
    "token_fields",
    "wrong_account",
    "wrong_secret",
]

Probe: TypeAlias = Callable[[Caller], Awaitable[object]]
_ANY = {"POST": "/v1/echo", "GET": "/v1/accounts/balance"}


async def wrong_secret(nomba: Caller) -> object:
    answer = await nomba.issue(client_secret="wrong")
    return answer.body if answer.status == 200 else answer.brief


async def wrong_account(nomba: Caller) -> object:
    answers = [await nomba.issue(account=None), await nomba.issue(account="0")]
    access, refresh = await nomba.pair()
    answers += [await nomba.balance(access, account=account) for account in (None, "0")]
    answers.append(await nomba.refresh(refresh, access, account="0"))
    assert len({answer.brief for answer in answers}) == 1
    return answers[0].brief


async def sub_account(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    return (await nomba.balance(access, account=nomba.sandbox.sub_account_id)).brief


async def mixed_up(nomba: Caller) -> object:
    issued = await nomba.issue(nomba.sandbox.other_environment)
    if issued.status != 200:
        return issued.brief
    return (await nomba.balance(issued.data["access_token"])).brief


async def lifetime(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    lived = 0
    while (await nomba.balance(access)).status == 200:
        step = 1 if lived < 2 else 900
        lived += step
        nomba.clock.advance(step)
    return lived


async def expiry(nomba: Caller) -> object:
    nomba.clock.advance(0.25)
    data = (await nomba.issue()).data
    return data.get("expiresAt", data.get("expires_in"))


async def date(nomba: Caller) -> object:
    return (await nomba.issue()).headers.get("Date")


async def refresh_bearers(nomba: Caller) -> object:
    """With a live bearer, an expired one, a stranger's, none."""
    access, refresh = await nomba.pair()
    strange, _ = await nomba.pair(nomba.sandbox.second_credentials)
    live = await nomba.refresh(refresh, access)
    nomba.clock.advance(TTL_S)
    expired, stranger, none = [await nomba.refresh(refresh, token) for token in (access, strange, None)]
    return [answer.brief for answer in (live, expired, stranger, none)]


async def rotation(nomba: Caller) -> object:
    """What kind of refresh token came, and whether the first still works."""
    access, refresh = await nomba.pair()
    data = (await nomba.refresh(refresh, access)).data
    came = data.get("refresh_token")
    kind = "same" if came == refresh else "new" if came else came
    again = await nomba.refresh(refresh, data["access_token"])
    return kind, again.status, nomba.sandbox.refresh_reuses


async def old_access(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    await nomba.refresh(refresh, access)
    return (await nomba.balance(access)).status


async def refresh_life(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    nomba.clock.advance(59.9)
    assert (await nomba.refresh(refresh, access)).status == 200
    nomba.clock.advance(0.1)
    return (await nomba.refresh(refresh, access)).status


async def dead_refresh(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    nomba.sandbox.kill_sessions(kill_refresh=True)
    dead, unknown = [await nomba.refresh(token, access) for token in (refresh, "never-was")]
    assert dead.brief == unknown.brief
    return dead.brief


async def scope(nomba: Caller) -> object:
    """Who survives: the first session after another key of the account signs in, then the same key again."""
    first, _ = await nomba.pair()
    await nomba.pair(nomba.sandbox.second_credentials)
    beside = (await nomba.balance(first)).status
    await nomba.pair()
    return beside, (await nomba.balance(first)).status


async def second_issue(nomba: Caller) -> object:
    first, _ = await nomba.pair()
    nomba.sandbox.take_over()
    at_once = (await nomba.balance(first)).status
    nomba.clock.advance(5)
    return at_once, (await nomba.balance(first)).status


async def expired(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    nomba.clock.advance(TTL_S)
    answers = [await nomba.balance(token) for token in (access, "never-was", None)]
    assert len({answer.brief for answer in answers}) == 1
    assert nomba.sandbox.unauthorized == 3
    return answers[0].brief


async def revoke_without_account(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    return (await nomba.revoke(access, account=None)).brief


async def after_revoke(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    spare = (await nomba.refresh(refresh, access)).data["access_token"]
    await nomba.revoke(access)
    return (await nomba.balance(access)).status, (await nomba.refresh(refresh, spare)).status


async def revoke_dead(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    await nomba.revoke(access)
    dead, unknown = [await nomba.revoke(token) for token in (access, "never-was")]
    assert dead.brief == unknown.brief
    return dead.brief


async def limits(nomba: Caller) -> object:
    """How many POSTs and GETs of 110 each get through in one window."""
    counts = []
    for method in ("POST", "GET"):
        # without a token: the quota counts refused requests too, and this keeps them quick
        answers = [await nomba.call(method, _ANY[method], token="x") for _ in range(110)]
        counts.append(sum(answer.status != 429 for answer in answers))
    return counts


async def auth_quota(nomba: Caller) -> object:
    """After 15 POSTs to a resource: whether an issue gets through, and a sixteenth."""
    for _ in range(15):
        await nomba.call("POST", "/v1/echo")
    return [(await nomba.issue()).status for _ in range(16)].count(200)


async def rate_headers(nomba: Caller) -> object:
    wanted = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Window", "Retry-After")
    answers = [await nomba.issue() for _ in range(2)]
    nomba.clock.advance(0.5)
    answers.append(await nomba.issue())
    assert [answer.status for answer in answers] == [200, 429, 429]
    assert answers[2].brief == (429, "429")
    return [tuple(answer.headers.get(name) for name in wanted) for answer in (answers[0], answers[2])]


async def codes(nomba: Caller) -> object:
    return (await nomba.issue()).body["code"], (await nomba.balance(None)).body["code"]


async def token_fields(nomba: Caller) -> object:
    return sorted((await nomba.issue()).data)


async def status_fields(nomba: Caller) -> object:
    return [answer.body.get("status") for answer in (await nomba.issue(), await nomba.balance(None))]


async def error(nomba: Caller) -> object:
    answer = await nomba.balance(None)
    return answer.status, answer.raw.decode()


async def refused_by_address(nomba: Caller) -> object:
    issued = await nomba.issue()
    return (await nomba.balance(issued.data["access_token"])).brief if issued.status == 200 else issued.status
