"""The user's face: settings, requests with the token, the typed check, pages of groups."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession
from yarl import URL

from nauth.errors import ClosedError, NauthError, OriginError
from nauth.testing import FakeClock, Fault
from noyoauth import (
    HOSTS,
    ConfigurationError,
    GroupsPage,
    NoyoClient,
    NoyoConflictError,
    NoyoCredentials,
    NoyoCredentialsRejectedError,
    NoyoError,
    NoyoMalformedResponseError,
    NoyoNotFoundError,
    NoyoNotSentError,
    NoyoPermissionDeniedError,
    NoyoTokenRefusedError,
    NoyoUnavailableError,
    RenewalPolicy,
)
from noyoauth.client import _settings
from noyoauth.config import TOKEN_URL
from noyoauth.sandbox import NoyoSandbox
from noyoauth.sandbox.data import EIN, group
from tests.fakes.leaks import leaks
from tests.noyoauth.conftest import Stage, opened

_CREDENTIALS = NoyoCredentials(client_id="id-1", client_secret="CANARY")
_FULL = {"NOYO_CLIENT_ID": "id-1", "NOYO_CLIENT_SECRET": "CANARY\n", "NOYO_ENVIRONMENT": "Sandbox"}


# --- settings -------------------------------------------------------------------------------------------------------


def test_everything_may_come_from_the_environment() -> None:
    """Credentials, and the environment in any case; Noyo's one token address, and all its hosts of it."""
    found = _settings(None, None, None, None, environ=_FULL)
    hosts = HOSTS["sandbox"]
    assert (found.credentials, found.environment, found.token_url) == (_CREDENTIALS, "sandbox", TOKEN_URL)
    assert (found.base_url, *found.origins) == (hosts.fulfillment, hosts.tracking, hosts.group_installation)


@pytest.mark.parametrize(
    "environment, base_url, token_url, environ, urls",
    [
        ("live", None, None, _FULL, ("https://fulfillment.noyo.com", TOKEN_URL)),
        (None, "https://proxy.example.com", None, _FULL, ("https://proxy.example.com", TOKEN_URL)),
        (
            None,
            None,
            None,
            _FULL | {"NOYO_BASE_URL": "https://p.example.com/"},
            ("https://p.example.com", TOKEN_URL),
        ),
        (
            "live",
            None,
            None,
            {"NOYO_TOKEN_URL": "https://t.example.com/t"},
            ("https://fulfillment.noyo.com", "https://t.example.com/t"),
        ),
        (
            "live",
            None,
            "https://mine.example.com/t",
            {"NOYO_TOKEN_URL": "https://t.example.com/t"},
            ("https://fulfillment.noyo.com", "https://mine.example.com/t"),
        ),
        (
            None,
            None,
            None,
            {"NOYO_BASE_URL": "http://127.0.0.1:1"},
            ("http://127.0.0.1:1", "http://127.0.0.1:1/auth/public/token"),
        ),
    ],
)
def test_an_argument_wins_over_the_environment(
    environment: str | None,
    base_url: str | None,
    token_url: str | None,
    environ: dict[str, str],
    urls: tuple[str, str | URL],
) -> None:
    """What is given in code is not mixed with what the process says of the same thing."""
    found = _settings(_CREDENTIALS, environment, base_url, token_url, environ=environ)
    assert (found.base_url, found.token_url) == (URL(urls[0]), URL(urls[1]))


