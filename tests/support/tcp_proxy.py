"""A TCP proxy on loopback that refuses, hangs, cuts and loses what passes through it, when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Self

__all__ = ["Proxy"]

_CHUNK = 65_536


class Proxy:
    """Pass connections on to a server on loopback, with faults.

    Args:
        port: where the server listens.
        tls: if given, the proxy speaks TLS to its clients; the server is spoken to in plain text.

    Attributes:
        port: where the proxy listens.
        delay_s: added to every piece that passes, in both directions.
        lose_answers: so many of the next answers are lost: the server has acted, and the connection breaks.
        cut_requests: so many of the next requests reach the server by half, and the connection breaks.
        accepted: connections made so far.
        passed: pieces sent on to the server so far.
    """

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.lose_answers = 0
        self.cut_requests = 0
        self.accepted = 0
        self.passed = 0
        self._target = port
        self._tls = tls
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        self.flow()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"redis{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Take connections, after `refuse` on the same port as before."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self._tls, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no more connections, and break those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def hang(self) -> None:
        """Keep everything back, in both directions."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything pass that was kept back."""
        self._flowing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a task of our own: those of asyncio.start_server cannot be awaited
        self.accepted += 1
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = {writer}
        self._writers.add(writer)
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self._target)
            ours.add(requests)
            self._writers.add(requests)
            pumps = [
                asyncio.create_task(self._requests(reader, requests)),
                asyncio.create_task(self._answers(answers, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the server is down
        finally:
            for one in ours:
                one.transport.abort()
                with contextlib.suppress(OSError):
                    await one.wait_closed()
            self._writers -= ours

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await self._piece(reader):
            if self.cut_requests:
                self.cut_requests -= 1
                writer.write(piece[: len(piece) // 2])
                await writer.drain()
                return
            self.passed += 1
            writer.write(piece)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await self._piece(reader):
            if self.lose_answers:
                self.lose_answers -= 1
                return
            writer.write(piece)
            await writer.drain()

    async def _piece(self, reader: asyncio.StreamReader) -> bytes:
        piece = await reader.read(_CHUNK)
        await self._flowing.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return piece
