"""The commands against Nomba's double, and a vendor of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import pytest
from typer.testing import CliRunner, Result

from nauth import RenewalPolicy, Secret, SystemClock, Token
from nauth.cli.app import app
from nauth.cli.registry import VENDORS
from nauth.cli.vendor import Vendor
from nauth.time_formats import instant
from nombaauth import NombaBadRequestError, NombaClient, NombaCredentials
from nombaauth.cli import VENDOR as NOMBA
from nombaauth.demo import NombaStory
from nombaauth.sandbox import NombaSandbox


def _nauth(*args: str) -> Result:
    return CliRunner().invoke(app, args, prog_name="nauth")


def _flat(text: str) -> str:
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def _no_secret(text: str, sandbox: NombaSandbox) -> bool:
    tokens = [*sandbox._sessions._accesses, *sandbox._sessions._refreshes]
    return not any(secret in text for secret in [*tokens, sandbox.credentials.client_secret.reveal()])


@pytest.mark.parametrize("args", [("check",), ("token",), ("exec", "--", "true")])
@pytest.mark.parametrize(
    "vendor, login, words",
    [
        ("nomba", "ada", "no person signs in to Nomba; there is a login for: nao, nomad"),
        ("nao", "", "the name of a login has up to 64 letters"),
        ("nomad", "../ada", "the name of a login has up to 64 letters"),
    ],
)
def test_a_login_that_cannot_be(args: tuple[str, ...], vendor: str, login: str, words: str) -> None:
    """A login of a vendor that has none, and a name that no login has, are refused in words."""
    done = _nauth(args[0], vendor, "--sign-in", f"--login={login}", *args[1:])
    assert done.exit_code == 2
    assert words in _flat(done.output)


def test_check(nomba: NombaSandbox) -> None:
    """`nauth check nomba` prints the balance and no secret."""
    done = _nauth("check", "nomba", "--sign-in", "-v")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "Nomba answered: the credentials work"
    assert [line.split("  ")[1:][0] for line in lines[1:10]] == [
        "address",
        "environment",
        "account id",
        "client id",
        "state",
        "lifetime",
        "expires at",
        "refresh token",
        "clock difference",
    ]
    assert lines[3].endswith("5b0f...9c11")
    assert lines[9].endswith("none")
    assert lines[10:13] == [
        "the response:",
        "  amount        281946.0",
        "  currency      NGN",
    ]
    assert re.fullmatch(r"  time created  \d{4}-\d\d-\d\dT\S+\+00:00", lines[13])
    assert _no_secret(done.output, nomba)


def test_token(nomba: NombaSandbox) -> None:
    """`nauth token nomba` tells of the token without showing it."""
    done = _nauth("token", "nomba", "--sign-in")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(
        r"  state          fresh\n  lifetime       0:30:0[01]\n  expires at     \S+\+00:00\n  refresh token  yes\n",
        done.stdout,
    )
    assert nomba.live_tokens == 1
    assert _no_secret(done.output, nomba)


def test_token_show(nomba: NombaSandbox) -> None:
    """With --show the token stands alone on stdout, and the rest on stderr."""
    done = _nauth("token", "nomba", "--show", "--sign-in")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == list(nomba._sessions._accesses)
    assert "fresh" in done.stderr
    assert _no_secret(done.stderr, nomba)


def test_revoke(nomba: NombaSandbox) -> None:
    """`nauth revoke nomba` leaves no token of the key alive, those of an older process included."""
    nomba.take_over()
    done = _nauth("revoke", "nomba")
    assert done.exit_code == 0, done.output
    assert "revoked" in done.stdout
    assert (nomba.live_tokens, nomba.requests["revoke"]) == (0, 1)
    assert _no_secret(done.output, nomba)


@pytest.mark.parametrize("command", ["check", "token", "revoke"])
def test_refused(command: str, nomba: NombaSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused credentials are told in words, without a traceback or the secret, and exit with 3."""
    monkeypatch.setenv("NOMBA_CLIENT_SECRET", "canary-of-a-wrong-secret")
    done = _nauth(command, "nomba", *([] if command == "revoke" else ["--sign-in"]))
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("nauth: issuing a token failed: Nomba refused the credentials")
    assert "canary" not in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["check", "token", "revoke"])
