"""A relay on loopback that keeps what a client really sends, byte for byte, before any server has parsed it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import attrs
from yarl import URL

__all__ = ["Sent", "Wiretap"]


@attrs.frozen
class Sent:
    """One request as it stood on the wire.

    Attributes:
        line: method, target and version.
        headers: name as sent and value, both bytes, in the order of the wire.
        body: what came behind the head.
    """

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of every header of this name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Wiretap:
    """Relay one connection's requests at a time to a server on loopback.

    Attributes:
        sent: every request so far; each ends where the server's answer begins.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    @contextlib.asynccontextmanager
    async def listening(self, target: str) -> AsyncIterator[str]:
        """Relay to `target`; give the address to use instead."""
        server = await asyncio.start_server(lambda r, w: self._relay(r, w, URL(target)), "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _relay(self, asker: asyncio.StreamReader, back: asyncio.StreamWriter, target: URL) -> None:
        answerer, out = await asyncio.open_connection(target.host, target.port)
        heard = bytearray()

        async def up() -> None:
            while part := await asker.read(65_536):
                heard.extend(part)
                out.write(part)
            out.write_eof()

        async def down() -> None:
            while part := await answerer.read(65_536):
                self._note(heard)
                back.write(part)

        tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        out.close()
        back.close()

    def _note(self, heard: bytearray) -> None:
        if not heard:
            return
        head, _, body = bytes(heard).partition(b"\r\n\r\n")
        heard.clear()
        line, *rest = head.split(b"\r\n")
        pairs = (entry.partition(b": ") for entry in rest)
        self.sent.append(Sent(line, tuple((key, value) for key, _, value in pairs), body))
