"""The commands against the doubles of Nomad Media, Noyo and NAO Cloud; Nomba has `test_app`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from typer.testing import CliRunner, Result

from naoauth.sandbox import NaoSandbox
from nauth.cli.app import app
from nauth.cli.registry import VENDORS
from nauth.testing import Sandbox
from nomadauth.sandbox import NomadSandbox
from noyoauth.sandbox import NoyoSandbox

_MAIN = [sys.executable, "-W", "error", "-c", "from nauth.cli import main; main()"]


def _nauth(*args: str) -> Result:
    return CliRunner().invoke(app, args, prog_name="nauth")


def _flat(text: str) -> str:
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def _variables(sandbox: Sandbox) -> Mapping[str, str]:
    match sandbox:
        case NomadSandbox(credentials=account):
            return {
                "NOMAD_MEDIA_BASE_URL": sandbox.base_url,
                "NOMAD_MEDIA_USERNAME": account.username,
                "NOMAD_MEDIA_PASSWORD": account.password.reveal(),
            }
        case NoyoSandbox(credentials=key):
            return {
                "NOYO_BASE_URL": sandbox.base_url,
                "NOYO_CLIENT_ID": key.client_id,
                "NOYO_CLIENT_SECRET": key.client_secret.reveal(),
            }
        case NaoSandbox(credentials=person):
            assert person.email is not None
            assert person.password is not None
            return {
                "NAO_BASE_URL": sandbox.base_url,
                "NAO_EMAIL": person.email,
                "NAO_PASSWORD": person.password.reveal(),
            }
        case _:
            raise AssertionError(sandbox)


@pytest.fixture
def up(
    serve: Callable[[Sandbox], None], environ: Callable[[Mapping[str, str]], None]
) -> Callable[[Sandbox], Sandbox]:
    """Run a double, with the environment pointing at it."""

    def start(sandbox: Sandbox) -> Sandbox:
        serve(sandbox)
        environ(_variables(sandbox))
        return sandbox

    return start


@pytest.mark.parametrize(
    "vendor, sandbox, lines",
    [
        ("nomad", NomadSandbox(), ["asked    ping_auth", "message  Pong Auth"]),
        ("noyo", NoyoSandbox(), ["groups        1", "on this page  1"]),
        ("noyo", NoyoSandbox(total_records="absent"), ["groups        not stated", "on this page  1"]),
        ("nao", NaoSandbox(), ["sites         2", "on this page  2"]),
    ],
)
def test_check(vendor: str, sandbox: Sandbox, lines: list[str], up: Callable[[Sandbox], Sandbox]) -> None:
    """`nauth check` prints what the vendor's simplest call answered."""
    up(sandbox)
    done = _nauth("check", vendor, "--sign-in", "--verbose")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].endswith(" answered: the credentials work")
    _, _, response = done.stdout.partition("the response:\n")
    assert [line.strip() for line in response.splitlines()] == lines


def test_check_user(up: Callable[[Sandbox], Sandbox]) -> None:
    """A Nomad host without an authenticated ping is asked for the user, of whom nothing is printed."""
    up(NomadSandbox(auth_ping="absent"))
    done = _nauth("check", "nomad", "--sign-in", "-v")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "  asked  user"


@pytest.mark.parametrize(
    "vendor, sandbox, lifetime, refresh",
    [
        ("nomad", NomadSandbox(), "1:00:00", "yes"),
        ("noyo", NoyoSandbox(), "0:10:00", "none"),
        ("nao", NaoSandbox(), "1 day, 0:00:00", "none"),
    ],
)
def test_token(
    vendor: str, sandbox: Sandbox, lifetime: str, refresh: str, up: Callable[[Sandbox], Sandbox]
) -> None:
    """`nauth token` tells of the token; with --show it stands alone on stdout."""
    up(sandbox)
    done = _nauth("token", vendor, "--sign-in")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(
        rf"  state          fresh\n  lifetime       {lifetime}\n  expires at     \S+\+00:00\n"
        rf"  refresh token  {refresh}\n",
        done.stdout,
    )
    shown = _nauth("token", vendor, "--show", "--sign-in")
    (token,) = shown.stdout.splitlines()
    assert token.count(".") == 2
    assert token not in shown.stderr


def test_revoke_nomad(up: Callable[[Sandbox], Sandbox]) -> None:
    """`nauth revoke nomad` logs out the session that it opened."""
    sandbox = up(NomadSandbox(logout_session_id="required"))
    assert isinstance(sandbox, NomadSandbox)
    done = _nauth("revoke", "nomad")
    assert done.exit_code == 0, done.output
    assert (sandbox.committed["login"], sandbox.committed["logout"], sandbox.live_tokens) == (1, 1, 0)


@pytest.mark.parametrize("vendor, title", [("noyo", "Noyo"), ("nao", "NAO Cloud")])
def test_no_revocation(vendor: str, title: str) -> None:
    """Where a vendor revokes nothing, that is said, with those that do, and the exit code is 2."""
    done = _nauth("revoke", vendor)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{title} has no call that revokes a token" in _flat(done.stderr)
    assert "There is one for: nomad, nomba" in _flat(done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["nomad", "noyo", "nao"])
def test_sandbox(vendor: str, environ: Callable[[Mapping[str, str]], None]) -> None:
    """`nauth sandbox` prints an environment that works."""
    with subprocess.Popen(  # noqa: S603 - our own code
        [*_MAIN, "sandbox", vendor, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().endswith(" sandbox is running; Ctrl-C ends it\n")
        found: dict[str, str] = {}
        for _ in range(4 if vendor == "nomad" else 3):
            found.update(re.findall(r"^export (\w+)='(.*)'$", process.stdout.readline()))
        environ(found)
        done = _nauth("check", vendor, "--sign-in")
        process.terminate()
        process.communicate(timeout=20)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("vendor", ["nomba", "nomad", "noyo", "nao"])
async def test_sandbox_with_further_keys(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each named credential works, and is none of the others; the address is the same."""
    entry = VENDORS[vendor]()
    async with entry.sandbox(0, (), {}, ["SHOP2", "SHOP3"]) as found:
        own = {name: value for name, value in found.items() if not name.endswith(("_SHOP2", "_SHOP3"))}
        assert sum(name.endswith("_BASE_URL") for name in own) == 1
        tokens = set()
        for ending in ("", "_SHOP2", "_SHOP3"):
            for name in own:
                monkeypatch.setenv(name, found.get(f"{name}{ending}", found[name]))
            async with entry.client() as client:
                tokens.add((await client.token()).access_token.reveal())
        assert len(tokens) == 3
        secrets = [name for name in own if name.endswith(("_SECRET", "_PASSWORD"))]
        assert len({found[f"{secrets[0]}{ending}"] for ending in ("", "_SHOP2", "_SHOP3")}) == 3


@pytest.mark.parametrize("vendor", ["nomad", "noyo", "nao"])
@pytest.mark.parametrize("command", ["check", "token"])
def test_not_configured(command: str, vendor: str) -> None:
    """Missing settings are told in words, and exit with 2."""
    done = _nauth(command, vendor)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("nauth: ")
    assert "Traceback" not in done.stderr


def test_demo_of_an_unknown_vendor() -> None:
    """A demonstration of a vendor that does not exist is answered with those that do."""
    done = _nauth("demo", "--vendor", "nomba", "--vendor", "nobody")
    assert done.exit_code == 2
    assert "there is no such vendor; there is: nao, nomad, nomba, noyo" in _flat(done.stderr)