def test_not_configured(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing settings are all named at once, and exit with 2."""
    for name in ("BASE_URL", "ENVIRONMENT", "CLIENT_ID", "CLIENT_SECRET", "PRIVATE_KEY"):
        monkeypatch.delenv(f"NOMBA_{name}", raising=False)
    done = _nauth(command, "nomba")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "NOMBA_CLIENT_ID is not set; NOMBA_CLIENT_SECRET" in done.stderr


def test_unknown_vendor() -> None:
    """A vendor that does not exist is answered with those that do; what was typed may be a pasted secret."""
    done = _nauth("check", "nobody")
    assert done.exit_code == 2
    assert "nobody" not in done.output
    assert "there is no such vendor; there is: nao, nomad, nomba, noyo" in _flat(done.stderr)


def test_every_vendor_is_complete() -> None:
    """Each registered name leads to a vendor of that name."""
    assert {name: vendor().title for name, vendor in VENDORS.items()} == {
        "nomad": "Nomad Media",
        "nomba": "Nomba",
        "noyo": "Noyo",
        "nao": "NAO Cloud",
    }


@pytest.mark.parametrize(
    "number, code", [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)]
)
def test_sandbox(number: signal.Signals, code: int) -> None:
    """`nauth sandbox nomba` prints an environment that works, until a signal ends it without a word."""
    command = [sys.executable, "-W", "error", "-c", "from nauth.cli import main; main()"]
    with subprocess.Popen(  # noqa: S603 - our own code
        [*command, "sandbox", "nomba", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        found = dict(re.findall(r"^export (\w+)='(.*)'$", "".join(lines), re.MULTILINE))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in found.items():
                patch.setenv(name, value)
            assert _nauth("check", "nomba", "--sign-in").exit_code == 0
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert errors == "Nomba's sandbox is running; Ctrl-C ends it\n"


_ROUTES = """[{"path": "/v1/own/{id}", "data": [1]},
{"method": "POST", "path": "/v1/own", "failure": {"status": 400, "words": "no funds", "code": "E1"}}]"""


async def _own(environ: Mapping[str, str]) -> tuple[object, str | None]:
    credentials = NombaCredentials(
        environ["NOMBA_CLIENT_ID"], environ["NOMBA_CLIENT_SECRET"], environ["NOMBA_ACCOUNT_ID"]
    )
    async with NombaClient(credentials, base_url=environ["NOMBA_BASE_URL"]) as client:
        read = (await client.call("GET", "/v1/own/3", object)).data
        with pytest.raises(NombaBadRequestError) as refused:
            await client.call("POST", "/v1/own", object)
        return read, refused.value.code


def test_sandbox_with_routes(tmp_path: Path) -> None:
    """`--routes` teaches the sandbox the file's endpoints, and `--switch` sets a switch."""
    file = tmp_path / "routes.json"
    file.write_text(_ROUTES)
    command = [sys.executable, "-W", "error", "-c", "from nauth.cli import main; main()", "sandbox", "nomba"]
    with subprocess.Popen(  # noqa: S603 - our own code
        [*command, "--routes", str(file), "--switch", "error_body=message"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        found = dict(re.findall(r"^export (\w+)='(.*)'$", "".join(lines), re.MULTILINE))
        assert asyncio.run(_own(found)) == ([1], "E1")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "cannot be read"),
        ("{}", "must hold a JSON list"),
        ('[{"path": "/x"}, 5]', "route 1 of the file must be an object"),
        ('[{"path": 5}]', "route 0"),
        ('[{"path": "/x", "method": 5}]', "route 0"),
        ('[{"path": "/x", "body": {}}]', "route 0"),
        ('[{"path": "/x", "data": {}, "failure": {"status": 400}}]', "route 0"),
        ('[{"path": "/x", "failure": 400}]', "route 0"),
        ('[{"path": "/x", "failure": {"status": "400"}}]', "route 0"),
        ('[{"path": "/x", "failure": {"words": "w"}}]', "route 0"),
        ('[{"path": "/x", "failure": {"status": 400, "more": 1}}]', "route 0"),
        ('[{"path": "x"}]', "begins with a slash"),
    ],
)
def test_sandbox_with_bad_routes(text: str, words: str, tmp_path: Path) -> None:
    """A file that is no list of endpoints is refused, by the number of the entry."""
    file = tmp_path / "routes.json"
    file.write_text(text)
    done = _nauth("sandbox", "nomba", "--routes", str(file))
    assert (done.exit_code != 0, done.stdout) == (True, "")
    assert words in _flat(done.stderr)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--routes", "/nowhere/routes.json"), "cannot be read"),
        (("--switch", "error_body"), "NAME=VALUE"),
        (("--switch", "error_body=odd"), "not one of this switch's values"),
        (("--switch", "odd=yes"), "no switch 'odd'"),
        (("--key", "file"), "a name of letters"),
        (("--key", "a-b"), "a name of letters"),
        (("--key", ""), "a name of letters"),
    ],
)
def test_sandbox_with_bad_options(arguments: tuple[str, str], words: str) -> None:
    """A file that is not there, and a switch that is none, are refused in words."""
    done = _nauth("sandbox", "nomba", *arguments)
    assert (done.exit_code != 0, done.stdout) == (True, "")
    assert words in _flat(done.stderr)


