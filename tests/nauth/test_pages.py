"""Lists in pages: every record once, one request a page, and never a silent end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import attrs
import pytest

from nauth.errors import ConfigurationError, MalformedResponseError, PagesError, VendorUnavailableError
from nauth.pages import PageForm, Pages, by_cursor, by_flag, by_number, by_offset
from nauth.testing.clock import FakeClock
from nauth.transport.base import Answer, Request
from nauth.typed_calls import CallOptions
from tests.nauth.test_typed_calls import calls
from tests.support.transport import FakeTransport, answer

SIZE = 20


@attrs.frozen
class Row:
    """A record of a list."""

    number: int


CURSOR = PageForm(start="cursor", size="limit", rows=("results",), following=by_cursor("cursor", more="more"))
FLAG = PageForm(start="page", rows=("items",), first=1, following=by_flag("hasMore"))
NUMBER = PageForm(
    start="page[number]", rows=("data",), own_name=True, first=1, following=by_number("meta", "total")
)
OFFSET = PageForm(
    start="offset",
    size="page_size",
    rows=("response",),
    first=0,
    following=by_offset("meta", "total", size=("meta", "size")),
    largest=100,
)
BODY = PageForm(
    start="pageOffset", rows=("items",), first=0, in_body=True, following=by_cursor("nextPageOffset")
)


def rows(start: int, count: int = SIZE) -> list[dict[str, int]]:
    return [{"number": number} for number in range(start, start + count)]


def asked(request: Request, name: str) -> str | None:
    if request.body is not None:
        return str(json.loads(request.body)[name])
    return request.url.query.get(name)


def server(form: PageForm, records: int) -> Callable[[Request], Answer]:
    """Serve a list of `records` in the form that `form` describes."""

    def give(request: Request) -> Answer:
        said = asked(request, form.start)
        start = (int(said or 1) - 1) * SIZE if form in {FLAG, NUMBER} else int(said or 0)
        page = rows(start, max(0, min(SIZE, records - start)))
        more = start + SIZE < records
        body: dict[str, Any] = {form.rows[0]: page}
        if form is CURSOR:
            body["cursor"] = str(start + SIZE) if more else ""
        elif form is FLAG:
            body["hasMore"] = more
        elif form is NUMBER:
            body["meta"] = {"total": records}
        elif form is OFFSET:
            body["meta"] = {"total": records, "size": SIZE}
        else:
            body["nextPageOffset"] = start + SIZE if more else None
        return answer(200, body)

    return give


def pages(transport: FakeTransport, form: PageForm, **changes: Any) -> Pages[Row]:
    options: CallOptions = changes.pop("options", {})
    settings: dict[str, Any] = {
        "path": "/rows",
        "into": Row,
        "size": None,
        "start": None,
        "most": 10_000,
        "patience": None,
    }
    clock = changes.pop("clock", FakeClock())
    return Pages(
        calls(transport, clock=clock),
        method="GET",
        form=form,
        options=options,
        **(settings | changes),
    )


FORMS = pytest.mark.parametrize(
    "form", [CURSOR, FLAG, NUMBER, OFFSET, BODY], ids=["cursor", "flag", "number", "offset", "body"]
)


@pytest.mark.slow
@FORMS
async def test_ten_thousand_records_in_five_hundred_requests(form: PageForm) -> None:
    """Every record comes once and in order, for one request a page."""
    transport = FakeTransport(otherwise=server(form, 10_000))
    listed = pages(transport, form)
    numbers = [row.number async for row in listed]
    assert numbers == list(range(10_000))
    assert len(transport.requests) == 500
    assert listed.cursor is None


@FORMS
@pytest.mark.parametrize("records", [0, 1, SIZE, SIZE + 1])
async def test_short_lists(form: PageForm, records: int) -> None:
    """A list without records, and one that just fills its pages, end where the vendor says so."""
    transport = FakeTransport(otherwise=server(form, records))
    assert [row.number async for row in pages(transport, form)] == list(range(records))


@FORMS
async def test_broken_off_and_gone_on(form: PageForm) -> None:
    """After a break, and after an error, `cursor` names the first page that was not handed out whole."""
    transport = FakeTransport(otherwise=server(form, 100))
    listed = pages(transport, form)
    async for row in listed:
        if row.number == SIZE + 3:
            break
    again = pages(transport, form, start=listed.cursor)
    assert [row.number async for row in again] == list(range(SIZE, 100))


async def test_a_circle_of_pages_raises() -> None:
    """Cursors that lead back to a page read before are noticed, although the records differ each time."""
    given = iter(range(10))

    def turn(_: Request) -> Answer:
        number = next(given)
        return answer(200, {"results": rows(number * SIZE), "cursor": str(number % 2), "more": True})

    listed = pages(FakeTransport(otherwise=turn), CURSOR)
    with pytest.raises(PagesError, match="the same page again"):
        [row async for row in listed]


@FORMS
async def test_the_same_page_again_raises(form: PageForm) -> None:
    """A vendor that sends one page for ever gets an error that says where to go on, and not an endless list."""
    stuck = {form.rows[0]: rows(0), "cursor": "x", "hasMore": True, "nextPageOffset": 5}
    with pytest.raises(PagesError) as caught:
        [row async for row in pages(FakeTransport(otherwise=answer(200, stuck)), form)]
    assert caught.value.cursor is not None


async def test_an_empty_page_with_a_cursor_goes_on() -> None:
    """An empty page is not the end of a list whose vendor names another page."""
    transport = FakeTransport(
        answer(200, {"results": [], "cursor": "b"}),
        answer(200, {"results": rows(0, 1), "cursor": "c", "more": False}),
    )
    assert [row.number async for row in pages(transport, CURSOR)] == [0]


@pytest.mark.parametrize("end", [{"cursor": None}, {"cursor": ""}, {}])
async def test_ends_of_a_cursor(end: dict[str, object]) -> None:
    """Null, empty and absent all mean that there is no other page."""
    transport = FakeTransport(answer(200, {"results": rows(0, 2), **end}))
    assert len([row async for row in pages(transport, CURSOR)]) == 2


@pytest.mark.parametrize("given, requests", [({"size": 2}, 1), ({}, 2)])
async def test_offset_without_a_total(given: dict[str, object], requests: int) -> None:
    """Where the vendor does not count, a page that is not full is the last; without a size, an empty one is."""
    full = answer(200, {"response": rows(0, 1), "meta": given})
    transport = FakeTransport(full, answer(200, {"response": []}))
    assert len([row async for row in pages(transport, OFFSET)]) == 1
    assert len(transport.requests) == requests


async def test_offset_where_the_vendor_tells_nothing() -> None:
    """Where a form knows of no total and no size, a page that is not full ends the list."""
    form = attrs.evolve(OFFSET, following=by_offset("meta", "total"))
    transport = FakeTransport(
        *(answer(200, {"response": rows(start, count)}) for start, count in ((0, 2), (2, 1)))
    )
    assert [row.number async for row in pages(transport, form, size=2)] == [0, 1, 2]


@pytest.mark.parametrize("cursor, got", [(False, "bool"), ({"a": "canary"}, "object"), (["canary"], "list")])
async def test_a_cursor_that_cannot_be_asked_for(cursor: object, got: str) -> None:
    """A next page that the vendor names by no text and no number is the vendor's fault, and not the caller's."""
    transport = FakeTransport(answer(200, {"results": rows(0, 1), "cursor": cursor}))
    with pytest.raises(
        MalformedResponseError, match=f"expected text or a number for the next page, got {got}"
    ) as caught:
        [row async for row in pages(transport, CURSOR)]
    assert "canary" not in str(caught.value)


async def test_more_than_most_raises() -> None:
    """A list longer than `most` does not end in silence; the error says where to go on."""
    transport = FakeTransport(otherwise=server(CURSOR, 100))
    found: list[int] = []
    with pytest.raises(PagesError, match="most=40") as caught:
        found.extend([row.number async for row in pages(transport, CURSOR, most=40)])
    assert caught.value.cursor == "40"
    listed = pages(FakeTransport(otherwise=server(CURSOR, 40)), CURSOR, most=40)
    assert len([row async for row in listed]) == 40


async def test_parameters_go_with_every_page() -> None:
    """The caller's own parameters, headers and body stay on the second page, beside the list's own."""
    transport = FakeTransport(otherwise=server(OFFSET, 25))
    options: CallOptions = {"params": {"status": "open"}, "headers": {"X-A": "1"}}
    assert len([row async for row in pages(transport, OFFSET, options=options, size=SIZE)]) == 25
    assert [dict(request.url.query) for request in transport.requests] == [
        {"status": "open", "offset": "0", "page_size": "20"},
        {"status": "open", "offset": "20", "page_size": "20"},
    ]
    assert all(request.headers["X-A"] == "1" and request.repeatable for request in transport.requests)
    transport = FakeTransport(otherwise=server(BODY, 25))
    assert len([row async for row in pages(transport, BODY, options={"json": {"q": 1}})]) == 25
    assert [request.body for request in transport.requests] == [
        b'{"q":1,"pageOffset":0}',
        b'{"q":1,"pageOffset":20}',
    ]


async def test_patience_waits_for_a_window() -> None:
    """A 429 between two pages is waited for as long as `patience` lasts, and raised beyond it, with the cursor kept."""
    throttled = VendorUnavailableError("slow down", status=429, retry_after=timedelta(seconds=40))
    clock = FakeClock(jump=True)
    for patience, served in ((60, 25), (30, SIZE), (None, SIZE)):
        serve = server(CURSOR, 25)
        outcomes: list[Any] = [serve, throttled, serve]
        listed = pages(
            FakeTransport(*outcomes),
            CURSOR,
            clock=clock,
            patience=None if patience is None else timedelta(seconds=patience),
        )
        found: list[int] = []
        try:
            async for page in listed.by_page():
                found += [row.number for row in page]
        except VendorUnavailableError:
            assert listed.cursor == "20"
        assert len(found) == served


@pytest.mark.parametrize(
    "body", [[], {"results": {}}, {"items": []}, {"results": [{"number": "x"}]}], ids=str
)
async def test_a_form_that_does_not_fit(body: object) -> None:
    """A response of another form is malformed, with the place: never an empty list."""
    with pytest.raises(MalformedResponseError) as caught:
        [row async for row in pages(FakeTransport(answer(200, body)), CURSOR)]
    assert caught.value.problems[0].startswith("$")


async def test_a_page_under_the_endpoints_own_name() -> None:
    """Where the form says so, the records may stand under the last part of the endpoint's path."""
    transport = FakeTransport(answer(200, {"rows": rows(0, 1), "meta": {"total": 1}}))
    assert len([row async for row in pages(transport, NUMBER)]) == 1


