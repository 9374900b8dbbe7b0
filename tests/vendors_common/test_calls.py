"""A call of any endpoint, at each vendor's sandbox and at a double that shares no code with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import attrs
import pytest
from aiohttp import FormData

from tests.support.vendors.doubles import Double, Place, Step, at_double, at_sandbox, failed, succeeded
from tests.support.vendors.packages import named
from tests.support.vendors.table import NOMBA, VENDORS, Vendor

_CAP = 2000
_WORDS = "in the vendor's own words"


@attrs.frozen
class Row:
    """A record of the user's."""

    name: str
    count: int = 0


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """One vendor after the other."""
    found: Vendor = request.param
    return found


@pytest.fixture(params=[at_sandbox, at_double], ids=["sandbox", "double"])
async def place(vendor: Vendor, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """The vendor's sandbox, and a double of the vendor."""
    async with request.param(vendor, max_response_bytes=_CAP) as made:
        yield made


def error_of(place: Place, name: str) -> Any:
    """Return the vendor's class."""
    return named(place.vendor, name, "errors")


def good(place: Place, data: object) -> Step:
    """Return a success."""
    return Step(200, succeeded(place.vendor, data))


async def test_a_success_is_typed(place: Place) -> None:
    """A list of records comes back as the user's type, with what came beside it."""
    place.plan(good(place, [{"name": "a", "count": 1}]))
    reply = await place.client.call("GET", place.get_path, list[Row])
    assert (reply.data, reply.meta.status, place.count()) == ([Row("a", 1)], 200, 1)


async def test_a_post_carries_its_record(place: Place) -> None:
    """What `json=` holds goes out once, with a token, and the response is read."""
    place.plan(good(place, {"name": "b"}), method="POST")
    reply = await place.client.call("POST", place.post_path, Row, json=Row("b", 2))
    assert (reply.data, place.count("POST")) == (Row("b"), 1)
    if isinstance(place.server, Double):
        request, body = place.server.seen[0]
        assert (request.content_type, body) == ("application/json", b'{"name":"b","count":2}')


@pytest.mark.parametrize(
    "status, name",
    [
        (400, "BadRequestError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (422, "BadRequestError"),
        (409, None),
        (418, "ApiError"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refusal_is_the_vendors_error_with_its_words(
    place: Place, status: int, name: str | None, method: str
) -> None:
    """The class says what can be done; status and words are the vendor's; nothing is sent again and nothing renewed."""
    name = name or ("ConflictError" if place.vendor.name == "noyo" else "ApiError")
    place.plan(Step(status, failed(place.vendor, status, _WORDS)), method=method)
    with pytest.raises(error_of(place, name)) as caught:
        await place.client.call(method, place.get_path if method == "GET" else place.post_path, object)
    assert type(caught.value) is error_of(place, name)
    assert (caught.value.status, caught.value.detail) == (status, _WORDS)
    assert (place.count(method), place.sign_ins) == (1, 1)


_FIELDS: dict[str, object] = {
    "nomba": {
        "code": "400",
        "description": "Validation",
        "errors": [{"field": "amount", "message": "negative"}],
    },
    "noyo": {
        "message": "Validation: amount is negative",
        "errors": [{"field": "amount", "message": "negative"}],
    },
    "nao": {"errors": {"amount": ["is negative"]}},
    "nomad": {"title": "Validation", "status": 400, "errors": {"amount": ["is negative"]}},
}
_FIELD_WORDS = {
    "nomba": "Validation",
    "noyo": "Validation: amount is negative",
    "nao": "amount: is negative",
    "nomad": "Validation",
}


async def test_field_errors(place: Place) -> None:
    """A 400 that names fields is a bad request, in the words that the vendor's body has for it."""
    place.plan(Step(400, _FIELDS[place.vendor.name]), method="POST")
    with pytest.raises(error_of(place, "BadRequestError")) as caught:
        await place.client.call("POST", place.post_path, object, json={"amount": -1})
    assert caught.value.detail == _FIELD_WORDS[place.vendor.name]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_401_is_renewed_and_replayed(place: Place, method: str) -> None:
    """A token that the vendor no longer takes costs one sign-in, and the request goes out again, a POST too."""
    path = place.get_path if method == "GET" else place.post_path
    place.plan(good(place, {"name": "a"}), good(place, {"name": "b"}), method=method)
    await place.client.call(method, path, Row, json={"x": 1})
    place.spoil_token()
    if not isinstance(
        place.server, Double
    ):  # the sandbox's own token check must see the request, and not the script
        place.server.faults.clear()
        reply = await place.client.call(method, path, object, json={"x": 1})
    else:
        reply = await place.client.call(method, path, Row, json={"x": 1})
        assert place.server.seen[-1][1] == b'{"x":1}'
    assert reply.meta.status == 200
    assert place.sign_ins >= 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_short_wait_is_waited_for_and_a_long_one_told(place: Place, method: str) -> None:
    """A 429 was not acted on: it is sent again within the deadline, a POST too; beyond it the wait is the error's."""
    path = place.get_path if method == "GET" else place.post_path
    busy = failed(place.vendor, 429, _WORDS)
    place.plan(Step(429, busy, headers={"Retry-After": "2"}), good(place, {"name": "a"}), method=method)
    assert (await place.client.call(method, path, Row)).data == Row("a")
    assert place.count(method) == 2
    place.plan(Step(429, busy, headers={"Retry-After": "120"}), method=method)
    with pytest.raises(error_of(place, "ThrottledError")) as caught:
        await place.client.call(method, path, Row)
    assert (caught.value.retry_after, caught.value.detail) == (timedelta(seconds=120), _WORDS)
    assert place.count(method) == 3


async def test_a_fault_of_the_vendors_is_asked_about_again(place: Place) -> None:
    """A GET that met a 500 is sent again and read."""
    place.plan(Step(500, failed(place.vendor, 500, _WORDS)), good(place, {"name": "a"}))
    assert (await place.client.call("GET", place.get_path, Row)).data == Row("a")
    assert place.count() == 2


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_fault_behind_a_post_is_a_doubt(place: Place, status: int) -> None:
    """A POST is not repeated behind a 5xx: whether the vendor acted is unknown, and its words are told."""
    place.plan(Step(status, failed(place.vendor, status, _WORDS)), method="POST")
    with pytest.raises(error_of(place, "OutcomeUnknownError"), match=_WORDS) as caught:
        await place.client.call("POST", place.post_path, Row, json={})
    assert (caught.value.status, caught.value.detail, place.count("POST")) == (status, _WORDS, 1)


@pytest.mark.parametrize("step", [Step(500), Step(cut=True)], ids=["500", "lost"])
async def test_a_post_with_a_key_is_repeated_if_the_caller_says_so(place: Place, step: Step) -> None:
    """`repeatable=True` gives a POST what a GET has."""
    place.plan(step, good(place, {"name": "a"}), method="POST")
    headers = {"X-Idempotent-key": "k"}
    reply = await place.client.call("POST", place.post_path, Row, json={}, headers=headers, repeatable=True)
    assert (reply.data, place.count("POST")) == (Row("a"), 2)


async def test_a_lost_response(place: Place) -> None:
    """A GET is sent again and read; a POST is not, and its outcome is unknown."""
    place.plan(Step(cut=True), good(place, {"name": "a"}))
    assert (await place.client.call("GET", place.get_path, Row)).data == Row("a")
    assert place.count() == 2
    place.plan(Step(cut=True), method="POST")
    with pytest.raises(error_of(place, "OutcomeUnknownError")):
        await place.client.call("POST", place.post_path, Row, json={})
    assert place.count("POST") == 1


@pytest.mark.parametrize(
    "step, words",
    [
        (Step(200, b'{"code": "00", "description"'), "JSON"),
        (Step(200, b"<html><p>Sign in", kind="text/html"), "text/html"),
        (Step(200), "nothing"),
        (Step(200, b"x" * (_CAP + 1)), "max_response_bytes"),
    ],
    ids=["broken", "html", "empty", "large"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_no_answer_is_malformed(place: Place, step: Step, words: str, method: str) -> None:
    """A 200 that cannot be read is never a value: the error says what came, and is not sent again."""
    place.plan(step, method=method)
    with pytest.raises(error_of(place, "MalformedResponseError"), match=words) as caught:
        await place.client.call(method, place.get_path if method == "GET" else place.post_path, Row)
    assert "Sign in" not in str(caught.value)
    assert place.count(method) == 1


async def test_a_record_that_does_not_fit_names_its_place(place: Place) -> None:
    """The wire path and the types, and never a value."""
    place.plan(good(place, [{"name": "a"}, {"name": "canary", "count": "canary"}]))
    with pytest.raises(error_of(place, "MalformedResponseError")) as caught:
        await place.client.call("GET", place.get_path, list[Row])
    root = "$.data" if place.vendor is NOMBA else "$"
    assert caught.value.problems == (f"{root}[1].count: expected int, got str",)
    assert "canary" not in str(caught.value)


async def test_the_answer_in_hand(place: Place) -> None:
    """`open` reads what `get` brought as `call` does: success, refusal, and a body over the limit."""
    place.plan(
        good(place, {"name": "a"}),
        Step(404, failed(place.vendor, 404, _WORDS)),
        Step(200, b"x" * (_CAP + 1)),
    )
    assert (await place.client.open(await place.client.get(place.get_path), Row)).data == Row("a")
    with pytest.raises(error_of(place, "NotFoundError"), match=_WORDS):
        await place.client.open(await place.client.get(place.get_path), Row)
    with pytest.raises(error_of(place, "MalformedResponseError"), match="max_response_bytes"):
        await place.client.open(await place.client.get(place.get_path), Row)


async def test_a_form_with_a_file(place: Place) -> None:
    """`data=FormData()` goes out as multipart, once."""
    form = FormData()
    form.add_field("file", b"content", filename="a.csv")
    place.plan(good(place, {"name": "a"}), method="POST")
    assert (await place.client.call("POST", place.post_path, Row, data=form)).data == Row("a")
    if isinstance(place.server, Double):
        request, body = place.server.seen[0]
        assert request.content_type == "multipart/form-data"
        assert b'filename="a.csv"' in body
        assert b"content" in body


async def test_a_form_behind_a_dead_token(place: Place) -> None:
    """A form that meets a 401 arrives whole with the new token: aiohttp writes it a second time."""
    await place.client.token()
    place.spoil_token()
    form = FormData()
    form.add_field("file", b"content", filename="a.csv")
    if isinstance(place.server, Double):
        place.plan(good(place, {"name": "a"}), method="POST")
    reply = await place.client.call("POST", place.post_path, object, data=form)
    assert reply.meta.status == 200
    if isinstance(place.server, Double):
        assert b"content" in place.server.seen[0][1]


async def test_a_stream_goes_out_whole(place: Place) -> None:
    """A body that can be read once is streamed, and is never sent a second time."""

    async def stream() -> AsyncIterator[bytes]:
        yield b"one,"
        yield b"two"

    place.plan(Step(500), method="POST")
    with pytest.raises(error_of(place, "OutcomeUnknownError")):
        await place.client.call("POST", place.post_path, None, data=stream())
    assert place.count("POST") == 1
    if isinstance(place.server, Double):
        assert place.server.seen[0][1] == b"one,two"


# --- Nomba: its envelope and its header -------------------------------------------------------------------------------


@pytest.fixture(params=[at_sandbox, at_double], ids=["sandbox", "double"])
async def nomba(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """Nomba, which has an envelope and an account header."""
    async with request.param(NOMBA) as made:
        yield made


@pytest.mark.parametrize("code", ["400", 400])
async def test_a_business_failure_in_a_200(nomba: Place, code: object) -> None:
    """What passes `raise_for_status` is the vendor's error all the same, once, its code a number or not."""
    nomba.plan(Step(200, {"code": code, "description": "insufficient funds"}), method="POST")
    with pytest.raises(error_of(nomba, "BadRequestError"), match="insufficient funds") as caught:
        await nomba.client.call("POST", nomba.post_path, object, json={"amount": 1})
    assert (caught.value.code, caught.value.detail) == ("400", "insufficient funds")
    assert nomba.count("POST") == 1


@pytest.mark.parametrize("code", ["500", "504", 500])
async def test_a_fault_in_a_200_behind_a_post_is_a_doubt(nomba: Place, code: object) -> None:
    """A 200 that says 500 is a 500: a POST may have been acted on."""
    nomba.plan(Step(200, {"code": code, "description": _WORDS}), method="POST")
    with pytest.raises(error_of(nomba, "OutcomeUnknownError"), match=_WORDS):
        await nomba.client.call("POST", nomba.post_path, object, json={})
    assert nomba.count("POST") == 1


@pytest.mark.parametrize("document", [{"code": "00", "description": "Success"}, {"code": 201, "data": None}])
async def test_data_absent(nomba: Place, document: dict[str, object]) -> None:
    """An envelope without data fits `object` and None, and no record."""
    document = {"description": "Success", **document}
    nomba.plan(*[Step(200, document)] * 3)
    assert (await nomba.client.call("GET", nomba.get_path, object)).data is None
    assert (await nomba.client.call("GET", nomba.get_path)).data is None
    with pytest.raises(error_of(nomba, "MalformedResponseError")):
        await nomba.client.call("GET", nomba.get_path, Row)


async def test_numbers_as_codes_of_success(nomba: Place) -> None:
    """Code 0 as a number is the code 00."""
    nomba.plan(Step(200, {"code": 0, "description": "Success", "data": {"name": "a"}}))
    reply = await nomba.client.call("GET", nomba.get_path, Row)
    assert (reply.data, reply.code) == (Row("a"), "00")


@pytest.mark.parametrize("headers", [None, {"accountid": "other"}, {"ACCOUNTID": "other", "X-A": "b"}])
async def test_another_account(headers: dict[str, str] | None) -> None:
    """The option takes the place of the client's header and of one in `headers`, in whatever case: one goes out."""
    async with at_double(NOMBA) as nomba:
        nomba.plan(*[good(nomba, None)] * 2)
        await nomba.client.call("GET", nomba.get_path, None, account_id="sub", headers=headers)
        await nomba.client.call("GET", nomba.get_path, None, headers={"accountid": "third"})
        sent = [request.headers.getall("accountId") for request, _ in nomba.server.seen]
        assert sent == [["sub"], ["third"]]
