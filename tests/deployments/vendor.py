"""A vendor on loopback whose refresh tokens work once, in a thread of its own. It counts what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

from aiohttp import web

__all__ = ["Vendor", "serving"]


class Vendor:
    """Rotates at once and answers later, as a vendor behind a slow network does.

    Args:
        life_s: of each access token, in whole seconds.
        delay_s: between its deed and its answer.

    Attributes:
        url: where it listens.
        made: when each token was made, in monotonic seconds.
        served: requests of the API that carried a token that lives.
        refused: requests of the API that did not.
        gate: if set, answers are held until it is open.
        reused: refresh tokens that came a second time; a person would have to sign in.
    """

    def __init__(self, *, life_s: int = 3, delay_s: float = 0.3) -> None:
        self.life_s, self.delay_s = life_s, delay_s
        self.url = ""
        self.made: list[float] = []
        self.served = self.refused = self.reused = 0
        self.gate: threading.Event | None = None
        self._refresh, self._access = "seed", ""
        self._rotated = threading.Event()

    def wait_for_a_call(self, within_s: float = 60.0) -> None:
        """Return once the vendor has rotated and its answer is on its way."""
        assert self._rotated.wait(within_s), "the vendor was not called"

    def called(self) -> bool:
        """Tell whether a call has come since the last `expect_a_call`."""
        return self._rotated.is_set()

    def expect_a_call(self) -> None:
        """Let `wait_for_a_call` mean the next one."""
        self._rotated.clear()

    def most_calls(self, *, margin_s: float = 1.0) -> int:
        """Return how many calls renewals may have cost since the first: one for each lifetime less the margin, and one."""
        return int((time.monotonic() - self.made[0]) / (self.life_s - margin_s)) + 2

    async def token(self, request: web.Request) -> web.Response:
        """Make a token of a refresh token that has not been used."""
        form = await request.post()
        if form.get("refresh_token") != self._refresh:
            self.reused += 1
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.made.append(time.monotonic())
        self._refresh, self._access = f"r{len(self.made)}", f"t{len(self.made)}"
        answer = {
            "access_token": self._access,
            "refresh_token": self._refresh,
            "token_type": "bearer",
            "expires_in": self.life_s,
        }
        self._rotated.set()
        await asyncio.sleep(self.delay_s)
        while self.gate is not None and not self.gate.is_set():  # noqa: ASYNC110 - another thread opens it
            await asyncio.sleep(0.002)
        return web.json_response(answer)

    async def api(self, request: web.Request) -> web.Response:
        """Answer a request whose token lives; older ones live to their own end."""
        name = request.headers.get("Authorization", "").removeprefix("Bearer t")
        if not name.isdecimal() or time.monotonic() > self.made[int(name) - 1] + self.life_s + 0.5:
            self.refused += 1
            return web.Response(status=401)
        self.served += 1
        return web.json_response({"ok": True})


@contextlib.contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    """Run the vendor in a thread."""
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def run(over: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_post("/token", vendor.token)
        app.router.add_get("/api", vendor.api)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await over.wait()
        await runner.cleanup()

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run(over)))
    thread.start()
    assert ready.wait(10)
    try:
        yield vendor
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
