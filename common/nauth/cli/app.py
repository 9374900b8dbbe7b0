"""The commands of `nauth`, one function each."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import os
import re
import subprocess
from collections.abc import Generator, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from nauth.cli.demo.run import demonstrate
from nauth.cli.detached import PID, start_detached
from nauth.cli.output import (
    print_json,
    print_pairs,
    print_record,
    print_text,
    print_token,
    show_secrets,
    token_facts,
)
from nauth.cli.person import Listening, Person
from nauth.cli.registry import VENDORS
from nauth.cli.runner import run
from nauth.cli.secret_input import read_secret_line
from nauth.cli.shared_sign_in import ask_before_sign_in, opened, would_disturb
from nauth.cli.status import status_lines
from nauth.cli.vendor import Client, Vendor
from nauth.client import VendorClient
from nauth.clock import SystemClock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.logins import FILE_VARIABLE, RememberedLogin, known_logins, login_beside
from nauth.testing.custom_endpoints import read_routes
from nauth.token import Token

__all__ = ["app"]

_KEY = re.compile(r"[A-Z0-9_]{1,40}")

app: typer.Typer = typer.Typer(
    help="Sign a service in to its vendors, and see what it takes.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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


VendorName: TypeAlias = Annotated[
    str, typer.Argument(metavar="VENDOR", callback=_known, help=f"One of: {', '.join(VENDORS)}.")
]
SignIn: TypeAlias = Annotated[
    bool,
    typer.Option("--sign-in", help="Sign in without asking, even if that ends a running service's session."),
]
Login: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--login",
        metavar="NAME",
        help="Use the remembered login of this name ('default' if it was given none), whatever the environment holds.",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")]
Timeout: TypeAlias = Annotated[
    float, typer.Option(min=0.1, metavar="SECONDS", help="Give up after so many seconds.")
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
    seconds: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long it lasts.")] = 10,
    coroutines: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="How many call each vendor at once.")
    ] = 1000,
    plain: Annotated[bool, typer.Option("--plain", help="Lines every second instead of a table.")] = False,
) -> None:
    """Show a thousand coroutines for each vendor sharing one token through several renewals, on this machine alone.

    Ends with each promise and whether it was kept; exit code 1 if one was broken.
    """
    stories = [VENDORS[name]().story for name in _all_known(vendor or list(VENDORS))]
    raise typer.Exit(run(lambda: demonstrate(stories, seconds=seconds, coroutines=coroutines, plain=plain)))


@app.command()
def status(as_json: AsJson = False, timeout: Timeout = 30) -> None:
    """Show the records of the store that NAUTH_STORE names, without signing in, renewing or writing anything."""

    async def call() -> int:
        lines = await status_lines({name: load() for name, load in VENDORS.items()})
        if as_json:
            print_json([line.as_json() for line in lines])
        elif not lines:
            print_text("the store holds no token")
        for line in lines if not as_json else ():
            print_text(f"{line.vendor} at {line.address}")
            print_pairs(line.as_text())
        return 0

    raise typer.Exit(run(call, timeout_s=timeout, waiting_for="the store", as_json=as_json))


@app.command()
def check(  # noqa: PLR0917 - options of a command
    vendor: VendorName,
    sign_in: SignIn = False,
    login: Login = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the vendor's response, too.")
    ] = False,
    as_json: AsJson = False,
    timeout: Timeout = 60,
) -> None:
    """Make the vendor's simplest authenticated call with the environment's credentials, and say whether they work.

    Where NAUTH_STORE is set as for the service, this uses the service's token. Where it is not, and the vendor keeps one
    session for each credential, it asks before it signs in.
    """
    entry = VENDORS[vendor]()
    given = _named(entry, login)
    _agree(entry, vendor, given, sign_in=sign_in, as_json=as_json, timeout_s=timeout)

    async def call() -> int:
        async with opened(entry, given) as (client, clock):
            response = await entry.check(client)
            token = await client.token()
            address = str(client.base_url) if isinstance(client, VendorClient) else None
            signed_in = _signed_in_by(client)
            facts: Mapping[str, str] = {
                **({} if address is None else {"address": address}),
                **({} if signed_in is None else {"signed in by": signed_in}),
                **entry.settings(),
                **token_facts(token, entry.policy, lifetime_unknown="endless"),
                "clock difference": str(clock),
            }
        if as_json:
            answer = {"response": dict(response)} if verbose else {}
            print_json(
                {"vendor": vendor, "works": True, **{_key(name): facts[name] for name in facts}, **answer}
            )
            return 0
        print_text(f"{entry.title} answered: the credentials work")
        print_pairs(facts)
        if verbose:
            print_text("the response:")
            print_record(response)
        return 0

    raise typer.Exit(run(call, timeout_s=timeout, waiting_for=entry.title, as_json=as_json))


@app.command()
def token(  # noqa: PLR0917 - options of a command
    vendor: VendorName,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the token itself to stdout, and nothing else there."),
    ] = False,
    header: Annotated[
        bool,
        typer.Option("--header", help="Print the header that carries it to stdout, and nothing else there."),
    ] = False,
    sign_in: SignIn = False,
    login: Login = None,
    as_json: AsJson = False,
    timeout: Timeout = 60,
) -> None:
    """Get a token, and print its state, lifetime and expiry.

    Uses the service's token, or asks before it signs in, as `nauth check` does.
    """
    entry = VENDORS[vendor]()
    given = _named(entry, login)
    _agree(entry, vendor, given, sign_in=sign_in, as_json=as_json, timeout_s=timeout)

    async def call() -> int:
        async with opened(entry, given) as (client, _):
            got = await client.token()
        if as_json:
            facts = token_facts(got, entry.policy, lifetime_unknown="endless")
            secret = {"access_token": got.access_token.reveal()} if show else {}
            secret |= {"authorization": got.authorization} if header else {}
            print_json({"vendor": vendor, **{_key(name): facts[name] for name in facts}, **secret})
            return 0
        print_token(got, entry.policy, lifetime_unknown="endless", err=show or header)
        if header:
            typer.echo(f"Authorization: {got.authorization}")
        elif show:
            show_secrets(got, refresh=False)
        return 0

    raise typer.Exit(run(call, timeout_s=timeout, waiting_for=entry.title, as_json=as_json))


@app.command(name="exec", context_settings={"ignore_unknown_options": True})
def exec_command(
    vendor: VendorName,
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    sign_in: SignIn = False,
    login: Login = None,
    timeout: Timeout = 60,
) -> None:
    """Run a command with a token in its environment: NAUTH_ACCESS_TOKEN, and NAUTH_AUTHORIZATION for the header.

    Uses the service's token, or asks before it signs in, as `nauth check` does. Ends with the command's exit code. The
    token is not renewed while the command runs.
    """
    entry = VENDORS[vendor]()
    given = _named(entry, login)
    _agree(entry, vendor, given, sign_in=sign_in, as_json=False, timeout_s=timeout)
    got: list[Token] = []

    async def call() -> int:
        async with opened(entry, given) as (client, _):
            got.append(await client.token())
        return 0

    code = run(call, timeout_s=timeout, waiting_for=entry.title)
    if code:
        raise typer.Exit(code)
    environment = os.environ | {
        "NAUTH_ACCESS_TOKEN": got[0].access_token.reveal(),
        "NAUTH_AUTHORIZATION": got[0].authorization,
    }
    try:
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - what the caller asked for
    except OSError:
        # not quoted: the words may hold a secret
        print_text("nauth: the command cannot be run; check its name and permissions", err=True)
        raise typer.Exit(127) from None
    raise typer.Exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


@app.command()
def login(  # noqa: PLR0917 - options of a command
    vendor: VendorName,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Nomad Media's single sign-on: the word it was set up with, such as azure."
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--show",
            help="Print the token to stdout, the refresh token, if any, on a second line, and nothing else there.",
        ),
    ] = False,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What to call this login, where there are several.")
    ] = "default",
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Remember it in this file (as NAUTH_LOGIN_STORE does), for machines without a keyring.",
        ),
    ] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Sign in, and remember nothing.")] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and open nothing.")
    ] = False,
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Port to come back to, if the redirect URI has none; 0: any free one.",
        ),
    ] = 0,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="0.0.0.0:PORT to be reached through a container's published port. Nomad Media: the whole return address "
            "that an administrator has registered, such as http://127.0.0.1:8700/RANDOM-PATH.",
        ),
    ] = None,
) -> None:
    """Let a person sign in: print an address, open it, and wait for the browser to come back to this machine.

    The address that the browser ends at can always be pasted instead; it is not shown.
    """
    entry = VENDORS[vendor]()
    sign_in = entry.login
    if sign_in is None:
        raise typer.BadParameter(
            f"no person signs in to {entry.title} in a browser; its credentials are in the environment, and "
            f"'nauth check {vendor}' tries them. There is a login for: {_those('login')}"
        )
    if provider is not None and not entry.providers:
        raise typer.BadParameter(f"{entry.title} has no providers to choose from: leave --provider out")

    async def call() -> int:
        where = Listening.parse(listen, port=port, whole=entry.providers)
        environ = os.environ if store is None else {**os.environ, FILE_VARIABLE: str(store)}
        remembered = RememberedLogin(name, environ=environ)
        # the store is made ready before the person is asked for anything
        ready = None if no_store else remembered.prepare
        async with Person(where, address_on_stderr=show, open_browser=not no_browser, ready=ready) as ask:
            signed_in = await sign_in(ask, provider)
        got = signed_in.token
        if not no_store:
            await remembered.save(signed_in.vendor, signed_in.base_url, got, signed_in.application)
            print_text(f"remembered as {name!r}, sealed; nauth logout {vendor} forgets it", err=True)
        print_text(f"signed in to {entry.title}", err=show)
        print_token(got, entry.policy, lifetime_unknown="not stated", err=show)
        if show:
            show_secrets(got, refresh=True)
        return 0

    raise typer.Exit(run(call))


@app.command()
def logins(as_json: AsJson = False) -> None:
    """Show the logins that are remembered here. Asks no keyring, and shows no token."""

    async def call() -> int:
        found = await known_logins()
        facts = [
            {
                "vendor": one.vendor,
                "name": one.name,
                "address": one.base_url,
                "expires_in_s": None if one.expires_in is None else round(one.expires_in.total_seconds()),
                "refresh_token": one.renewable,
            }
            for one in found
        ]
        if as_json:
            print_json(facts)
            return 0
        for one in facts:
            print_text(f"{one['vendor']} {one['name']!r} at {one['address']}")
        if not facts:
            print_text("no login is remembered")
        return 0

    raise typer.Exit(run(call))


@app.command()
def logout(
    vendor: VendorName,
    name: Annotated[str, typer.Option(metavar="NAME", help="Which login.")] = "default",
    only_forget: Annotated[
        bool, typer.Option("--only-forget", help="Forget it here although the vendor may still honour it.")
    ] = False,
    timeout: Timeout = 60,
) -> None:
    """Revoke a remembered login where the vendor can, and forget it. If revoking fails it is kept."""
    entry = VENDORS[vendor]()
    _has_logins(entry)

    async def call() -> int:
        remembered = RememberedLogin(name)
        async with opened(entry, remembered) as (client, _):
            assert isinstance(client, VendorClient)  # noqa: S101 - those that people sign in to are
            whose = (client.key.vendor, client.key.base_url)
            token = await remembered.load(*whose)
            if token is not None and not only_forget:
                await client.revoke_given(token)
        forgotten = await remembered.forget(*whose)
        print_text(f"forgotten: {vendor} {name!r}" if forgotten else "there was no such login")
        return 0 if forgotten else 2

    raise typer.Exit(run(call, timeout_s=timeout, waiting_for=entry.title))


@app.command()
def revoke(
    vendor: VendorName,
    token_stdin: Annotated[
        bool,
        typer.Option(
            "--token-stdin", help="Revoke the token read from stdin (not shown), and sign in to nothing."
        ),
    ] = False,
    as_json: AsJson = False,
    timeout: Timeout = 60,
) -> None:
    """Sign in and revoke the token (Nomad Media: log out) at once.

    With NAUTH_STORE set as for the service, its token is revoked. Otherwise a new process holds no token of an older
    one; where a vendor keeps a single session for each key, signing in ends the older session, so that afterwards no
    token of this key is left alive.
    """
    entry = VENDORS[vendor]()
    end = entry.revoke
    if end is None:
        raise typer.BadParameter(
            f"{entry.title} has no call that revokes a token: it dies when its time is over. There is one for: "
            f"{_those('revoke')}"
        )

    async def call() -> int:
        if token_stdin:
            await _revoke_given(entry)
            done = f"revoked the given token at {entry.title}; the current one lives on"
        else:
            await end()
            done = (
                f"revoked the current token at {entry.title}, and no other: the next call signs in anew. An older one that "
                "has leaked may live on: give it to --token-stdin"
            )
        if as_json:
            print_json({"vendor": vendor, "revoked": True})
        else:
            print_text(done)
        return 0

    raise typer.Exit(run(call, timeout_s=timeout, waiting_for=entry.title, as_json=as_json))


async def _revoke_given(entry: Vendor) -> None:
    given = await read_secret_line()
    if not given.sendable:
        raise ConfigurationError("there is no token on stdin: nauth revoke VENDOR --token-stdin < file")
    async with opened(entry) as (client, _):
        assert isinstance(client, VendorClient)  # noqa: S101 - those that revoke are
        await client.revoke_given(Token(access_token=given))


@app.command()
def sandbox(  # noqa: PLR0917 - the options of a command, which typer passes by name
    vendor: Annotated[
        list[str], typer.Argument(metavar="VENDOR", help=f"One or several of: {', '.join(VENDORS)}.")
    ],
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Port to listen on, with one vendor; 0: any. Else each has its own.",
        ),
    ] = None,
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
        typer.Option(metavar="NAME=VALUE", help="Behave otherwise, as the sandbox's page says; repeatable."),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the variables to this file, for a tool that reads such files."
        ),
    ] = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", "-d", help=f"Return once it listens; {PID} names the process that goes on."),
    ] = False,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Accept a further credential, of another tenant; its variables end in _NAME. Repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run local test servers that behave like the vendors, and print the environment that points a client at them."""
    names = _all_known(vendor)
    if port is not None and len(names) > 1:
        raise typer.BadParameter("--port is for one vendor; several listen on ports of their own")
    if routes is not None and len(names) > 1:
        raise typer.BadParameter("--routes is for one vendor: each has endpoints of its own")
    switches, keys = _switches(switch or []), _keys(key or [])
    try:
        taught = [] if routes is None else read_routes(routes)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None
    if detach:
        arguments = [*names, *(f"--switch={one}" for one in switch or [])]
        arguments += [f"--key={one}" for one in keys]
        arguments += [] if port is None else [f"--port={port}"]
        arguments += [] if routes is None else [f"--routes={routes}"]

        started: list[Mapping[str, str]] = []

        async def start() -> int:
            started.append(await asyncio.to_thread(start_detached, arguments))
            return 0

        code = run(start, waiting_for="the sandbox", as_json=as_json)
        if not code:
            _tell_environment(started[0], env_file, as_json=as_json)
        raise typer.Exit(code)

    async def serve() -> int:
        async with AsyncExitStack() as stack:
            environment: dict[str, str] = {}
            for name in names:
                entry = VENDORS[name]()
                chosen = entry.port if port is None else port
                made = entry.sandbox(chosen, taught, switches, keys)
                with _port_in_words(chosen, name):
                    environment |= await stack.enter_async_context(made)
            _tell_environment(environment, env_file, as_json=as_json)
            titles = " and ".join(VENDORS[name]().title for name in names)
            print_text(f"{titles}'s sandbox is running; Ctrl-C ends it", err=True)
            while True:
                await SystemClock().sleep(3600)

    raise typer.Exit(run(serve))


