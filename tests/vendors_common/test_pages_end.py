"""Leaving a list in pages early, at each vendor's sandbox."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest
from aiohttp import web

from nauth.stores import MemoryStore
from tests.support.vendors.packages import every_vendor
from tests.support.vendors.table import NAO, NOMAD, NOMBA, NOYO, Vendor

_ROWS = [{"n": 1}, {"n": 2}, {"n": 3}]
_PAGE: dict[str, object] = {
    NOMBA.name: {"results": _ROWS, "cursor": "next"},
    NOMAD.name: {"items": _ROWS, "nextPageOffset": 3, "hasItems": True},
    NOYO.name: {"response": _ROWS, "meta": {"total_records": 99}},
    NAO.name: {"data": _ROWS, "meta": {"pagination": {"records": 99}}},
}


async def test_what_the_caller_gives_goes_with_each_page() -> None:
    """Body, parameters and headers of the caller are sent with every page, beside the page's own."""
    seen: list[tuple[object, str | None, str | None, str | None]] = []

    async def page(request: web.Request) -> object:
        asked = request.query
        seen.append(
            (await request.json(), asked.get("kind"), request.headers.get("X-Own"), asked.get("cursor"))
        )
        return {"results": [{"n": len(seen)}], "cursor": "" if "cursor" in asked else "next"}

    async with NOMBA.sandbox() as sandbox:
        sandbox.answer("POST", "/own", page)
        async with NOMBA.client(
            sandbox.credentials, base_url=sandbox.base_url, store=MemoryStore()
        ) as client:
            given: Any = {"json": {"a": 1}, "params": {"kind": "x"}, "headers": {"X-Own": "1"}}
            rows = [row async for row in client.pages("/own", dict[str, int], method="POST", **given)]
    assert rows == [{"n": 1}, {"n": 2}]
    assert seen == [({"a": 1}, "x", "1", None), ({"a": 1}, "x", "1", "next")]


@every_vendor
@pytest.mark.parametrize("by_page", [False, True])
@pytest.mark.slow
async def test_break_leaves_nothing(vendor: Vendor, by_page: bool) -> None:
    """No connection in use, no task and no warning; one page was asked for, and the cursor says where to go on."""
    method = "POST" if vendor is NOMAD else "GET"
    before = asyncio.all_tasks()
    async with vendor.sandbox() as sandbox:
        sandbox.answer(method, "/own", _PAGE[vendor.name])
        made = vendor.client(sandbox.credentials, base_url=sandbox.base_url, store=MemoryStore())
        async with made as client:
            session: Any = client._http()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                pages = client.pages("/own", dict[str, int], method=method)
                async for _ in pages.by_page() if by_page else pages:
                    break
                assert not session.connector._acquired
                cursor = pages.cursor
                del pages, _
                gc.collect()
                await asyncio.sleep(0)
            assert sandbox.requests[f"{method} /own"] == 1
            assert cursor == {NOMBA.name: None, NAO.name: 1}.get(vendor.name, 0)
    assert asyncio.all_tasks() == before
