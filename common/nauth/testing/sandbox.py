"""`Sandbox`: a real HTTP server on loopback, the base class of each vendor's test server."""

from __future__ import annotations

import abc
import asyncio
import ssl
import threading
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email.utils import formatdate
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

import attrs
from aiohttp import hdrs, web

from nauth.clock import Clock, SystemClock
from nauth.errors import ConfigurationError
from nauth.testing.clock import wake
from nauth.testing.custom_endpoints import Serve
from nauth.testing.faults import Fault, Faults
from nauth.testing.in_thread import ThreadLoop

__all__ = ["Exchange", "Handler", "Route", "Sandbox"]

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]
"""Answers one request, as an aiohttp handler does."""

Route: TypeAlias = tuple[str, str, Handler]
"""An endpoint: HTTP method, path as aiohttp's router writes it, handler."""

_HOST = "127.0.0.1"
_LOG_LENGTH = 100_000
"""Requests kept in the log. A sandbox may run for days, so the older half is dropped when the log is full."""

_BACKLOG = 4096
"""Connections that may wait to be accepted: a herd of 10,000 arrives within one turn of the loop."""
_LOOK_S = 0.002
"""Seconds between two looks at a gate that another thread opens."""

_SHUTDOWN_S = 0.05
"""Seconds that a response in flight may still take when the sandbox stops. Not 0, which aiohttp reads as for ever."""


@attrs.frozen(kw_only=True)
class Exchange:
    """One request as the sandbox saw it.

    Attributes:
        endpoint: the route's name; "unknown" for a path that is none.
        method: HTTP method.
        path: path without the query.
        status: status of the response; None if the connection was cut instead.
        headers: the request's headers, secrets included, so its repr hides them.
    """

    endpoint: str
    method: str
    path: str
    status: int | None
    headers: Mapping[str, str] = attrs.field(repr=False, eq=False)


@attrs.frozen
class _Watch:
    counter: Counter[str]
    endpoint: str
    count: int
    reached: Callable[[], object]


