"""A forward proxy on loopback: CONNECT and plain requests, with a password if it is to ask for one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from typing import Self

from yarl import URL

__all__ = ["ForwardProxy"]

_CHUNK = 65_536


class ForwardProxy:
    """Pass on what it is asked to, and remember it.

    Args:
        user, password: wanted as Basic; nothing is if `user` is empty.
        hosts: names that it resolves to ports of this machine; all else must be loopback.
        refusal: sent in place of everything, if given.

    Attributes:
        seen: the first line of each request that came, such as ``CONNECT api.example.com:443 HTTP/1.1``.
        heads: the same requests' headers as they came, in lower case names.
    """

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        hosts: Mapping[str, int] | None = None,
        refusal: bytes | None = None,
    ) -> None:
        self.seen: list[str] = []
        self.heads: list[dict[str, str]] = []
        self._pair = f"{user}:{password}" if user else ""
        self._hosts = dict(hosts or {})
        self._refusal = refusal
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens, with what it wants."""
        bare = URL.build(scheme="http", host="127.0.0.1", port=self.port)
        user, _, password = self._pair.partition(":")
        return str(bare.with_user(user).with_password(password) if user else bare)

    @property
    def bare(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        others: list[asyncio.StreamWriter] = []
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            self.seen.append(first)
            self.heads.append(headers)
            refusal = self._refused(headers)
            if refusal is not None:
                writer.write(refusal)
                await writer.drain()
                return
            method, target, _ = first.split(" ")
            tunnel = method == "CONNECT"
            url = URL(f"https://{target}" if tunnel else target)
            port = self._hosts.get(url.host or "", url.port)
            answers, requests = await asyncio.open_connection("127.0.0.1", port)
            others.append(requests)
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                own = "\r\n".join(line for line in lines if not line.lower().startswith("proxy-"))
                requests.write(f"{method} {url.raw_path_qs} HTTP/1.1\r\n{own}\r\n\r\n".encode("latin-1"))
            await self._join(reader, writer, answers, requests)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side has gone away
        finally:
            for one in (writer, *others):
                one.transport.abort()
            for one in (writer, *others):
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    def _refused(self, headers: Mapping[str, str]) -> bytes | None:
        if self._refusal is not None:
            return self._refusal
        wanted = f"Basic {base64.b64encode(self._pair.encode()).decode()}"
        if not self._pair or headers.get("proxy-authorization") == wanted:
            return None
        return (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        pumps = [
            asyncio.create_task(_pump(reader, requests)),
            asyncio.create_task(_pump(answers, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_CHUNK):
        writer.write(piece)
        await writer.drain()
