"""`LoopbackListener`: takes the one request with which a browser comes back to this machine (RFC 8252 section 7.3)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator
from datetime import timedelta
from types import TracebackType
from typing import Self

import attrs
from aiohttp import hdrs, web
from yarl import URL

from nauth.errors import ConfigurationError, InteractionRequiredError
from nauth.interactive.closing_page import HEADERS, closing_page
from nauth.secret import Secret

__all__ = ["LoopbackListener", "SignInTimeoutError", "loopback_host"]

_LONGEST_LINE = 65_536
"""Nomad's address holds two JWTs."""

_SHUTDOWN_S = 1.0


class SignInTimeoutError(InteractionRequiredError):
    """No browser came back in time."""


def _silent() -> logging.Logger:
    """Return a logger that drops all: aiohttp's own prints a malformed line, and the code in it."""
    # not from the tree of loggers: a program that configures that must not be able to switch it on
    logger = logging.Logger("nauth.interactive.silent", logging.CRITICAL + 1)  # noqa: LOG001
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


@attrs.frozen
class _Page:
    status: int
    title: str
    words: str
    good: bool = False

    def answer(self) -> web.Response:
        text = closing_page(self.title, self.words, good=self.good)
        return web.Response(status=self.status, text=text, content_type="text/html", headers=HEADERS)


_BACK = "Go back to the terminal, and start again if it still waits."
_SIGNED_IN = _Page(
    200, "You can close this window", "The sign-in goes on in the terminal that asked for it.", True
)
_DECLINED = _Page(200, "You have not signed in", "Nothing was granted. You can close this window.")
_OTHER = _Page(400, "This belongs to another sign-in", _BACK)
_NOTHING = _Page(400, "There is nothing to sign in with", _BACK)
_USED = _Page(409, "Already used", "This sign-in has come back before. You can close this window.")
_NOT_HERE = _Page(404, "There is nothing here", _BACK)
_NOT_GET = _Page(405, "This takes a browser's visit only", _BACK)
_WRONG_HOST = _Page(421, "This is another host", _BACK)
_PREFETCH = _Page(503, "Not before you open it", _BACK)
_EMBEDDED = _Page(403, "Not from inside another page", _BACK)


