"""What the transport tells the work that it is part of: nothing is at risk before the request's head is written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from nauth import owned_tasks
from nauth.clock import SystemClock
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Request
from tests.endings.kit import turns


def transport() -> AiohttpTransport:
    """Return one with a session of its own."""
    return AiohttpTransport(clock=SystemClock(), user_agent="test")


async def _called(carrier: AiohttpTransport, url: URL) -> None:
    """Send as an authenticator does that a renewal has called."""
    owned_tasks.current_work().calling()
    await carrier.send(Request(method="POST", url=url, body=b"grant_type=refresh_token"))


async def test_a_host_name_that_is_not_found_holds_no_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the name is looked up nothing was sent: the end of the loop gives the call up at once."""
    looking = asyncio.Event()

    async def for_ever(*_: Any, **__: Any) -> Any:
        looking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", for_ever)
    carrier = transport()
    work = owned_tasks.own_task(_called(carrier, URL("https://vendor.invalid/token")), name="renewal")
    await asyncio.wait([asyncio.ensure_future(looking.wait()), work.task], return_when="FIRST_COMPLETED")
    assert looking.is_set(), work.task.exception()
    assert not work.at_risk
    work.keeper.cancel()
    await work.keeper
    assert work.task.cancelled()
    await carrier.aclose()


async def test_a_request_that_was_sent_is_waited_for() -> None:
    """Once the head was written the end of the loop waits for the answer."""
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        arrived.set()
        await answer.wait()
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_post("/token", slow)
    carrier = transport()
    async with TestServer(app) as server:
        work = owned_tasks.own_task(_called(carrier, server.make_url("/token")), name="renewal")
        await arrived.wait()
        assert work.at_risk
        work.keeper.cancel()
        await turns(5)
        assert not work.task.done()
        answer.set()
        await work.keeper
    assert work.task.exception() is None
    await carrier.aclose()


async def test_a_task_that_is_over_needs_no_hiding() -> None:
    """An eager task may have ended before it was returned: there is nothing to take off the list."""
    task = asyncio.ensure_future(asyncio.sleep(0))
    await task
    assert owned_tasks.hidden(task) is task
