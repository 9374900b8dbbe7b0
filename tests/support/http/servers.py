"""Servers on loopback: aiohttp's for whole answers, raw ones for connections that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from nauth.testing import Sandbox

__all__ = ["RawServer", "in_thread", "serve"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serve(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[URL]:
    """Answer every path and method with `handler`; give the server's base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    try:
        yield server.make_url("/")
    finally:
        await server.close()


@contextlib.contextmanager
def in_thread(sandbox: Sandbox) -> Generator[None]:
    """Run a vendor's sandbox on another loop and thread, for code that runs a loop itself."""
    ready, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with sandbox:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


class RawServer:
    """Read one request from each connection, send `reply` byte for byte, and close; or hang.

    Args:
        reply: what is sent, HTTP or not.
        read: wait for the request's end first.
        hang: keep the connection open, after `reply`, until the server closes.

    Attributes:
        received: what came over each connection.
        got_one: set when a request has been read (or a connection accepted, without `read`).
    """

    def __init__(self, reply: bytes = b"", *, read: bool = True, hang: bool = False) -> None:
        self.received: list[bytes] = []
        self.got_one = asyncio.Event()
        self._reply = reply
        self._read = read
        self._hang = hang
        self._end = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end.set()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str = "/", *, scheme: str = "http") -> URL:
        """Return an address of this server."""
        return URL(f"{scheme}://127.0.0.1:{self.port}{path}")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a task of our own: those of asyncio.start_server cannot be awaited
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.received.append(await reader.readuntil(b"\r\n\r\n") if self._read else b"")
            self.got_one.set()
            writer.write(self._reply)
            await writer.drain()
            if self._hang:
                await self._end.wait()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
