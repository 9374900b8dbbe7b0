"""The person at the terminal who signs in with a browser: on this machine, or elsewhere and by paste."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import attrs
import typer
from yarl import URL

from nauth.cli.output import print_text
from nauth.cli.secret_input import read_secret_line
from nauth.errors import ConfigurationError
from nauth.interactive import (
    LoopbackListener,
    loopback_host,
    open_in_browser,
    reached_from_afar,
    wait_for_callback,
)
from nauth.secret import Secret

__all__ = ["Listening", "Person"]

_HOST_AND_PORT = re.compile(r"([0-9.]+):([0-9]{1,5})")
_LONG_ENOUGH = 22
"""Characters of base64 that hold 128 bits."""


@attrs.frozen
class Listening:
    """Where the command line says to listen.

    Attributes:
        port: for a redirect URI that has none; 0: any.
        host: bind there instead of on loopback.
        whole: the return address that the vendor has registered, where it takes none with the request.
    """

    port: int = 0
    host: str | None = None
    whole: URL | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str | None, *, port: int, whole: bool) -> Listening:
        """Read `--listen` and `--port`.

        Args:
            text: of `--listen`.
            port: of `--port`.
            whole: whether the vendor wants the whole address.

        Raises:
            ConfigurationError: it is of the wrong form. It is not quoted: its path may be a secret.
        """
        if text is None:
            return cls(port)
        if whole:
            return cls(whole=_registered(text))
        match = _HOST_AND_PORT.fullmatch(text.strip())
        if match is None:
            raise ConfigurationError("--listen must be HOST:PORT, such as 0.0.0.0:8700")
        return cls(int(match[2]), match[1])


def _registered(text: str) -> URL:
    url = URL(text.strip()) if "://" in text else URL()
    if loopback_host(str(url)) is None or url.explicit_port is None or url.query_string:
        raise ConfigurationError(
            "--listen must be the return address that your administrator has registered for this machine, such as "
            "http://127.0.0.1:8700/RANDOM-PATH. Without one, leave --listen out and paste the address"
        )
    if len(url.path.strip("/")) < _LONG_ENOUGH:
        raise ConfigurationError(
            f"the path of --listen must be hard to guess, {_LONG_ENOUGH} random characters or more: the vendor sends no "
            "state along, so that any page could send a token of its own there"
        )
    return url


class Person:
    """Shows the address, opens the browser, and takes what comes back first: the browser or a pasted address.

    Args:
        where: where to listen.
        address_on_stderr: because stdout is for something else.
        open_browser: or leave that to the person.
        ready: awaited before the address is shown.
    """

    def __init__(
        self,
        where: Listening,
        *,
        address_on_stderr: bool,
        open_browser: bool,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ready = ready
        self._where = where
        self._on_stderr = address_on_stderr
        self._open_browser = open_browser
        self._listener: LoopbackListener | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        whole = self._where.whole
        if whole is not None:
            listener = LoopbackListener(
                host=str(whole.host), port=whole.explicit_port or 0, path=whole.raw_path
            )
            self._listener = await self._stack.enter_async_context(listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def back_at(self, registered: str) -> str:
        """Listen where `registered` says, and return the redirect URI to use.

        Raises:
            ConfigurationError: the port is taken, or `--port` contradicts the registered one.
        """
        host, where = loopback_host(registered), self._where
        if host is None:
            if where.port or where.host:
                raise ConfigurationError(
                    "--port and --listen need a redirect URI on loopback, such as http://127.0.0.1/callback, registered "
                    "for the application. Leave them out and paste the address"
                )
            return registered
        fixed = URL(registered).explicit_port
        if fixed is not None and where.port not in {0, fixed}:
            raise ConfigurationError(f"the redirect URI is registered with port {fixed}: leave --port out")
        path = URL(registered).raw_path
        address = None
        if where.host is not None:
            print_text(
                f"listening on {where.host}: other machines may reach this port while you sign in", err=True
            )
            address = f"{host}:{where.port}"
        listener = LoopbackListener(
            host=where.host or host, port=fixed or where.port, path=path, address=address
        )
        self._listener = await self._stack.enter_async_context(listener)
        return listener.redirect_uri

    async def __call__(self, address: str) -> Secret:
        """Return the address that the browser came back to."""
        if self._ready is not None:
            await self._ready()
        listener = self._listener
        print_text("Open this address in a browser and sign in:", err=True)
        typer.echo(address, err=self._on_stderr)  # alone on its line, so that it can be copied
        if listener is None:
            print_text("Then paste the whole address the browser came back to (it is not shown):", err=True)
        else:
            print_text(
                f"The browser comes back to port {listener.port} of this machine. If it is on another machine, paste the "
                "whole address it ends at (it is not shown):",
                err=True,
            )
            if reached_from_afar():
                print_text(
                    f"Or let it come through: ssh -L {listener.port}:127.0.0.1:{listener.port} THIS-HOST",
                    err=True,
                )
        opens = open_in_browser if self._open_browser and not reached_from_afar() else None
        return await wait_for_callback(address, listener=listener, paste=read_secret_line, open_browser=opens)
