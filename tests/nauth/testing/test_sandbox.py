"""`Sandbox` serves, counts, breaks on demand and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import aiohttp
import pytest
import trustme
from aiohttp import web

from nauth.errors import ConfigurationError
from nauth.testing import Exchange, FakeClock, Fault, Faults, Route, Sandbox
from tests.support.ports import free_port


class Till(Sandbox):
    """A vendor with two endpoints and one piece of state."""

    sold = 0

    def routes(self) -> Mapping[str, Route]:
        return {"sell": ("POST", "/sell", self._sell), "sold": ("GET", "/sold", self._sold)}

    async def _sell(self, request: web.Request) -> web.Response:
        self.sold += 1
        return web.json_response({"sold": self.sold}, headers={"X-Till": "1"})

    async def _sold(self, request: web.Request) -> web.Response:
        return web.json_response({"sold": self.sold})


class Timeless(Till):
    """A vendor that sends no Date header."""

    def date(self) -> str | None:
        return None


@pytest.fixture
async def till() -> AsyncIterator[Till]:
    async with Till(clock=FakeClock()) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def _sell(http: aiohttp.ClientSession, till: Till) -> tuple[int, bytes, Mapping[str, str]]:
    async with http.post(f"{till.base_url}/sell", headers={"Authorization": "Bearer hush"}) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_requests_are_counted_and_logged(till: Till, http: aiohttp.ClientSession) -> None:
    """Each request counts under its endpoint and is logged with its headers, which no repr shows."""
    await _sell(http, till)
    async with http.get(f"{till.base_url}/nowhere") as answer:
        assert answer.status == 404
    assert till.requests == till.committed == {"sell": 1, "unknown": 1}
    assert [(seen.endpoint, seen.method, seen.path, seen.status) for seen in till.log] == [
        ("sell", "POST", "/sell", 200),
        ("unknown", "GET", "/nowhere", 404),
    ]
    assert till.log[0].headers["Authorization"] == "Bearer hush"
    assert "hush" not in repr(till.log)
    assert repr(till) == f"<Till {till.base_url}, 2 requests>"


async def test_the_date_is_the_clocks(till: Till, http: aiohttp.ClientSession) -> None:
    """The Date header follows the sandbox's clock; a vendor without one sends none."""
    assert (await _sell(http, till))[2]["Date"] == "Thu, 02 Jul 2026 00:00:00 GMT"
    till.clock.advance(61)  # type: ignore[attr-defined]  # the fixture's FakeClock
    assert (await _sell(http, till))[2]["Date"] == "Thu, 02 Jul 2026 00:01:01 GMT"
    async with Timeless() as timeless:
        assert "Date" not in (await _sell(http, timeless))[2]


async def test_a_status_fault_answers_without_doing_the_work(till: Till, http: aiohttp.ClientSession) -> None:
    """Status, body, headers and type are the fault's, and nothing was committed."""
    till.faults.add(Fault(status=503, headers={"Retry-After": "7"}))
    till.faults.add(Fault(status=502, body=b"<p>", content_type="text/html"))
    status, body, headers = await _sell(http, till)
    assert (status, body, headers["Retry-After"]) == (503, b"", "7")
    status, body, headers = await _sell(http, till)
    assert (status, body, headers["Content-Type"]) == (502, b"<p>", "text/html")
    assert (till.sold, till.requests["sell"], till.committed["sell"]) == (0, 2, 0)


async def test_a_body_fault_replaces_the_body_of_work_done(till: Till, http: aiohttp.ClientSession) -> None:
    """The work is committed and its answer keeps status and headers; only the body is another, of any size."""
    huge = b"x" * 3_000_000
    till.faults.add(Fault(body=huge, headers={"X-More": "2"}))
    status, body, headers = await _sell(http, till)
    assert (status, body == huge, headers["X-Till"], headers["X-More"]) == (200, True, "1", "2")
    assert headers["Content-Length"] == "3000000"
    assert till.sold == 1