@contextlib.contextmanager
def _port_in_words(port: int, vendor: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(
            f"port {port} of 127.0.0.1 is taken by another program, such as a second sandbox. End that program, "
            f"or take any free port: nauth sandbox {vendor} --port 0"
        ) from None


def _tell_environment(environment: Mapping[str, str], env_file: Path | None, *, as_json: bool) -> None:
    if env_file is not None:
        _write_private(env_file, "".join(f"{name}={value}\n" for name, value in environment.items()))
    if as_json:
        print_json(environment)
    for name, value in environment.items() if not as_json else ():
        typer.echo(f"export {name}='{value}'")


def _switches(given: list[str]) -> Mapping[str, str]:
    pairs = [one.partition("=") for one in given]
    if not all(name and value for name, _, value in pairs):
        raise typer.BadParameter("--switch takes NAME=VALUE, such as --switch second_issue=keeps_first")
    return {name: value for name, _, value in pairs}


def _keys(given: list[str]) -> list[str]:
    names = list(dict.fromkeys(name.upper() for name in given))
    # a variable that ends in _FILE names a file with the value
    if not all(_KEY.fullmatch(name) and not name.endswith("FILE") for name in names):
        raise typer.BadParameter("--key takes a name of letters, digits and _, not FILE, such as --key shop2")
    return names


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _named(entry: Vendor, login: str | None) -> RememberedLogin | None:
    if login is None:
        return None
    _has_logins(entry)
    try:
        return RememberedLogin(login)
    except ConfigurationError as error:
        problem = str(error)
    raise typer.BadParameter(problem)


def _has_logins(entry: Vendor) -> None:
    if entry.login is None:
        raise typer.BadParameter(
            f"no person signs in to {entry.title}; there is a login for: {_those('login')}"
        )


def _signed_in_by(client: Client) -> str | None:
    """Say which of two ways is used, where there is a remembered login."""
    if not isinstance(client, VendorClient):
        return None
    if client.login is not None:
        return f"the remembered login {client.login.name!r}"
    if login_beside(EnvironmentReader(), vendor=client.key.vendor, base_url=client.key.base_url) is None:
        return None
    return "the environment's variables; there is a remembered login, too, which is not used (--login default uses it)"


def _agree(
    entry: Vendor,
    name: str,
    login: RememberedLogin | None,
    *,
    sign_in: bool,
    as_json: bool,
    timeout_s: float,
) -> None:
    """Make sure that no running service loses its session unasked."""
    if sign_in:
        return
    found: list[bool] = []

    async def look() -> int:
        found.append(await would_disturb(entry, login))
        return 0

    code = run(look, timeout_s=timeout_s, as_json=as_json)
    if code:
        raise typer.Exit(code)
    if found[0]:
        ask_before_sign_in(entry, name)


def _key(name: str) -> str:
    return name.replace(" ", "_")


def _those(ability: str) -> str:
    """Name the vendors that have `ability`, an optional attribute of `Vendor`."""
    return ", ".join(name for name, vendor in VENDORS.items() if getattr(vendor(), ability) is not None)


def _flow(text: str) -> str:
    """Join the lines of each paragraph: help is broken to the terminal's width, and not where the source is."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


for _command in app.registered_commands:
    _command.help = _flow(str(_command.callback.__doc__))
