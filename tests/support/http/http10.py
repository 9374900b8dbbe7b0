"""A server of HTTP/1.0 on loopback, in front of a sandbox: one request a connection, and the body ends with it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

import aiohttp
from yarl import URL

__all__ = ["Http10"]

_OWN = {"connection", "content-length", "transfer-encoding", "keep-alive"}


class Http10:
    """Answer as HTTP/1.0, without a length, and close; what is asked goes on to `target`.

    A request in chunks is refused with 411: there are none in HTTP/1.0.

    Args:
        target: the server behind it.

    Attributes:
        connections: how many came.
        requests: how many requests.
    """

    def __init__(self, target: str) -> None:
        self.connections = self.requests = 0
        self._target = URL(target)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests += 1
            first, *lines = head.strip().split("\r\n")
            method, path, _ = first.split(" ")
            headers = dict(line.split(": ", 1) for line in lines)
            small = {name.lower(): value for name, value in headers.items()}
            if "transfer-encoding" in small:
                writer.write(b"HTTP/1.0 411 Length Required\r\n\r\n")
            else:
                body = await reader.readexactly(int(small.get("content-length", "0")))
                writer.write(await self._answer(method, path, headers, body))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone away
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        sent = {name: value for name, value in headers.items() if name.lower() not in {*_OWN, "host"}}
        url = URL(f"{self._target}{path}", encoded=True)
        async with self._http.request(
            method, url, headers=sent, data=body or None, allow_redirects=False
        ) as answer:
            lines = [f"{name}: {value}" for name, value in answer.headers.items() if name.lower() not in _OWN]
            start = f"HTTP/1.0 {answer.status} {answer.reason}"
            return "\r\n".join([start, *lines, "", ""]).encode("latin-1") + await answer.read()
