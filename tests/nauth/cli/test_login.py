"""`nauth login`: an address out, an address in, and no secret on the screen."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import attrs
import pytest
from typer.testing import CliRunner

from naoauth.credentials import NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.cli.app import app
from nauth.testing import Sandbox
from nomadauth.sandbox import NomadSandbox

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


def test_nao(nao: NaoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is exchanged, and what came of it told without the token."""
    done = _login("nao", person=nao.approve, monkeypatch=monkeypatch)
    assert done.code == 0, done
    address, *rest = done.stdout.splitlines()
    assert address.startswith(f"{nao.base_url}/oauth/authorize?")
    assert rest[:3] == ["signed in to NAO Cloud", "  state          fresh", "  lifetime       2:00:00"]
    assert rest[4:] == ["  refresh token  yes"]
    assert "paste the whole address" in done.stderr
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