class LoopbackListener:
    """Listen on loopback for a browser that comes back from signing in. As soon as it is entered it listens.

    ::

        async with LoopbackListener(path="/callback") as listener:
            url = make_the_address(listener.redirect_uri)
            ...
            callback = await listener.callback(state=state)

    One request counts: a visit of the right path with the right state. Prefetches, embedded pages, other methods, hosts
    and states are turned away, and it goes on waiting. Nothing is logged.

    Args:
        host: a literal address: the name localhost may lead to another program's listener on the other family.
        port: 0 takes a free one.
        path: where the browser is sent back to.
        timeout: how long `callback` waits.
        address: what stands in `redirect_uri` and in the `Host` of the request, where it is not host and port: behind a
            published port of a container.

    Raises:
        ConfigurationError: when entered: the port is taken, or the address is none of this machine.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/callback",
        timeout: timedelta = timedelta(minutes=5),
        address: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._path = Secret(path)  # Nomad Media's is one
        self._timeout_s = timeout.total_seconds()
        self._address = address
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._state: Secret | None = None
        self._taken = False
        self._arrived: asyncio.Future[Secret] | None = None

    def __repr__(self) -> str:
        return f"<LoopbackListener on {self._host}:{self.port}>"  # not the path, which may be a secret

    async def __aenter__(self) -> Self:
        # the socket is bound once and kept: another program could take the port of one that is closed and bound again
        self._socket = _bound(self._host, self._port)
        app = web.Application()
        app.router.add_route(hdrs.METH_ANY, "/{path:.*}", self._answer)
        silent = _silent()
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=silent,
            max_line_size=_LONGEST_LINE,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_S,
        )
        try:
            await self._runner.setup()
            await web.SockSite(self._runner, self._socket).start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening and free the port. Closing twice is allowed."""
        runner, self._runner = self._runner, None
        taken, self._socket = self._socket, None
        try:
            if runner is not None:
                await runner.cleanup()
        finally:
            if taken is not None:
                taken.close()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def redirect_uri(self) -> str:
        """Where the browser is to be sent back to."""
        return f"http://{self._authority}{self._path.reveal()}"

    async def callback(self, *, state: Secret | None) -> Secret:
        """Wait for the browser and return the address it came back to.

        Args:
            state: what the address must carry. None: there is no state, and the path is the secret.

        Raises:
            SignInTimeoutError: no browser came back in time.
        """
        async with self._awaiting(state) as arrived:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await arrived
            except TimeoutError:
                pass
        raise SignInTimeoutError(
            f"no browser came back to this machine within {self._timeout_s:g} s. Start again, and if the browser is on "
            "another machine, paste the address it ends at"
        )

    @contextlib.asynccontextmanager
    async def _awaiting(self, state: Secret | None) -> AsyncGenerator[asyncio.Future[Secret]]:
        self._state, self._taken = state, False
        self._arrived = asyncio.get_running_loop().create_future()
        try:
            yield self._arrived
        finally:
            self._arrived.cancel()

    @property
    def _authority(self) -> str:
        if self._address is not None:
            return self._address
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        page = self._refused(request)
        if page is not None:
            return page.answer()
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=HEADERS)
        arrived = self._arrived
        page = _OTHER if arrived is None else _judged(request, self._state)
        if arrived is None or page.status != _SIGNED_IN.status:
            return page.answer()
        if self._taken:
            return _USED.answer()
        self._taken = True
        # the result is set when the page is out: the caller that waits for it closes this server
        response = page.answer()
        try:
            await response.prepare(request)
            await response.write_eof()
        finally:
            with contextlib.suppress(asyncio.InvalidStateError):  # the time is up
                arrived.set_result(Secret(f"{self.redirect_uri}?{request.rel_url.raw_query_string}"))
        return response

    def _refused(self, request: web.Request) -> _Page | None:
        """Return the page for a request that is no browser's visit of our path."""
        # the path may be the secret
        if Secret(request.rel_url.raw_path) != self._path:  # in constant time
            return _NOT_HERE
        if request.headers.get(hdrs.HOST, "") != self._authority:
            return _WRONG_HOST  # a name of another site that was pointed here
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            return _NOT_GET
        purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
        if "prefetch" in purpose:
            return _PREFETCH
        # absent with older browsers
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            return _EMBEDDED
        return None


def _judged(request: web.Request, state: Secret | None) -> _Page:
    query = request.query
    if state is None:
        return _SIGNED_IN if any(name.endswith("_token") for name in query) else _NOTHING
    # the state first: an error that any page may send must not end the sign-in
    given = query.getall("state", [])
    if len(given) != 1 or Secret(given[0]) != state:
        return _OTHER
    if query.get("error"):
        return _DECLINED
    return _SIGNED_IN if query.get("code") else _NOTHING


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # a fixed port is free again right after a sign-in; two listeners stay impossible
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:  # pragma: no cover - Windows, where that option would let another program listen beside us
            made.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009 - not on POSIX
        made.bind((host, port))
        made.setblocking(False)
        return made
    except (OSError, OverflowError) as error:
        made.close()
        number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        raise ConfigurationError(
            f"port {port} of {host} is taken by another program, perhaps by another sign-in. Nothing was sent: end it, or "
            "choose another port with --port, if the redirect URI is registered without one"
        )
    raise ConfigurationError(f"this machine cannot listen on {host}, port {port}. Nothing was sent")


def loopback_host(redirect_uri: str) -> str | None:
    """Return the address to listen on for a registered redirect URI; None if it is no literal loopback address."""
    url = URL(redirect_uri)
    return url.host if url.scheme == "http" and url.host in {"127.0.0.1", "::1"} else None
