"""Sandboxes that are taught: endpoints, keys and secrets of a test's own."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, web

from nauth.errors import ConfigurationError, CredentialsRejectedError, RequestRejectedError
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from tests.support.vendors.packages import every_vendor, named
from tests.support.vendors.table import NOMAD, NOMBA, NOYO, Vendor


def client_of(vendor: Vendor, sandbox: Any, credentials: Any = None, clock: FakeClock | None = None) -> Any:
    """Make a client of the sandbox."""
    clock = clock or FakeClock(jump=True)
    return vendor.client(
        credentials or sandbox.credentials,
        base_url=sandbox.base_url,
        clock=clock,
        store=MemoryStore(clock=clock),
    )


@every_vendor
async def test_an_endpoint_is_taught(vendor: Vendor) -> None:
    """Data, a function, one that awaits, a response and a refusal: each is behind the token check, and counted."""

    async def later(request: web.Request) -> object:
        return {"id": request.match_info["id"], "sent": await request.json()}

    async with vendor.sandbox() as sandbox, client_of(vendor, sandbox) as client, ClientSession() as http:
        sandbox.answer("get", "/own/list", [1, 2])
        sandbox.answer("GET", "/own/now", lambda request: request.query["q"])
        sandbox.answer("POST", "/own/{id}", later)
        sandbox.answer("GET", "/own/refused", sandbox.failure(404, "no such thing"))
        sandbox.answer("GET", "/own/odd", sandbox.failure(499))
        assert (await client.call("GET", "/own/list", list[int])).data == [1, 2]
        assert (await client.call("GET", "/own/now?q=x", str)).data == "x"
        sent = await client.call("POST", "/own/7", object, json={"a": 1})
        assert sent.data == {"id": "7", "sent": {"a": 1}}
        for _ in range(2):  # a response that was given once can be given again
            with pytest.raises(named(vendor, "NotFoundError", "errors"), match="no such thing"):
                await client.call("GET", "/own/refused", object)
        with pytest.raises(RequestRejectedError) as odd:
            await client.call("GET", "/own/odd", object)
        assert odd.value.status == 499
        assert sandbox.requests["GET /own/list"] == sandbox.committed["GET /own/list"] == 1
        assert sandbox.requests["GET /own/refused"] == 2
        async with http.get(
            f"{sandbox.base_url}{sandbox.full_path('/own/list')}", headers=_POLITE
        ) as response:
            assert response.status == 401
        # a method that was not taught is none of the sandbox's
        with pytest.raises(RequestRejectedError):
            await client.call("DELETE", "/own/list", object)


_POLITE = {"Accept": "application/json"}


@every_vendor
async def test_an_answer_is_replaced(vendor: Vendor) -> None:
    """The last one counts, also over the sandbox's own endpoint; another sandbox knows nothing of it."""
    async with (
        vendor.sandbox() as sandbox,
        vendor.sandbox() as other,
        client_of(vendor, sandbox) as client,
        client_of(vendor, other) as elsewhere,
    ):
        sandbox.answer("GET", vendor.path, ["one"])
        sandbox.answer("GET", vendor.path, ["two"])
        assert (await client.call("GET", vendor.path, object)).data == ["two"]
        assert (await elsewhere.call("GET", vendor.path, object)).data not in (["one"], ["two"])


@every_vendor
async def test_what_cannot_be_taught(vendor: Vendor) -> None:
    """A path that is none, and data that JSON cannot hold, are refused when they are taught."""
    sandbox = vendor.sandbox()
    for path in ("own", "/own?x=1", "/own/{"):
        with pytest.raises(ConfigurationError):
            sandbox.answer("GET", path, {})
    for answer in ({"a": object()}, {1, 2}):
        with pytest.raises(ConfigurationError, match="cannot be taught"):
            sandbox.answer("GET", "/own", answer)


@every_vendor
async def test_further_credentials(vendor: Vendor) -> None:
    """Another key or account signs in to this sandbox, and to no other."""
    async with vendor.sandbox() as sandbox, vendor.sandbox() as other:
        more = sandbox.add_credentials()
        assert more != sandbox.credentials
        async with client_of(vendor, sandbox, more) as client:
            await client.call("GET", vendor.path, object)
        async with client_of(vendor, other, more) as client:
            with pytest.raises(CredentialsRejectedError):
                await client.token()


@every_vendor
async def test_a_rotated_secret(vendor: Vendor) -> None:
    """The old one is refused at the next sign-in, the token goes on, and the new one signs in. Other sandboxes keep theirs."""
    clock = FakeClock(jump=True)
    async with vendor.sandbox(clock=clock) as sandbox, vendor.sandbox() as other:
        old = sandbox.credentials
        async with client_of(vendor, sandbox, old, clock) as client, client_of(vendor, sandbox, old) as late:
            await client.token()
            new = sandbox.rotate_secret()
            assert new == sandbox.credentials
            assert new != old == other.credentials
            await client.call("GET", vendor.path, object)
            with pytest.raises(CredentialsRejectedError):
                await late.token()
        async with client_of(vendor, sandbox) as client:
            await client.call("GET", vendor.path, object)


async def test_another_account_of_nomba() -> None:
    """A key of another account wants that account's header, and does not open the first account."""
    async with NOMBA.sandbox() as sandbox:
        more = sandbox.add_credentials(account_id="another-account")
        async with client_of(NOMBA, sandbox, more) as client:
            parent = await client.call("GET", "/v1/accounts/parent", dict[str, object])
            assert parent.data["accountId"] == "another-account"
            with pytest.raises(CredentialsRejectedError):
                await client.call("GET", NOMBA.path, object, account_id=sandbox.credentials.account_id)
        mixed = attrs.evolve(more, account_id=sandbox.credentials.account_id)
        async with client_of(NOMBA, sandbox, mixed) as client:
            with pytest.raises(CredentialsRejectedError):
                await client.token()


async def test_a_business_failure_of_nomba() -> None:
    """A 200 whose envelope says 400, its code as text or, by switch, as a number; a code with letters stays text."""
    for switches in ({}, {"code_type": "int"}):
        async with NOMBA.sandbox(**switches) as sandbox, client_of(NOMBA, sandbox) as client:
            sandbox.answer("POST", "/v1/pay", sandbox.failure(200, "insufficient funds", code="400"))
            sandbox.answer("POST", "/v1/odd", sandbox.failure(400, code="E1"))
            with pytest.raises(named(NOMBA, "BadRequestError", "errors"), match="insufficient funds"):
                await client.call("POST", "/v1/pay", object)
            with pytest.raises(named(NOMBA, "BadRequestError", "errors"), match="code E1: Bad Request"):
                await client.call("POST", "/v1/odd", object)


async def test_a_mount_of_nomads_own() -> None:
    """A path is below the client's base URL, wherever the sandbox is mounted."""
    async with NOMAD.sandbox(mount="/prefix/api") as sandbox, client_of(NOMAD, sandbox) as client:
        sandbox.answer("GET", "/asset/{id}", {"id": 1})
        assert (await client.call("GET", "/asset/9", object)).data == {"id": 1}


async def test_a_taught_endpoint_meets_faults_and_outages() -> None:
    """It is an endpoint like the others."""
    async with NOYO.sandbox(maintenance="503_bare") as sandbox, client_of(NOYO, sandbox) as client:
        sandbox.answer("GET", "/own", {})
        with pytest.raises(named(NOYO, "UnavailableError", "errors")):
            await client.call("GET", "/own", object)
