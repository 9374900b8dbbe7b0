"""A real Chromium without a window, driven by its own protocol over one websocket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

__all__ = ["CHROMIUM", "Chromium", "chromium"]

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM: str | None = next((found for name in _NAMES if (found := shutil.which(name))), None)
"""The program, if there is one on this machine."""


class Chromium:
    """One tab."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            found: dict[str, Any] = json.loads(message.data)
            if found.get("id") == number:
                result: dict[str, Any] = found.get("result", {})
                return result
        raise ConnectionError("Chromium hung up")

    async def js(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return found.get("result", {}).get("value")

    async def go(self, url: str) -> None:
        """Open an address, and wait for the page to be there."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.protocol !== 'about:'")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(20):
            while not await self.js(expression):  # noqa: ASYNC110 - a browser has no event of ours
                await asyncio.sleep(0.05)

    async def picture(self) -> bytes:
        """Return a screenshot as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


@contextlib.asynccontextmanager
async def chromium() -> AsyncGenerator[Chromium]:
    """Run Chromium with a new profile."""
    assert CHROMIUM is not None
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp))
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # its helpers end with it, as one group
    )
    try:
        port_file = folder / "DevToolsActivePort"
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(port_file.exists):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
        port = (await asyncio.to_thread(port_file.read_text)).split()[0]
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as listed:
                pages = [page for page in await listed.json() if page["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Chromium(socket)
                await tab.call("Page.enable")
                yield tab
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