def test_every_fault_is_listed_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is missing or wrong at once, arguments and variables together, and no value of any secret."""
    for name in ("CLIENT_ID", "CLIENT_SECRET", "ENVIRONMENT", "BASE_URL", "TOKEN_URL"):
        monkeypatch.delenv(f"NOYO_{name}", raising=False)
    with pytest.raises(ConfigurationError) as refused:
        NoyoClient(token_url="http://t.example.com/t", origins=5, max_lifetime=600)  # type: ignore[arg-type]  # wrong on purpose
    names = [
        "NOYO_CLIENT_ID",
        "NOYO_CLIENT_SECRET",
        "NOYO_ENVIRONMENT",
        "NOYO_BASE_URL",
        "'live'",
        "'sandbox'",
    ]
    names += ["token_url", "origins must be", "max_lifetime must be"]
    assert [name for name in names if name not in str(refused.value)] == []


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"NOYO_ENVIRONMENT": ""}, "which Noyo is meant"),
        ({"NOYO_ENVIRONMENT": "production"}, "NOYO_ENVIRONMENT must be live or sandbox"),
        ({"NOYO_BASE_URL": "https://fulfillment.noyo.com"}, "contradicts"),
        ({"NOYO_BASE_URL": "http://noyo.example.com"}, "https"),
        ({"NOYO_TOKEN_URL": "https://accounts.noyo.com"}, "whole address"),
        ({"NOYO_CLIENT_ID": " "}, "NOYO_CLIENT_ID is not set"),
        ({"NOYO_CLIENT_ID": "CANARY:x"}, "colon"),
    ],
)
def test_a_wrong_variable_is_refused(changed: dict[str, str], words: str) -> None:
    """An unset, unknown, contradictory or unsafe setting stops the client before anything is sent."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        _settings(None, None, None, None, environ=_FULL | changed)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    "credentials", [("id", "secret"), {"client_id": "CANARY"}, "CANARY", lambda: "CANARY"]
)
def test_credentials_of_another_type_are_refused(credentials: object) -> None:
    """The error shows the form that works and never the value."""
    with pytest.raises(ConfigurationError, match=r"NoyoClient\(NoyoCredentials\(") as refused:
        NoyoClient(credentials, environment="sandbox")  # type: ignore[arg-type]  # that is the point
    assert "CANARY" not in str(refused.value)


def test_a_sandbox_token_is_never_served_to_live() -> None:
    """The store's key tells environments, token hosts and unnamed addresses apart, and one from the same is equal."""

    def key(**options: Any) -> object:
        given = {"environment": None, "base_url": None, "token_url": None} | options
        return _settings(_CREDENTIALS, **given, environ={}).key()

    keys = [
        key(environment="live"),
        key(environment="sandbox"),
        key(environment="live", token_url="https://t.example.com/t"),
        key(base_url="https://a.example.com"),
        key(base_url="https://b.example.com"),
        key(environment="live", base_url="http://127.0.0.1:1"),
    ]
    assert len(set(map(str, keys))) == len(keys)
    # Tracking and Fulfillment of one environment take the same token
    assert key(base_url="https://tracking.noyo.com") == keys[0]
    assert key(environment="live", base_url="https://a.example.com") == keys[0]


async def test_two_environments_on_one_store_share_nothing(stage: Stage) -> None:
    """The same key, the same token host, one store: a client said to be live signs in for itself."""
    for environment in ("sandbox", "live", "sandbox", "live"):
        await (await stage.client(environment=environment)).check()
    assert stage.calls == 2


