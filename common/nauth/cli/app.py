"""The commands of `nauth`, one function each."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from nauth.cli.demo.run import demonstrate
from nauth.cli.output import print_record, print_token, show_secrets
from nauth.cli.registry import VENDORS
from nauth.cli.runner import run
from nauth.cli.secret_input import read_secret_line
from nauth.clock import SystemClock
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.testing.taught import read_routes

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    help="Sign a service in to its vendors, and see what it takes.",
    add_completion=False,
    no_args_is_help=True,
    # typer's tracebacks print local variables, which may hold secrets
    pretty_exceptions_enable=False,
)


def _known(name: str) -> str:
    if name not in VENDORS:
        # the name is not quoted: a secret pasted there would end up on the screen and in a pipeline's log
        raise typer.BadParameter(f"there is no such vendor; there is: {', '.join(VENDORS)}")
    return name


def _all_known(names: list[str]) -> list[str]:
    # a vendor named twice runs once
    return list(dict.fromkeys(map(_known, names)))


VendorName = Annotated[
    str, typer.Argument(metavar="VENDOR", callback=_known, help=f"One of: {', '.join(VENDORS)}.")
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nauth {version('nauth')}")
        raise typer.Exit


@app.callback(
    help=f"Sign a service in to its vendors, and see what it takes. Vendors installed here: {', '.join(VENDORS)}."
)
def nauth(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sign a service in to its vendors, and see what it takes."""


@app.command()
def demo(
    vendor: Annotated[
        list[str] | None,
        typer.Option(metavar="VENDOR", help="Only this one; may be given several times. All if left out."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long it lasts.")] = 10,
    coroutines: Annotated[int, typer.Option(min=1, help="How many call each vendor at once.")] = 1000,
    plain: Annotated[bool, typer.Option("--plain", help="Lines every second instead of a table.")] = False,
) -> None:
    """Show a thousand coroutines for each vendor sharing one token through several renewals, on this machine alone.

    Ends with each promise and whether it was kept; exit code 1 if one was broken.
    """
    stories = [VENDORS[name]().story for name in _all_known(vendor or list(VENDORS))]
    raise typer.Exit(run(lambda: demonstrate(stories, seconds=seconds, coroutines=coroutines, plain=plain)))


@app.command()
def check(vendor: VendorName) -> None:
    """Make the vendor's simplest authenticated call with the environment's credentials, and print the response."""
    entry = VENDORS[vendor]()

    async def call() -> int:
        answer = await entry.check()
        typer.echo(f"{entry.title} answered: the credentials work")
        print_record(answer)
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
        print_token(got, entry.policy, lifetime_unknown="endless", err=show)
        if show:
            show_secrets(got, refresh=False)
        return 0

    raise typer.Exit(run(call))


@app.command()
def login(
    vendor: VendorName,
    provider: Annotated[
        str | None,
        typer.Option(help="Nomad Media's single sign-on: the word it was set up with, such as azure."),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--show",
            help="Print the token to stdout, the refresh token, if any, on a second line, and nothing else there.",
        ),
    ] = False,
) -> None:
    """Let a person sign in: print an address, and read the one the browser came back to from stdin, not shown."""
    entry = VENDORS[vendor]()
    sign_in = entry.login
    if sign_in is None:
        raise typer.BadParameter(
            f"nobody signs in to {entry.title} in a browser; its credentials are in the environment, and "
            f"'nauth check {vendor}' tries them. There is a login for: {_those('login')}"
        )
    if provider is not None and not entry.providers:
        raise typer.BadParameter(f"{entry.title} has no providers to choose from: leave --provider out")

    async def ask(address: str) -> Secret:
        typer.echo("Open this address in a browser and sign in:", err=True)
        typer.echo(address, err=show)
        typer.echo("Then paste the whole address the browser came back to (it is not shown):", err=True)
        return await read_secret_line()

    async def call() -> int:
        got = await sign_in(ask, provider)
        typer.echo(f"signed in to {entry.title}", err=show)
        print_token(got, entry.policy, lifetime_unknown="not stated", err=show)
        if show:
            show_secrets(got, refresh=True)
        return 0

    raise typer.Exit(run(call))


@app.command()
def revoke(vendor: VendorName) -> None:
    """Sign in and revoke the token (Nomad Media: log out) at once.

    A new process holds no token of an older one. Where a vendor keeps a single session for each key, signing in ends
    the older session, so that afterwards no token of this key is left alive.
    """
    entry = VENDORS[vendor]()
    end = entry.revoke
    if end is None:
        raise typer.BadParameter(
            f"{entry.title} has no call that revokes a token: it dies when its time is over. There is one for: "
            f"{_those('revoke')}"
        )

    async def call() -> int:
        await end()
        typer.echo(f"signed in to {entry.title} and revoked the token; the next call signs in anew")
        return 0

    raise typer.Exit(run(call))


@app.command()
def sandbox(
    vendor: VendorName,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any.")] = 0,
    routes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Further endpoints, a JSON list: [{"method": "GET", "path": "/v1/x", "data": {}}, {"path": "/v1/y", '
            '"failure": {"status": 404, "words": "no such y"}}].',
        ),
    ] = None,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Sets one of the sandbox's switches; may be given several times."
        ),
    ] = None,
) -> None:
    """Run a local test server that behaves like the vendor, and print the environment that points a client at it."""
    entry = VENDORS[vendor]()
    switches = dict(_switch(text) for text in switch or ())
    try:
        taught = [] if routes is None else read_routes(routes)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None

    async def serve() -> int:
        async with entry.sandbox(port, taught, switches) as environment:
            for name, value in environment.items():
                typer.echo(f"export {name}='{value}'")
            typer.echo(f"{entry.title}'s sandbox is running; Ctrl-C ends it", err=True)
            while True:
                await SystemClock().sleep(3600)

    raise typer.Exit(run(serve))


def _switch(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise typer.BadParameter(
            "a switch is set as NAME=VALUE, such as --switch expired_token_signal=401_empty"
        )
    return name, value


def _those(ability: str) -> str:
    """Name the vendors that have `ability`, an optional attribute of `Vendor`."""
    return ", ".join(name for name, vendor in VENDORS.items() if getattr(vendor(), ability) is not None)