@pytest.mark.parametrize(
    "form, changes",
    [
        (CURSOR, {"size": 0}),
        (OFFSET, {"size": 101}),
        (FLAG, {"size": 5}),
        (CURSOR, {"most": 0}),
        (BODY, {"options": {"json": []}}),
        (CURSOR, {"into": complex}),
        (CURSOR, {"size": "5"}),
        (CURSOR, {"most": 2.5}),
        (CURSOR, {"patience": 5}),
        (OFFSET, {"options": {"params": {"offset": 40}}}),
        (OFFSET, {"path": "/rows?offset=40"}),
        (OFFSET, {"options": {"params": {"page_size": 5}}, "size": 10}),
        (BODY, {"options": {"json": {"pageOffset": 40}}}),
    ],
)
def test_wrong_settings(form: PageForm, changes: dict[str, Any]) -> None:
    """What no list of this form can be asked for is refused when the list is made."""
    with pytest.raises(ConfigurationError):
        pages(FakeTransport(), form, **changes)


def test_a_form_is_a_page_form() -> None:
    """The name of a form is none."""
    with pytest.raises(ConfigurationError, match=r"form must be a nauth\.PageForm, not str"):
        pages(FakeTransport(), cast("Any", "cursor"))


async def test_parameters_must_be_a_mapping() -> None:
    """Parameters as text cannot be joined with the list's own."""
    with pytest.raises(ConfigurationError):
        [row async for row in pages(FakeTransport(), CURSOR, options={"params": "a=b"})]
