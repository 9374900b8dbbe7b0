"""`nauth login`: an address out, an address in, and no secret on the screen."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import pytest
from typer.testing import CliRunner
from yarl import URL

from naoauth.credentials import NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.cli.app import app
from nauth.stores import EncryptedStore
from nauth.testing import Fault, Sandbox
from nomadauth.sandbox import NomadSandbox
from tests.support.ports import free_port

_Put = Callable[[Mapping[str, str]], None]
_Serve = Callable[[Sandbox], None]


@attrs.frozen
class _Done:
    code: object
    stdout: str
    stderr: str


class _Screen(io.StringIO):
    """What a person looks at: tells of each piece of text as it appears."""

    def __init__(self, look: Callable[[str], None]) -> None:
        super().__init__()
        self._look = look

    def write(self, text: str) -> int:
        self._look(text)
        return super().write(text)


def _login(*args: str, person: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> _Done:
    """Run `nauth login`, with a person who opens the address that is printed and pastes another."""
    stdin, answers = os.pipe()

    def act(address: str) -> None:
        with os.fdopen(answers, "w") as back:
            back.write(f"{person(address)}\n")

    opened: list[threading.Thread] = []

    def look(text: str) -> None:
        if text.startswith("http"):
            opened.append(threading.Thread(target=act, args=(text.strip(),)))
            opened[0].start()

    out, err = _Screen(look), _Screen(look)
    with os.fdopen(stdin) as source, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", source)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as ended:
            app(["login", *args], prog_name="nauth")
    (thread,) = opened
    thread.join()
    return _Done(ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def browsers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was opened with; none is really opened."""
    opened: list[str] = []

    async def note(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("nauth.cli.person.open_in_browser", note)
    return opened


@pytest.fixture(autouse=True)
def logins(environ: _Put, tmp_path: Path) -> Path:
    """Where logins are remembered: a file, and a key of its own, for there is no keyring."""
    path = tmp_path / "state" / "logins.db"
    key = EncryptedStore.generate_key().reveal()
    environ({"NAUTH_LOGIN": "on", "NAUTH_LOGIN_STORE": str(path), "NAUTH_STORE_KEY": key})
    return path


@pytest.fixture
def nao(serve: _Serve, environ: _Put) -> NaoSandbox:
    """NAO Cloud's double, with the environment of a registered application."""
    sandbox = NaoSandbox(oauth_refresh="kept")
    serve(sandbox)
    given = sandbox.credentials_of("oauth")
    assert isinstance(given, NaoOAuth)
    environ(
        {
            "NAO_BASE_URL": sandbox.base_url,
            "NAO_CLIENT_ID": given.client_id,
            "NAO_CLIENT_SECRET": given.client_secret.reveal(),
            "NAO_REDIRECT_URI": given.redirect_uri,
        }
    )
    return sandbox


@pytest.fixture
def nomad(serve: _Serve, environ: _Put) -> NomadSandbox:
    """Nomad Media's double, with its address in the environment."""
    sandbox = NomadSandbox()
    serve(sandbox)
    environ({"NOMAD_MEDIA_BASE_URL": sandbox.base_url})
    return sandbox


def test_nao(nao: NaoSandbox, browsers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is exchanged, and what came of it told without the token."""
    done = _login("nao", person=nao.approve, monkeypatch=monkeypatch)
    assert done.code == 0, done
    address, *rest = done.stdout.splitlines()
    assert address.startswith(f"{nao.base_url}/oauth/authorize?")
    assert rest[:3] == ["signed in to NAO Cloud", "  state          fresh", "  lifetime       2:00:00"]
    assert rest[4:] == ["  refresh token  yes"]
    assert "paste the whole address" in done.stderr
    assert browsers == [address]
    assert nao.committed["token"] == 1
    grants = nao._oauth.grants
    assert grants.live_tokens() == 1
    assert not any(token in done.stdout + done.stderr for token in grants._accesses)


def test_nao_show(nao: NaoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --show the tokens stand alone on stdout."""
    done = _login("nao", "--show", person=nao.approve, monkeypatch=monkeypatch)
    assert done.code == 0, done
    access, refresh = done.stdout.splitlines()
    assert access in nao._oauth.grants._accesses
    assert refresh not in {access, ""}
    assert "signed in to NAO Cloud" in done.stderr
    assert access not in done.stderr


def test_nao_wrong_state(nao: NaoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback of another sign-in is refused in words; its code is neither sent nor printed."""
    done = _login(
        "nao",
        person=lambda _: f"{nao.redirect_uri}?code=canary-code&state=other",
        monkeypatch=monkeypatch,
    )
    assert done.code == 3
    assert done.stderr.count("nauth: ") == 1
    assert "canary" not in done.stdout + done.stderr
    assert nao.requests["token"] == 0


@pytest.mark.parametrize("show", [False, True])
def test_nomad(
    show: bool,
    nomad: NomadSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The return of a single sign-on is read, and told of by its expiry; its tokens are printed with --show only."""
    args = ["nomad", "--provider", "azure", *(["--show"] if show else [])]
    done = _login(*args, person=lambda _: nomad.sign_on(), monkeypatch=monkeypatch)
    assert done.code == 0, done
    told = done.stderr if show else done.stdout
    assert f"{nomad.base_url}/api/auth/azure/login\n" in told
    assert "signed in to Nomad Media\n  state          fresh\n" in told
    stamp = re.search(r"expires at     (\S+)", told)
    assert stamp is not None
    assert 3500 < (datetime.fromisoformat(stamp[1]) - datetime.now(UTC)).total_seconds() <= 3600
    tokens = [*nomad._sessions._accesses, *nomad._sessions._refreshes]
    assert done.stdout.splitlines() == tokens if show else True
    assert not any(token in (done.stderr if show else done.stdout + done.stderr) for token in tokens)


def test_nomad_unstated_expiry(serve: _Serve, environ: _Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the return nor the token says when it ends, "not stated" is said, and not "never"."""
    sandbox = NomadSandbox(token_kind="opaque")
    serve(sandbox)
    environ({"NOMAD_MEDIA_BASE_URL": sandbox.base_url})
    done = _login(
        "nomad",
        "--provider",
        "azure",
        person=lambda _: sandbox.sign_on(),
        monkeypatch=monkeypatch,
    )
    assert "  lifetime       not stated\n  expires at     not stated\n" in done.stdout


def test_nomad_nothing_pasted(nomad: NomadSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without tokens is told in words and not printed."""
    done = _login(
        "nomad",
        "--provider",
        "azure",
        person=lambda _: f"{nomad.base_url}/canary",
        monkeypatch=monkeypatch,
    )
    assert done.code == 1
    assert "no key ends in _token" in done.stderr
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "args, said",
    [
        (["nomad"], "nauth: which single sign-on is meant? Give --provider"),
        (["nomad", "--provider", "azure"], "nauth: which Nomad Media is meant?"),
        (["nao"], "NAO_CLIENT_ID is not set"),
        (["nao", "--provider", "azure"], "NAO Cloud has no providers to choose from"),
        (["noyo"], "There is a login for: nao, nomad"),
        (["nomba"], "no person signs in to Nomba in a browser"),
    ],
)
def test_not_possible(args: list[str], said: str) -> None:
    """What is missing, or what the vendor does not have, is told in words, and exits with 2."""
    done = CliRunner().invoke(app, ["login", *args], prog_name="nauth")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())


# --- back on this machine ---------------------------------------------------------------------------------------------


def _visit(address: str) -> int:
    with urllib.request.urlopen(address, timeout=10) as page:  # noqa: S310 - loopback
        status: int = page.status
    return status


def _browser(sandbox: NaoSandbox, **changed: str) -> Callable[[str], str]:
    """A person whose browser comes back by itself; what they would paste is empty."""

    def person(address: str) -> str:
        with contextlib.suppress(urllib.error.HTTPError):
            _visit(str(URL(sandbox.approve(address)) % changed if changed else sandbox.approve(address)))
        if changed:
            _visit(sandbox.approve(address))
        return ""

    return person


def _loopback(nao: NaoSandbox, environ: _Put, uri: str) -> None:
    nao.redirect_uris[:] = [uri]
    environ({"NAO_REDIRECT_URI": uri})


@pytest.mark.parametrize("uri", ["http://127.0.0.1/callback", "http://127.0.0.1:{port}/back"])
def test_nao_on_this_machine(
    uri: str, nao: NaoSandbox, environ: _Put, browsers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser comes back to a free port, or to the registered one, and nothing needs to be pasted."""
    port = free_port()
    _loopback(nao, environ, uri.format(port=port))
    done = _login("nao", person=_browser(nao), monkeypatch=monkeypatch)
    assert done.code == 0, done
    assert "comes back to port" in done.stderr
    redirect = URL(browsers[0]).query["redirect_uri"]
    assert redirect.startswith("http://127.0.0.1:")
    assert (redirect.endswith(f":{port}/back")) == ("{port}" in uri)
    assert nao.committed["token"] == 1


def test_nao_strangers_first(nao: NaoSandbox, environ: _Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback with another state is turned away, and the right one is taken afterwards."""
    _loopback(nao, environ, "http://127.0.0.1/callback")
    done = _login("nao", person=_browser(nao, state="forged"), monkeypatch=monkeypatch)
    assert done.code == 0, done
    assert nao.requests["token"] == 1


def test_nao_declined(nao: NaoSandbox, environ: _Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person declined is told in words, and nothing is exchanged."""
    _loopback(nao, environ, "http://127.0.0.1/callback")
    nao.deny()
    done = _login("nao", person=_browser(nao), monkeypatch=monkeypatch)
    assert done.code == 3
    assert "declined" in done.stderr
    assert nao.requests["token"] == 0


def test_nao_by_a_chosen_port(nao: NaoSandbox, environ: _Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """--port and --listen choose it; over SSH the tunnel is named, and no browser is opened there."""
    _loopback(nao, environ, "http://127.0.0.1/callback")
    environ({"SSH_CONNECTION": "198.51.100.1 1 198.51.100.2 22"})
    for option in ("--port={port}", "--listen=0.0.0.0:{port}"):
        port = free_port()
        done = _login("nao", option.format(port=port), person=_browser(nao), monkeypatch=monkeypatch)
        assert done.code == 0, done
        assert f"ssh -L {port}:127.0.0.1:{port} THIS-HOST" in done.stderr
        assert ("other machines may reach this port" in done.stderr) == ("listen" in option)


def test_nao_port_in_use(nao: NaoSandbox, environ: _Put) -> None:
    """Said at once, before any address is shown."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _loopback(nao, environ, f"http://127.0.0.1:{port}/back")
        done = CliRunner().invoke(app, ["login", "nao", "--no-browser"], prog_name="nauth")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"port {port} of 127.0.0.1 is taken by another program" in done.stderr


def test_nobody_there(nao: NaoSandbox, environ: _Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipeline, without a terminal and a browser, it ends at once."""
    _loopback(nao, environ, "http://127.0.0.1/callback")
    done = _login("nao", "--no-browser", person=lambda _: "", monkeypatch=monkeypatch)
    assert done.code == 3
    assert "no browser could be opened here" in done.stderr


def test_nomad_listening(nomad: NomadSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an administrator has registered an address of this machine, the browser comes back there."""
    address = f"http://127.0.0.1:{free_port()}/{'r' * 22}"
    nomad.sso_return = address

    def person(start: str) -> str:
        assert _visit(start) == 200
        return ""

    done = _login("nomad", "--provider", "azure", "--listen", address, person=person, monkeypatch=monkeypatch)
    assert done.code == 0, done
    assert "signed in to Nomad Media" in done.stdout
    assert "r" * 22 not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "args, said",
    [
        (["nomad", "--provider", "azure", "--listen", "8700"], "must be the return address"),
        (["nomad", "--provider", "azure", "--listen", "https://app.example/x"], "must be the return address"),
        (["nomad", "--provider", "azure", "--listen", "http://127.0.0.1/x"], "must be the return address"),
        (
            ["nomad", "--provider", "azure", "--listen", "http://127.0.0.1:8700/short"],
            "must be hard to guess",
        ),
        (["nao", "--listen", "8700"], "--listen must be HOST:PORT"),
        (["nao", "--port", "8700"], "need a redirect URI on loopback"),
        (["nao", "--listen", "0.0.0.0:8700"], "need a redirect URI on loopback"),
    ],
)
def test_wrong_options(
    args: list[str], said: str, nao: NaoSandbox, nomad: NomadSandbox, environ: _Put
) -> None:
    """What cannot work is told in words, and exits with 2."""
    done = CliRunner().invoke(app, ["login", *args], prog_name="nauth")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_a_port_that_contradicts(nao: NaoSandbox, environ: _Put) -> None:
    """A registered port is the one."""
    _loopback(nao, environ, "http://127.0.0.1:8700/back")
    done = CliRunner().invoke(app, ["login", "nao", "--port", "8701"], prog_name="nauth")
    assert done.exit_code == 2
    assert "registered with port 8700" in done.stderr


# --- remembered -------------------------------------------------------------------------------------------------------


def _nauth(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a new process."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "nauth", *args],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


_PROGRAM = """
import asyncio
from naoauth import NaoClient

async def main():
    async with NaoClient() as nao:
        print(len((await nao.check()).sites), "sites")
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_from_login_to_logout(
    nao: NaoSandbox, environ: _Put, logins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a login, new processes are signed in, with the application's variables and without; after a logout not."""
    done = _login("nao", person=nao.approve, monkeypatch=monkeypatch)
    assert done.code == 0, done
    assert "remembered as 'default'" in done.stderr
    program = [sys.executable, "-c", _PROGRAM]
    for _ in range(2):
        checked = _nauth("check", "nao")
        assert checked.returncode == 0, checked
        assert "signed in by      the remembered login 'default'" in checked.stdout
        ran = subprocess.run(program, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
        assert (ran.returncode, ran.stdout) == (0, "2 sites\n"), ran
        for name in ("NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI"):
            monkeypatch.delenv(name, raising=False)
    assert nao.committed["token"] == 1
    listed = _nauth("logins")
    assert listed.stdout == f"nao 'default' at {nao.base_url}\n"
    monkeypatch.setenv("NAO_AUTH_TOKEN", nao._key)
    both = _nauth("check", "nao")
    assert "environment's variables; there is a remembered login, too, which is not used" in both.stdout
    forced = _nauth("check", "nao", "--login", "default")
    assert "the remembered login 'default'" in forced.stdout
    monkeypatch.delenv("NAO_AUTH_TOKEN")
    grants = nao._oauth.grants
    assert not any(
        token in one.stdout + one.stderr
        for one in (listed, both, forced)
        for token in [*grants._accesses, *grants._refreshes]
    )
    assert _nauth("logout", "nao").returncode == 0
    after = _nauth("check", "nao")
    assert after.returncode == 2
    assert "nauth login nao" in after.stderr
    assert _nauth("logins").stdout == "no login is remembered\n"


def test_login_and_logout(nao: NaoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login by name is listed, and revoked as it is forgotten."""
    assert _login("nao", "--name", "work", person=nao.approve, monkeypatch=monkeypatch).code == 0
    run = partial(CliRunner().invoke, app, prog_name="nauth")
    listed = json.loads(run(["logins", "--json"]).stdout)
    assert [(one["vendor"], one["name"], one["refresh_token"]) for one in listed] == [("nao", "work", True)]
    assert run(["token", "nao", "--login", "work"]).exit_code == 0
    assert run(["check", "nao", "--login", "work"]).exit_code == 0
    echo = run(["exec", "nao", "--login", "work", "--", "true"])
    assert echo.exit_code == 0
    assert run(["logout", "nao"]).exit_code == 2
    done = run(["logout", "nao", "--name", "work"])
    assert (done.exit_code, done.stdout) == (0, "forgotten: nao 'work'\n")
    assert nao.requests["revoke"] == 1
    assert run(["logins"]).stdout == "no login is remembered\n"
    assert run(["logout", "nomba"]).exit_code == 2


def test_a_logout_that_fails(nao: NaoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the vendor cannot be asked the login is kept, unless it is to be forgotten all the same."""
    assert _login("nao", person=nao.approve, monkeypatch=monkeypatch).code == 0
    nao.faults.add(Fault(status=500), endpoint="revoke", times=20)
    run = partial(CliRunner().invoke, app, prog_name="nauth")
    assert run(["logout", "nao"]).exit_code == 4
    assert "nao 'default'" in run(["logins"]).stdout
    asked = nao.requests["revoke"]
    assert run(["logout", "nao", "--only-forget"]).exit_code == 0
    assert nao.requests["revoke"] == asked


def test_no_keyring(nao: NaoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a keyring and a key the person is not bothered; --no-store and --store PATH are the ways out."""
    key = os.environ["NAUTH_STORE_KEY"]
    monkeypatch.delenv("NAUTH_STORE_KEY")
    monkeypatch.setenv("NAUTH_KEYRING", "off")
    done = CliRunner().invoke(app, ["login", "nao"], prog_name="nauth")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--store PATH" in done.stderr
    forgot = _login("nao", "--no-store", person=nao.approve, monkeypatch=monkeypatch)
    assert forgot.code == 0, forgot
    assert "remembered" not in forgot.stderr
    monkeypatch.setenv("NAUTH_STORE_KEY", key)
    monkeypatch.setenv("NAUTH_LOGIN_STORE", "/nowhere/logins.db")


def test_another_store(nao: NaoSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--store names the file for this one login."""
    path = tmp_path / "mine" / "logins.db"
    assert _login("nao", "--store", str(path), person=nao.approve, monkeypatch=monkeypatch).code == 0
    assert CliRunner().invoke(app, ["logins"], prog_name="nauth").stdout == "no login is remembered\n"
    monkeypatch.setenv("NAUTH_LOGIN_STORE", str(path))
    assert "nao 'default'" in CliRunner().invoke(app, ["logins"], prog_name="nauth").stdout


def test_nomad_remembered(nomad: NomadSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single sign-on is remembered, too, and logged out."""
    login = ("nomad", "--provider", "azure")
    assert _login(*login, person=lambda _: nomad.sign_on(), monkeypatch=monkeypatch).code == 0
    run = partial(CliRunner().invoke, app, prog_name="nauth")
    checked = run(["check", "nomad"])
    assert checked.exit_code == 0, checked.stderr
    assert "the remembered login 'default'" in checked.stdout
    assert run(["logout", "nomad"]).exit_code == 0
    assert nomad.requests["logout"] == 1
    assert run(["check", "nomad"]).exit_code == 2
