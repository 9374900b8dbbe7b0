"""A server or gateway that speaks HTTP/1.0: each connection serves one request, and the answer has no length."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nauth.stores import MemoryStore
from tests.support.http.http10 import Http10
from tests.support.vendors.table import NOYO, VENDORS, Vendor

_every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


def _client(vendor: Vendor, sandbox: Any, front: Http10) -> Any:
    addresses = {"base_url": front.url}
    if vendor is NOYO:
        addresses["token_url"] = sandbox.token_url.replace(sandbox.base_url, front.url)
    return vendor.client(sandbox.credentials, store=MemoryStore(), **addresses)


@_every_vendor
async def test_token_calls_and_requests(vendor: Vendor) -> None:
    """Sign-in, requests, a check, a renewal and the recovery from a 401, each over a connection of its own."""
    async with vendor.sandbox() as sandbox, Http10(sandbox.base_url) as front:
        async with _client(vendor, sandbox, front) as client:
            first = await client.token()
            for _ in range(3):
                async with client.get(vendor.path) as response:
                    assert (response.status, response.version) == (200, (1, 0))
                    assert await response.json()
            assert await client.check() is not None
            assert not (await client.renew()).same_access(first)
            sandbox.kill_sessions()
            async with client.get(vendor.path) as response:
                assert response.status == 200
        assert front.connections == front.requests >= 8


@_every_vendor
async def test_a_herd(vendor: Vendor) -> None:
    """A hundred requests at once sign in once, and none meets a connection that the server has closed."""
    async with vendor.sandbox() as sandbox, Http10(sandbox.base_url) as front:
        async with _client(vendor, sandbox, front) as client:

            async def ask() -> int:
                async with client.get(vendor.path) as response:
                    await response.read()
                    return int(response.status)

            assert await asyncio.gather(*(ask() for _ in range(100))) == [200] * 100
        assert sandbox.token_calls == 1


@_every_vendor
async def test_a_body_goes_out_with_its_length(vendor: Vendor) -> None:
    """HTTP/1.0 has no chunks: what is posted as bytes or JSON is not cut into any."""
    path = {"nomad": "/echo", "nomba": "/v1/echo", "noyo": "/api/v1/echo", "nao": "/api/v2/echo"}[vendor.name]
    async with (
        vendor.sandbox() as sandbox,
        Http10(sandbox.base_url) as front,
        _client(vendor, sandbox, front) as client,
        client.post(path, data=b"x" * 100_000) as response,
    ):
        assert response.status == 200
        assert b"100000" in await response.read()
