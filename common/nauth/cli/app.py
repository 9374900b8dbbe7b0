"""The commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Annotated

import attrs
import typer
from attrs import AttrsInstance

from nauth.cli.demo import demonstrate
from nauth.cli.running import run
from nauth.cli.vendors import VENDORS, Vendor
from nauth.clock import SystemClock
from nauth.text import clean
from nauth.token import Token, TokenState, held

__all__ = ["app"]

app = typer.Typer(
    help="Sign a service in to its vendors, and see what it takes.",
    add_completion=False,
    no_args_is_help=True,
    # its tracebacks print local variables
    pretty_exceptions_enable=False,
)


def _known(name: str) -> str:
    if name not in VENDORS:
        raise typer.BadParameter(f"there is no vendor {name!r}; there is: {', '.join(VENDORS)}")
    return name


VendorName = Annotated[
    str, typer.Argument(metavar="VENDOR", callback=_known, help=f"One of: {', '.join(VENDORS)}.")
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nauth {version('nauth')}")
        raise typer.Exit


@app.callback()
def nauth(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sign a service in to its vendors, and see what it takes."""


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1, help="How long it lasts.")] = 10,
    coroutines: Annotated[int, typer.Option(min=1, help="How many call at once.")] = 1000,
    plain: Annotated[bool, typer.Option("--plain", help="One line a second instead of a table.")] = False,
) -> None:
    """See a thousand coroutines share one token through several renewals, on this machine alone.

    Ends with each promise and whether it was kept; exit code 1 if one was broken.
    """
    stories = [vendor().story for vendor in VENDORS.values()]
    raise typer.Exit(run(lambda: demonstrate(stories, seconds=seconds, coroutines=coroutines, plain=plain)))


@app.command()
def check(vendor: VendorName) -> None:
    """Make the vendor's simplest authenticated call with the credentials of the environment, and print the answer."""
    entry = VENDORS[vendor]()

    async def call() -> int:
        async with entry.client() as client:
            answer = await client.check()
        typer.echo(f"{entry.title} answered: the credentials work")
        _print_record(answer)
        return 0

    raise typer.Exit(run(call))


@app.command()
def token(
    vendor: VendorName,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the token itself to stdout, and nothing else there."),
    ] = False,
) -> None:
    """Sign in, and print the token's state, lifetime and expiry.

    Where a vendor keeps a single session for each key, signing in here ends the session of a running service, which
    will sign in again at its next call.
    """
    entry = VENDORS[vendor]()

    async def call() -> int:
        async with entry.client() as client:
            got = await client.token()
        _print_pairs(
            {
                "state": _state(got, entry).value,
                "lifetime": "endless"
                if got.lifetime is None
                else str(timedelta(seconds=round(got.lifetime.total_seconds()))),
                "expires at": "never"
                if got.expires_at is None
                else got.expires_at.isoformat(timespec="seconds"),
                "refresh token": "none" if got.refresh_token is None else "yes",
            },
            err=show,
        )
        if show:
            typer.echo(got.access_token.reveal())
        return 0

    raise typer.Exit(run(call))


@app.command()
def revoke(vendor: VendorName) -> None:
    """Sign in and revoke the token at once.

    A new process holds no token of an older one. Where a vendor keeps a single session for each key, signing in ends
    the older session, so that afterwards no token of this key is left alive.
    """
    entry = VENDORS[vendor]()

    async def call() -> int:
        async with entry.client() as client:
            await client.token()
            await client.revoke()
        typer.echo(f"signed in to {entry.title} and revoked the token; the next call signs in anew")
        return 0

    raise typer.Exit(run(call))


@app.command()
def sandbox(
    vendor: VendorName,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any.")] = 0,
) -> None:
    """Run the vendor's double on this machine until Ctrl-C, and print the environment that points a client at it."""
    entry = VENDORS[vendor]()

    async def serve() -> int:
        async with entry.sandbox(port) as environment:
            for name, value in environment.items():
                typer.echo(f"export {name}='{value}'")
            typer.echo(f"{entry.title}'s sandbox is running; Ctrl-C ends it", err=True)
            while True:
                await SystemClock().sleep(3600)

    raise typer.Exit(run(serve))


def _state(token: Token, vendor: Vendor) -> TokenState:
    """Say what a client of `vendor` would do with `token` now."""
    clock = SystemClock()
    mono, wall = clock.monotonic(), clock.wall()
    age_s = 0.0
    if token.lifetime is not None and token.expires_at is not None:
        age_s = (token.lifetime - (token.expires_at - datetime.fromtimestamp(wall, UTC))).total_seconds()
    placed = held(token, vendor.policy, version=0, age_s=age_s, mono=mono, wall=wall, spread=0.0)
    return placed.state(mono, wall)


def _print_record(record: AttrsInstance) -> None:
    """Print a record, a field a line."""
    fields = attrs.asdict(record, recurse=False)
    _print_pairs({name.replace("_", " "): _shown(value) for name, value in fields.items()})


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    # the vendor's text: whatever is in it must not reach the terminal as it came
    return clean(str(value)) or "-"


def _print_pairs(pairs: Mapping[str, str], *, err: bool = False) -> None:
    width = max(map(len, pairs))
    for name, value in pairs.items():
        typer.echo(f"  {name:<{width}}  {value}", err=err)