@pytest.mark.parametrize("when, sold", [("before", 0), ("after", 1)])
async def test_a_drop_cuts_the_connection_on_either_side_of_the_commit(
    till: Till, http: aiohttp.ClientSession, when: str, sold: int
) -> None:
    """Without an answer the client cannot tell, but the work was done only when the drop came after it."""
    till.faults.add(Fault(drop=when))  # type: ignore[arg-type]  # one of the two literals
    with pytest.raises(aiohttp.ClientError):
        await _sell(http, till)
    assert (till.sold, till.committed["sell"], till.requests["sell"]) == (sold, sold, 1)
    assert till.log[-1].status is None
    assert (await _sell(http, till))[0] == 200


@pytest.mark.parametrize("hold, sold", [("before", 0), ("after", 1)])
async def test_a_gate_holds_the_answer_where_it_is_told(
    till: Till, http: aiohttp.ClientSession, hold: str, sold: int
) -> None:
    """The request is in flight, its work done or not yet, until the test opens the gate."""
    gate = asyncio.Event()
    till.faults.add(Fault(gate=gate, hold=hold))  # type: ignore[arg-type]  # one of the two literals
    call = asyncio.create_task(_sell(http, till))
    await till.wait_for("sell", committed=hold == "after")
    assert (till.sold, call.done()) == (sold, False)
    gate.set()
    assert (await call)[0] == 200
    assert till.sold == 1


async def test_a_delay_waits_by_the_sandboxs_clock(http: aiohttp.ClientSession) -> None:
    """A delay of an hour takes an hour of the clock handed in, and no real time."""
    clock = FakeClock(jump=True)
    async with Till(clock=clock) as till:
        till.faults.add(Fault(delay=timedelta(hours=1)))
        assert (await _sell(http, till))[0] == 200
    assert clock.slept == [3600]


async def test_faults_come_in_order_for_their_endpoint(till: Till, http: aiohttp.ClientSession) -> None:
    """A fault for one endpoint leaves others alone, one for any is taken by the first to come, each `times` times."""
    till.faults.add(Fault(status=500), endpoint="sold", times=2)
    till.faults.add(Fault(status=501))
    till.faults.add(Fault(status=502), endpoint="sell")
    assert len(till.faults) == 4
    assert repr(till.faults) == "<Faults: 4 to come>"
    assert [(await _sell(http, till))[0] for _ in range(3)] == [501, 502, 200]
    async with http.get(f"{till.base_url}/sold") as answer:
        assert answer.status == 500
    till.faults.clear()
    async with http.get(f"{till.base_url}/sold") as answer:
        assert answer.status == 200


def test_a_fault_that_contradicts_itself_is_refused() -> None:
    """A dropped connection has no status or body to send, and a fault happens at least once."""
    with pytest.raises(ConfigurationError, match="drop"):
        Fault(drop="after", status=500)
    with pytest.raises(ConfigurationError, match="drop"):
        Fault(drop="before", body=b"")
    with pytest.raises(ConfigurationError, match="times"):
        Faults().add(Fault(), times=0)


async def test_wait_for_returns_at_once_when_it_has_happened(till: Till, http: aiohttp.ClientSession) -> None:
    """Waiting counts from the start of the sandbox, for arrivals and for commits, for several waiters at once."""
    waiters = [asyncio.create_task(till.wait_for("sell", 2)) for _ in range(2)]
    other = asyncio.create_task(till.wait_for("sold"))
    await _sell(http, till)
    await till.wait_for("sell")
    await till.wait_for("sell", committed=True)
    assert not any(task.done() for task in waiters)
    # two in one turn: the second finds the waiters' futures already set
    await asyncio.gather(_sell(http, till), _sell(http, till))
    await asyncio.gather(*waiters)
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    assert till._watches == []


async def test_a_waiter_already_told_is_not_told_twice(till: Till) -> None:
    """Two requests in the same turn of the loop wake a waiter once."""
    waiter = asyncio.create_task(till.wait_for("sell"))
    await asyncio.sleep(0)
    till._count(till.requests, "sell")
    till._count(till.requests, "sell")
    await waiter