async def test_the_process_environment_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NoyoClient()` without arguments signs in."""
    given = stage.sandbox.credentials
    for name, value in (
        ("CLIENT_ID", given.client_id),
        ("CLIENT_SECRET", f" {given.client_secret.reveal()}\n"),
        ("BASE_URL", stage.sandbox.base_url),
        ("TOKEN_URL", stage.sandbox.token_url),
    ):
        monkeypatch.setenv(f"NOYO_{name}", value)
    monkeypatch.delenv("NOYO_ENVIRONMENT", raising=False)
    async with NoyoClient(store=stage.store, clock=stage.clock) as client:
        assert (await client.check()).response[0].name == "Sandbox Group"


async def test_the_constructor_sends_nothing(stage: Stage) -> None:
    """A client that is never used costs no call, and closes without one."""
    async with NoyoClient(stage.sandbox.credentials, base_url=stage.sandbox.base_url) as client:
        assert stage.sandbox.base_url in repr(client)
    assert stage.sandbox.log == []


async def test_lifetime_settings_reach_the_token() -> None:
    """Cap and unit are the user's to say."""
    async with opened(token_kind="opaque") as stage:
        assert (await (await stage.client()).token()).lifetime == timedelta(seconds=600)
        longer = await stage.client(max_lifetime=timedelta(hours=1))
        assert (await longer.renew()).lifetime == timedelta(seconds=864)
        other = await stage.client(expires_in_unit="s", max_lifetime=timedelta(days=11))
        assert (await other.renew()).lifetime == timedelta(days=10)


def test_the_front_doors_signature_is_the_designs() -> None:
    """The client's options are those that users of all vendors know, and Noyo's own."""
    common = ["credentials", "environment", "base_url", "session", "store", "policy", "clock", "observer"]
    options = list(inspect.signature(NoyoClient).parameters)
    assert [name for name in options if name in common] == common
    assert set(options) - set(common) == {"token_url", "origins", "max_lifetime", "expires_in_unit"}


# --- requests -------------------------------------------------------------------------------------------------------


async def test_a_check_is_one_small_page(stage: Stage) -> None:
    """Noyo's own test of a token, typed, with `page_size=5`; the employer's tax number stays out of sight."""
    page = await (await stage.client()).check()
    assert type(page) is GroupsPage
    assert (page.meta.page_size, page.meta.offset, page.response[0].name) == (5, 0, "Sandbox Group")
    assert page.response[0].federal_ein == EIN
    assert EIN not in repr(page)
    assert stage.calls == 1


async def test_every_request_carries_the_token(stage: Stage) -> None:
    """Token, Accept and User-Agent are put on; a caller's own headers win."""
    client = await stage.client()
    token = await client.token()
    async with client.get("/api/v1/groups") as response:
        assert (response.status, (await response.json())["meta"]["page_size"]) == (200, 20)
    await (await client.get("/api/v1/groups", headers={"User-Agent": "mine"})).read()
    first, second = (exchange.headers for exchange in stage.sandbox.log[-2:])
    assert first["Authorization"] == token.authorization == f"Bearer {token.access_token.reveal()}"
    assert first["Accept"] == "application/json"
    assert (first["User-Agent"], second["User-Agent"]) == ("nauth (noyoauth)", "mine")


async def test_a_foreign_origin_is_refused(stage: Stage) -> None:
    """With a base URL of one's own, Noyo's hosts are foreign too unless they are named."""
    client = await stage.client()
    for url in ("https://example.com/", HOSTS["live"].tracking, HOSTS["sandbox"].fulfillment):
        with pytest.raises(OriginError):
            client.get(url)
    assert stage.sandbox.log == []


async def test_further_origins_may_be_named(stage: Stage) -> None:
    """What is named gets the token."""
    async with NoyoSandbox(clock=stage.clock) as other:
        client = await stage.client(origins=[other.base_url])
        async with client.get(f"{other.base_url}/api/v1/groups") as response:
            assert response.status == 401  # that double knows nothing of the first one's tokens
        assert other.log[0].headers["Authorization"].startswith("Bearer ")


def test_all_apis_of_the_environment_are_origins() -> None:
    """Fulfillment, Tracking and Group Installation of the environment, and none of the other's."""
    client = NoyoClient(_CREDENTIALS, environment="sandbox", clock=FakeClock())
    hosts = {host for _, host, _ in client.auth.origins}
    assert hosts == {url.host for url in attrs.astuple(HOSTS["sandbox"])}


async def test_a_redirect_to_another_origin_takes_no_token_along(stage: Stage) -> None:
    """The bearer is stripped on the second hop."""
    async with NoyoSandbox(clock=stage.clock) as other:
        client = await stage.client()
        away = Fault(status=307, headers={"Location": f"{other.base_url}/ping"})
        stage.sandbox.faults.add(away, endpoint="groups")
        async with client.get("/api/v1/groups") as response:
            assert (response.status, response.url.path) == (200, "/ping")
        assert "Authorization" not in other.log[0].headers


async def test_a_session_of_ones_own_is_used_and_left_open(stage: Stage) -> None:
    """Requests and typed calls go through the given session, whatever it does with statuses; closing leaves it."""
    async with ClientSession(raise_for_status=True) as session:
        client = await stage.client(session=session)
        await client.check()
        stage.sandbox.faults.add(Fault(status=404), endpoint="groups")
        with pytest.raises(NoyoNotFoundError):
            await client.check()
        await client.aclose()
        assert not session.closed
    assert stage.calls == 1


# --- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["present", "absent"])
@pytest.mark.parametrize("page_num", ["consistent", "inconsistent"])
@pytest.mark.parametrize(
    "count, pages", [(0, [0]), (1, [1]), (5, [5]), (6, [5, 1]), (10, [5, 5]), (12, [5, 5, 2])]
)
async def test_all_pages_are_read_by_offset(count: int, pages: list[int], total: str, page_num: str) -> None:
    """Every group once, in order, whether or not Noyo counts them and however it numbers pages."""
    async with opened(total_records=total, page_num=page_num) as stage:
        stage.sandbox.groups = [group(number) for number in range(1, count + 1)]
        client = await stage.client()
        read = [page async for page in client.groups(page_size=5)]
        # a last page that is full cannot be told from another one without a count
        unsure = [0] if total == "absent" and count and count % 5 == 0 else []
        assert [len(page.response) for page in read] == pages + unsure
        names = [found.id for page in read for found in page.response]
        assert names == [wanted["id"] for wanted in stage.sandbox.groups]
        assert stage.calls == 1


async def test_a_page_is_fetched_when_it_is_asked_for(stage: Stage) -> None:
    """Stopping early costs nothing more; the default is the largest page."""
    stage.sandbox.add_groups(300)
    client = await stage.client()
    async for page in client.groups():
        assert page.meta.page_size == 100
        break
    assert stage.sandbox.requests["groups"] == 1


def _page(ids: list[int], offset: int, page_size: int, **meta: int) -> Fault:
    wire = {
        "meta": {"offset": offset, "page_size": page_size} | meta,
        "response": [group(number) for number in ids],
    }
    return Fault(status=200, body=json.dumps(wire).encode())


async def test_smaller_pages_than_asked_for_are_no_end(stage: Stage) -> None:
    """A server may cap the size; its own word of it decides what a short page is."""
    client = await stage.client()
    for fault in (_page([1, 2], 0, 2), _page([3, 4], 2, 2), _page([5], 4, 0)):
        stage.sandbox.faults.add(fault, endpoint="groups")
    assert [len(page.response) async for page in client.groups()] == [2, 2, 1]


async def test_a_list_that_ends_before_its_count_ends(stage: Stage) -> None:
    """A total that is too high costs one empty page, not a hang."""
    client = await stage.client()
    for fault in (_page([1], 0, 100, total_records=9), _page([], 1, 100, total_records=9)):
        stage.sandbox.faults.add(fault, endpoint="groups")
    assert [len(page.response) async for page in client.groups()] == [1, 0]


async def test_a_server_that_ignores_the_offset_is_found_out(stage: Stage) -> None:
    """The same page again is an error, and no endless list."""
    client = await stage.client()
    stage.sandbox.faults.add(_page([1, 2], 0, 2), endpoint="groups", times=9)
    with pytest.raises(NoyoMalformedResponseError, match="same page"):
        _ = [page async for page in client.groups()]
    assert stage.sandbox.requests["groups"] == 2


async def test_a_page_size_is_checked_at_once(stage: Stage) -> None:
    """Before anything is iterated or sent."""
    client = await stage.client()
    with pytest.raises(ConfigurationError, match="page_size"):
        client.groups(page_size=1)
    assert stage.sandbox.log == []


# --- failures -------------------------------------------------------------------------------------------------------


async def test_a_wrong_secret_is_typed_and_not_repeated(stage: Stage) -> None:
    """One call, then the same error from the cool-down, then one more call; nothing of the secret anywhere."""
    wrong = attrs.evolve(stage.sandbox.credentials, client_secret="CANARY-" + "x" * 80)
    client = await stage.client(wrong)
    for _ in range(3):
        with pytest.raises(NoyoCredentialsRejectedError, match="NOYO_CLIENT_SECRET") as refused:
            await client.check()
        assert leaks(refused.value, ["CANARY", wrong.authorization]) == []
        assert refused.value.retry_after == timedelta(seconds=10)
    assert stage.calls == 1
    stage.clock.advance(10)
    with pytest.raises(NoyoCredentialsRejectedError):
        await client.token()
    assert stage.calls == 2


@pytest.mark.parametrize(
    "fault, leaf",
    [
        (Fault(status=500), NoyoUnavailableError),
        (Fault(status=502, body=b"<html>", content_type="text/html"), NoyoUnavailableError),
        (Fault(status=404), NoyoNotFoundError),
        (Fault(status=403), NoyoPermissionDeniedError),
        (Fault(status=409), NoyoConflictError),
        (Fault(status=302, headers={"Location": "https://example.com/"}), NoyoMalformedResponseError),
        (Fault(body=b"<html>", content_type="text/html"), NoyoMalformedResponseError),
        (Fault(body=b'{"meta":{},"response":[]}'), NoyoMalformedResponseError),
    ],
)
async def test_a_check_names_what_went_wrong(fault: Fault, leaf: type[NauthError], stage: Stage) -> None:
    """Each failure of the resource call is a leaf of Noyo's own, and none renews."""
    client = await stage.client()
    stage.sandbox.faults.add(fault, endpoint="groups", times=3)
    with pytest.raises(leaf):
        await client.check()
    assert stage.calls == 1


async def test_an_error_body_stays_typed(stage: Stage) -> None:
    """`status` may be the word "error"; the rest of the body is there for those who want it."""
    client = await stage.client()
    body = b'{"message": "bad row", "status": "error", "rows": [3]}'
    stage.sandbox.faults.add(Fault(status=422, body=body), endpoint="groups")
    with pytest.raises(NoyoError) as refused:
        await client.check()
    assert refused.value.body is not None
    assert (refused.value.body.status, refused.value.body.message) == ("error", "bad row")
    assert refused.value.body.fields["rows"] == [3]


async def test_a_401_is_renewed_once_and_replayed(stage: Stage) -> None:
    """A token that died early costs one token call, unseen."""
    client = await stage.client()
    await client.check()
    stage.sandbox.kill_sessions()
    await client.check()
    assert (stage.calls, stage.sandbox.requests["groups"]) == (2, 3)


async def test_a_401_that_stays_is_an_error(stage: Stage) -> None:
    """One renewal, one replay, then typed; in the cool-down nothing is renewed; no secret in sight."""
    client = await stage.client(environment="sandbox")
    stage.sandbox.reject_all = True
    for _ in range(3):
        with pytest.raises(
            NoyoTokenRefusedError, match=r"127\.0\.0\.1:\d+ \(environment sandbox\)"
        ) as refused:
            await client.check()
        hidden = [(await client.token()).access_token.reveal(), stage.sandbox.credentials.authorization]
        assert leaks(refused.value, hidden) == []
    assert (stage.calls, stage.sandbox.unauthorized) == (2, 4)


async def test_a_late_401_for_an_old_token_fetches_nothing(stage: Stage) -> None:
    """Who was refused with a token that is no longer current gets the current one."""
    client = await stage.client()
    old = await client.token()
    new = await client.renew()
    assert await client._manager.renew(rejected=old) is new
    assert stage.calls == 2


async def test_a_host_that_is_not_there_is_not_sent() -> None:
    """No connection: typed, and it says that trying again is safe."""
    async with opened() as stage:
        client = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
        await stage.sandbox.aclose()
        with pytest.raises(NoyoNotSentError) as refused:
            await client.check()
        assert refused.value.retry_after is not None


async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every door raises the same typed error."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    for door in (client.token, client.check, client.renew, client.groups().__anext__):
        with pytest.raises(ClosedError):
            await door()


async def test_nothing_can_be_revoked(stage: Stage) -> None:
    """The client offers no such call, and the manager's refuses without sending or forgetting anything."""
    client = await stage.client()
    token = await client.token()
    assert not hasattr(client, "revoke")
    with pytest.raises(ConfigurationError, match="no way to revoke"):
        await client._manager.revoke()
    assert await client.token() is token
    assert stage.calls == 1


# --- nothing shows --------------------------------------------------------------------------------------------------


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
