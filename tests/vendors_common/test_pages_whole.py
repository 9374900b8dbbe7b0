"""Ten thousand records in five hundred pages, in each form that a vendor has, at that vendor's sandbox."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from aiohttp import web

import naoauth.pages
import nomadauth.pages
import nombaauth.pages
import noyoauth.pages
from nauth.pages import PageForm
from nauth.stores import MemoryStore
from tests.support.vendors.table import NAO, NOMAD, NOMBA, NOYO, Vendor

pytestmark = pytest.mark.slow

_SIZE, _RECORDS = 20, 10_000
_Answer = Callable[[int, list[dict[str, int]]], dict[str, object]]


@attrs.frozen
class _Row:
    """A record of a list."""

    number: int


def _start(said: int, number_of_first_page: int | None) -> int:
    """Return the first record of the page that a client asked for, by number of a page or by offset."""
    return said if number_of_first_page is None else (said - number_of_first_page) * _SIZE


def _end(start: int) -> bool:
    return start + _SIZE >= _RECORDS


# how each form's server numbers pages (None: by offset), and the whole response of the page that begins at `start`
_FORMS: dict[str, tuple[Vendor, PageForm, int | None, _Answer]] = {
    "nomba cursor": (
        NOMBA,
        nombaauth.pages.CURSOR,
        None,
        lambda start, rows: {"results": rows, "cursor": "" if _end(start) else str(start + _SIZE)},
    ),
    "nomba next page": (
        NOMBA,
        nombaauth.pages.NEXT_PAGE,
        1,
        lambda start, rows: {
            "tokenizedCardDataList": rows,
            "nextPage": 0 if _end(start) else start // _SIZE + 2,
        },
    ),
    "nomba flag": (
        NOMBA,
        nombaauth.pages.PAGE_FLAG,
        0,
        lambda start, rows: {"items": rows, "hasMore": not _end(start)},
    ),
    "nomad offset in the body": (
        NOMAD,
        nomadauth.pages.OFFSET_IN_BODY,
        None,
        lambda start, rows: {"items": rows, "hasItems": not _end(start), "nextPageOffset": start + _SIZE},
    ),
    "nomad offset in the query": (
        NOMAD,
        nomadauth.pages.OFFSET_IN_QUERY,
        None,
        lambda start, rows: {"items": rows, "hasItems": not _end(start), "nextPageOffset": start + _SIZE},
    ),
    "nomad index": (
        NOMAD,
        nomadauth.pages.INDEX,
        0,
        lambda _, rows: {"items": rows, "totalItemCount": _RECORDS},
    ),
    "nomad total": (
        NOMAD,
        nomadauth.pages.total_form("views"),
        None,
        lambda _, rows: {"views": rows, "total": _RECORDS},
    ),
    "noyo offset": (
        NOYO,
        noyoauth.pages.OFFSET,
        None,
        lambda _, rows: {"response": rows, "meta": {"total_records": _RECORDS, "page_size": _SIZE}},
    ),
    "nao number": (
        NAO,
        naoauth.pages.NUMBER,
        1,
        lambda _, rows: {"data": rows, "meta": {"pagination": {"records": _RECORDS}}},
    ),
}


@pytest.mark.parametrize("name", _FORMS)
async def test_every_record_once_in_flat_memory(name: str) -> None:
    """One request a page, every record once and in order; page 500 takes no more memory than page 100 did."""
    vendor, form, first, body = _FORMS[name]
    method = "POST" if form.in_body else "GET"

    async def page(request: web.Request) -> Any:
        sandbox.log.clear()  # the sandbox, in this same process, remembers requests
        asked = json.loads(await request.text()) if form.in_body else request.query
        start = _start(int(asked.get(form.start) or first or 0), first)
        return body(start, [{"number": number} for number in range(start, min(start + _SIZE, _RECORDS))])

    async with vendor.sandbox() as sandbox:
        sandbox.answer(method, "/own", page)
        made = vendor.client(sandbox.credentials, base_url=sandbox.base_url, store=MemoryStore())
        async with made as client:
            json_body: Any = {} if form.in_body else None
            listed = client.pages(
                "/own", _Row, method=method, json=json_body, size=_SIZE if form.size else None, form=form
            )
            expected, early = 0, 0
            tracemalloc.start(1)
            try:
                async for row in listed:
                    assert row.number == expected
                    expected += 1
                    if expected == _RECORDS // 5:
                        early = tracemalloc.get_traced_memory()[0]
                late = tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()
            assert expected == _RECORDS
            assert listed.cursor is None
            # what is kept for each page is its cursor, so that a list that goes in a circle is noticed
            assert late - early < 400 * 200
        assert sandbox.requests[f"{method} /own"] == _RECORDS // _SIZE