async def test_stopping_ends_held_answers_and_leaves_no_task() -> None:
    """A held answer and an idle connection are cut within a moment, no task and no socket stays behind."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as http:
        async with Till() as till:
            url = till.base_url
            await _sell(http, till)
            till.faults.add(Fault(gate=asyncio.Event()))
            held = asyncio.create_task(_sell(http, till))
            await till.wait_for("sell", 2, committed=True)
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 2
        with pytest.raises(aiohttp.ClientError):
            await held
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{url}/sold")
    assert asyncio.all_tasks() == before


async def test_it_can_stop_and_start_again_on_its_port(http: aiohttp.ClientSession) -> None:
    """Starting and closing twice is harmless, counters live on, and a fixed port is kept."""
    port = free_port()
    till = Till(port=port)
    for round_ in (1, 2):
        async with till:
            await till.start()
            assert till.base_url == f"http://127.0.0.1:{port}"
            await _sell(http, till)
            assert till.requests["sell"] == round_
    await till.aclose()
    assert repr(till) == "<Till not running, 2 requests>"
    with pytest.raises(ConfigurationError, match="async with Till"):
        _ = till.base_url


async def test_a_port_already_taken_is_said_and_nothing_stays_open(till: Till) -> None:
    """The system's own error comes out, and the sandbox is as if never started."""
    second = Till(port=int(till.base_url.rpartition(":")[2]))
    with pytest.raises(OSError, match="in use"):
        await second.start()
    assert repr(second) == "<Till not running, 0 requests>"


@pytest.fixture
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Server and client contexts of one authority, made outside the loop because they read files."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_it_speaks_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext], http: aiohttp.ClientSession) -> None:
    """With an ssl context the base URL is https and a client that trusts the authority gets through."""
    server, client = tls
    async with Till(ssl_context=server) as till:
        assert till.base_url.startswith("https://127.0.0.1:")
        async with http.get(f"{till.base_url}/sold", ssl=client) as answer:
            assert answer.status == 200


async def test_one_left_open_says_so() -> None:
    """A running sandbox that is dropped warns; a stopped one does not."""
    till = Till()
    await till.start()
    runner, till_repr = till._runner, repr(till)
    assert runner is not None
    with pytest.warns(ResourceWarning, match="never closed") as caught:
        till.__del__()
    assert till_repr in str(caught[0].message)
    await till.aclose()
    del till
    gc.collect()


async def test_many_connections_at_once(till: Till) -> None:
    """A herd of connections opened in one turn is served, none refused."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        answers = await asyncio.gather(*(_sell(http, till) for _ in range(200)))
    assert {status for status, _, _ in answers} == {200}
    assert till.sold == 200


async def test_a_client_that_left_first_is_no_trouble(till: Till, http: aiohttp.ClientSession) -> None:
    """If a caller hangs up, its work is still committed, and there is no connection left to cut."""
    gate = asyncio.Event()
    till.faults.add(Fault(gate=gate, drop="after"))
    call = asyncio.create_task(_sell(http, till))
    await till.wait_for("sell", committed=True)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await _sell(http, till)  # by its answer the server has seen the first connection close
    gate.set()
    await asyncio.sleep(0)
    assert (till.sold, [seen.status for seen in till.log]) == (2, [200, None])


def test_an_exchange_compares_without_its_headers() -> None:
    """Two records of the same call are equal whatever headers came with it."""
    one, other = (
        Exchange(endpoint="sell", method="POST", path="/sell", status=200, headers={"n": str(n)})
        for n in (1, 2)
    )
    assert one == other


async def test_the_log_is_bounded(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that runs for days forgets the older half of its log when it is full."""
    monkeypatch.setattr("nauth.testing.sandbox._LOG_LENGTH", 4)
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            await (await session.get(f"{till.base_url}/sold")).read()
    assert len(till.log) == 3