def test_sandbox_port_taken() -> None:
    """A port that is taken is told in words, with what to do about it, and exits with 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _nauth("sandbox", "nomba", "--port", str(port))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"port {port} of 127.0.0.1 is taken by another program" in done.stderr
    assert "nauth sandbox nomba --port 0" in done.stderr


def test_sandbox_that_may_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another failure to listen keeps the system's own words."""

    def listen() -> None:
        raise PermissionError("may not listen there")

    @contextlib.asynccontextmanager
    async def refused(*_: object) -> AsyncGenerator[Mapping[str, str]]:
        listen()
        yield {}

    monkeypatch.setitem(VENDORS, "nomba", lambda: attrs.evolve(NOMBA, sandbox=refused))
    done = _nauth("sandbox", "nomba")
    assert (done.exit_code, done.stderr) == (1, "nauth: may not listen there\n")


@attrs.frozen
class _OtherClient:
    """A vendor whose tokens never end."""

    minted: Token

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def token(self) -> Token:
        return self.minted


async def _answer(client: _OtherClient) -> Mapping[str, object]:
    return {"text": "red \x1b[31malert\x1b[0m", "number": 3}


def _other(monkeypatch: pytest.MonkeyPatch, token: Token) -> None:
    vendor = Vendor(
        title="Other",
        client=lambda **_: _OtherClient(token),
        policy=RenewalPolicy(),
        check=_answer,
        sandbox=NOMBA.sandbox,
        story=NombaStory,
    )
    monkeypatch.setitem(VENDORS, "other", lambda: vendor)


def test_endless_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token without end or refresh token is described as such."""
    _other(monkeypatch, Token(access_token=Secret("endless-canary")))
    done = _nauth("token", "other")
    assert [line.split(maxsplit=1)[-1] for line in done.stdout.splitlines()] == [
        "fresh",
        "endless",
        "at     never",
        "token  none",
    ]


def test_stale_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of a token that is about to end is what a client would make of it."""
    ends = instant(SystemClock().wall() + 20)
    _other(monkeypatch, Token(access_token=Secret("x"), lifetime=timedelta(hours=1), expires_at=ends))
    assert "state          stale" in _nauth("token", "other").stdout


def test_vendor_text_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a vendor says reaches the terminal without its control characters."""
    _other(monkeypatch, Token(access_token=Secret("x")))
    done = _nauth("check", "other", "-v")
    assert done.stdout.splitlines()[-2:] == ["  text    red [31malert [0m", "  number  3"]