class Sandbox(abc.ABC):
    """Serve a vendor's endpoints on 127.0.0.1, count the requests, and fail as the test asks.

    A subclass names its endpoints in `routes`. Use it as ``async with``; it can be entered again after it stopped.

    Args:
        clock: what lifetimes, delays and the `Date` header are counted on; the machine's own by default.
        port: port to listen on; 0 lets the system choose.
        ssl_context: serve https with it.

    Attributes:
        clock: as above.
        requests: how many requests have arrived, by endpoint.
        committed: how many requests did their work, by endpoint.
        faults: the failures still to come; see `Faults.add`.
        log: the requests that were answered or cut, in the order of the responses; the older half is dropped at
            100,000.
    """

    def __init__(
        self, *, clock: Clock | None = None, port: int = 0, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.requests: Counter[str] = Counter()
        self.committed: Counter[str] = Counter()
        self.faults: Faults = Faults()
        self.log: list[Exchange] = []
        self._port = port
        self._ssl_context = ssl_context
        self._runner: web.AppRunner | None = None
        self._thread: ThreadLoop | None = None
        self._base_url: str | None = None
        self._watches: list[_Watch] = []
        self._date = (-1, "")

    @classmethod
    def in_thread(cls, **options: Any) -> Self:
        """Return a sandbox for ``with``, which runs it in a thread: ``with NombaSandbox.in_thread() as sandbox:``.

        ``with NombaSandbox(...) as sandbox:`` is the same, with its options checked by type checkers.
        """
        return cls(**options)

    @abc.abstractmethod
    def routes(self) -> Mapping[str, Route]:
        """Return the endpoints: name -> (method, path as aiohttp writes it, handler)."""

    async def unknown(self, request: web.Request) -> web.Response:  # noqa: ARG002 - overridden by vendors that look
        """Answer a request for a path that is no endpoint."""
        return web.Response(status=404)

    async def taught(self, request: web.Request) -> Serve | None:  # noqa: ARG002 - overridden by vendors that learn
        """Return what answers `request` before the endpoints are asked; None if they are."""
        return None

    def date(self) -> str | None:
        """Return the value of the `Date` header by the sandbox's clock; None sends none."""
        return self.http_date(self.clock.wall())

    def http_date(self, epoch_s: float) -> str:
        """Return `epoch_s` as an HTTP date. The last one is cached: many requests arrive within one second."""
        second = int(epoch_s)
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    @property
    def base_url(self) -> str:
        """Where the sandbox listens, such as ``http://127.0.0.1:40123``, without a slash at the end.

        Raises:
            ConfigurationError: it is not running.
        """
        if self._base_url is None:
            raise ConfigurationError(
                f"{type(self).__name__} is not running: use it as `async with {type(self).__name__}()`"
            )
        return self._base_url

    async def start(self) -> None:
        """Listen. A second call does nothing.

        Raises:
            OSError: the port is taken.
        """
        if self._runner is not None:
            return
        app = web.Application(middlewares=[self._first_taught])
        for endpoint, (method, path, handler) in self.routes().items():
            app.router.add_route(method, path, self._answering(endpoint, handler))
        app.router.add_route(hdrs.METH_ANY, "/{path:.*}", self._answering("unknown", self.unknown))
        app.on_response_prepare.append(self._without_date)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        await web.TCPSite(runner, _HOST, self._port, ssl_context=self._ssl_context, backlog=_BACKLOG).start()
        self._runner = runner
        scheme = "https" if self._ssl_context else "http"
        self._base_url = f"{scheme}://{_HOST}:{runner.addresses[0][1]}"

    def start_in_thread(self) -> Self:
        """Listen, on an event loop in a thread of its own; for tests that are no coroutines. End it with `stop`.

        Raises:
            ConfigurationError: it is running.
            OSError: the port is taken.
        """
        if self._runner is not None or self._thread is not None:
            raise ConfigurationError(f"{type(self).__name__} is running already")
        self._thread = ThreadLoop(self.start, self.aclose, name=f"{type(self).__name__} sandbox")
        return self

    def stop(self) -> None:
        """End what `start_in_thread` began. A second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def __enter__(self) -> Self:
        return self.start_in_thread()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until(
        self,
        endpoint: str,
        count: int = 1,
        *,
        committed: bool = False,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        """Do as `wait_for` in a test that is no coroutine; blocks the calling thread.

        Raises:
            TimeoutError: the requests have not come in time.
        """
        counter, reached = self.committed if committed else self.requests, threading.Event()
        watch = _Watch(counter, endpoint, count, reached.set)
        self._watches.append(watch)
        try:
            if counter[endpoint] < count and not reached.wait(timeout.total_seconds()):
                raise TimeoutError(
                    f"{counter[endpoint]} of {count} requests to {endpoint} came within {timeout}"
                )
        finally:
            self._watches.remove(watch)

    def assert_called(self, endpoint: str, *, times: int) -> None:
        """Fail the test unless `endpoint` has had exactly `times` requests."""
        found = self.requests[endpoint]
        if found != times:
            raise AssertionError(
                f"{type(self).__name__}: {found} requests to {endpoint!r} instead of {times}; all requests: "
                f"{dict(self.requests)}"
            )

    async def aclose(self) -> None:
        """Stop listening and end every connection, held responses included. A second call does nothing."""
        runner, self._runner, self._base_url = self._runner, None, None
        if runner is not None:
            await runner.cleanup()
            await asyncio.sleep(0)  # lets the closed transports finish before the loop may end

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if getattr(self, "_runner", None) is not None:
            warnings.warn(
                f"{self!r} was never closed: use it as `async with`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        where = self._base_url or "not running"
        return f"<{type(self).__name__} {where}, {self.requests.total()} requests>"

    async def wait_for(self, endpoint: str, count: int = 1, *, committed: bool = False) -> None:
        """Wait until `count` requests to `endpoint` have arrived, or have been committed, since the start."""
        counter = self.committed if committed else self.requests
        if counter[endpoint] >= count:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watch = _Watch(counter, endpoint, count, partial(wake, reached))
        self._watches.append(watch)
        try:
            if (
                counter[endpoint] < count
            ):  # pragma: no branch - looked at again: the server may be in another thread
                await reached
        finally:
            self._watches.remove(watch)

    def _count(self, counter: Counter[str], endpoint: str) -> None:
        counter[endpoint] += 1
        for watch in tuple(self._watches):  # a test in another thread may add and remove
            if watch.counter[watch.endpoint] >= watch.count:
                watch.reached()

    @web.middleware
    async def _first_taught(self, request: web.Request, handler: Serve) -> web.StreamResponse:
        taught = await self.taught(request)
        return await (handler if taught is None else taught)(request)

    def _answering(self, endpoint: str, handler: Handler) -> Handler:
        """Wrap `handler` with what every request gets: counting, faults, the date, the log."""

        async def work(request: web.Request) -> web.Response:
            response = await handler(request)
            self._count(self.committed, endpoint)
            return response

        async def serve(request: web.Request) -> web.Response:
            self._count(self.requests, endpoint)
            fault = self.faults.take(endpoint)
            response = await (work(request) if fault is None else self._faulty(fault, work, request))
            if response is None:
                self._record(endpoint, request, None)
                return _cut(request)
            date = self.date()
            if date is not None:
                response.headers.setdefault(hdrs.DATE, date)
            self._record(endpoint, request, response.status)
            return response

        return serve

    async def _faulty(self, fault: Fault, work: Handler, request: web.Request) -> web.Response | None:
        """Answer as `fault` says; None stands for a connection to be cut."""
        if fault.hold == "before":
            await self._held(fault)
        if fault.drop == "before":
            return None
        if fault.status is not None:
            response = web.Response(
                status=fault.status, body=fault.body or b"", content_type=fault.content_type
            )
        else:
            response = await work(request)
            if fault.body is not None:
                response.body = fault.body
                response.content_type = fault.content_type
        response.headers.update(fault.headers)
        if fault.hold == "after":
            await self._held(fault)
        return None if fault.drop == "after" else response

    async def _held(self, fault: Fault) -> None:
        if fault.delay is not None:
            await self.clock.sleep(fault.delay.total_seconds())
        if isinstance(fault.gate, threading.Event):
            # not in a thread: one would be left behind if the gate is never opened
            while not fault.gate.is_set():  # noqa: ASYNC110 - another thread opens it
                await asyncio.sleep(_LOOK_S)
        elif fault.gate is not None:
            await fault.gate.wait()

    async def _without_date(self, request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG002 - aiohttp's signal
        # aiohttp adds its own Date, by the machine's clock, to a response that has none
        if self.date() is None:
            response.headers.popall(hdrs.DATE, None)

    def _record(self, endpoint: str, request: web.Request, status: int | None) -> None:
        if len(self.log) >= _LOG_LENGTH:
            del self.log[: _LOG_LENGTH // 2]
        self.log.append(
            Exchange(
                endpoint=endpoint,
                method=request.method,
                path=request.path,
                status=status,
                headers=request.headers,
            )
        )


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # never sent: aiohttp finds the transport closed
