"""Reach a vendor with the environment's credentials, without ending the session of a service that runs with them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import attrs
import typer
from aiohttp import ClientSession, DummyCookieJar, TraceConfig, TraceRequestEndParams, hdrs

from nauth.cli.output import print_text
from nauth.cli.vendor import Client, Vendor
from nauth.client import VendorClient
from nauth.clock import SystemClock
from nauth.logins import RememberedLogin

__all__ = ["ServerClock", "ask_before_sign_in", "opened", "would_disturb"]

_wall = SystemClock.wall


@attrs.define
class ServerClock:
    """What the vendor's responses say of the time.

    Attributes:
        difference: how far this machine's clock is ahead of the vendor's, to the second; None if no response said.
    """

    difference: timedelta | None = None

    async def note(
        self, session: ClientSession, context: SimpleNamespace, params: TraceRequestEndParams
    ) -> None:
        """Compare the `Date` of a response with this machine's clock."""
        del session, context
        with contextlib.suppress(ValueError, TypeError):
            date = parsedate_to_datetime(params.response.headers[hdrs.DATE])
            self.difference = datetime.fromtimestamp(round(_wall()), UTC) - date.astimezone(UTC)

    def __str__(self) -> str:
        if self.difference is None:
            return "not known: the vendor's response names no time"
        seconds = round(self.difference.total_seconds())
        if abs(seconds) <= 2:  # noqa: PLR2004 - a header has whole seconds, and the response took a moment
            return "none"
        return f"this machine is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"


@contextlib.asynccontextmanager
async def opened(
    entry: Vendor, login: RememberedLogin | None = None
) -> AsyncGenerator[tuple[Client, ServerClock]]:
    """Open a client of `entry` from the environment; its `NAUTH_STORE` is the running service's.

    Args:
        entry: the vendor.
        login: use this remembered login, whatever the environment holds.
    """
    clock, trace = ServerClock(), TraceConfig()
    trace.on_request_end.append(clock.note)
    async with (
        ClientSession(trace_configs=[trace], cookie_jar=DummyCookieJar()) as session,
        entry.client(*([] if login is None else [login]), session=session) as client,
    ):
        yield client, clock


async def would_disturb(entry: Vendor, login: RememberedLogin | None = None) -> bool:
    """Tell whether a token from this command would end the session of a service with the same credentials."""
    async with opened(entry, login) as (client, _):
        if not entry.single_session or not isinstance(client, VendorClient):
            return False
        return client.renewable and not client.store.persistent


def ask_before_sign_in(entry: Vendor, name: str) -> None:
    """Say what would happen and ask whether to go on; without a terminal, refuse.

    Raises:
        typer.Exit: the answer is no, or no person to ask.
    """
    print_text(
        f"This would sign in to {entry.title}. {entry.title} keeps one session for each credential, so a service that "
        "runs with these credentials would lose its own and sign in again.\nTo use the service's token instead, set "
        "NAUTH_STORE as it does.",
        err=True,
    )
    if not sys.stdin.isatty():
        print_text(f"To sign in all the same: nauth ... {name} --sign-in", err=True)
        raise typer.Exit(2)
    if not typer.confirm("Sign in?", err=True):
        raise typer.Exit(2)
