"""Every subcommand as a person sees it, on a terminal of 80 columns, and as a script does, through a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import pytest

from naoauth.sandbox import NaoSandbox
from nauth.testing import Sandbox
from nombaauth.sandbox import NombaSandbox

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COLUMNS = 80
_NAMES = ("check", "demo", "exec", "login", "logins", "logout", "revoke", "sandbox", "status", "token")
_CHILD = """
import json, os, sys
from nauth.cli.app import app
for change, args in json.loads(sys.argv[1]):
    os.environ.update(change)
    sys.stdout.flush()
    os.write(1, ("\\x1e" + " ".join(args) + "\\x1f").encode())
    try:
        app(args, prog_name="nauth")
    except SystemExit:
        pass
    sys.stdout.flush()
"""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WHOLE = ("export ", "Authorization: ")
"""Beginnings of lines that another program reads, and that are not broken."""


@attrs.frozen
class _Asked:
    """A command line, and what changes in the environment from there on."""

    args: tuple[str, ...]
    change: Mapping[str, str] = attrs.field(factory=dict[str, str])


_TYPED = {b"(it is not shown):": b"nonsense\n", b"Sign in?": b"n\n"}
"""What a person types when the end of a question is seen."""


def _on_a_terminal(asked: Sequence[_Asked]) -> tuple[str, bool]:
    """Run them in a terminal of 80 columns; return what is seen, and whether there were colours."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", _CHILD, _told(asked)],
        stdin=terminal, stdout=terminal, stderr=terminal, env=_environment(), start_new_session=True,
    ) as process:  # fmt: skip
        os.close(terminal)
        shown: list[bytes] = []

        def read() -> None:
            while True:
                try:
                    shown.append(os.read(screen, 65_536))
                except OSError:
                    return  # the last program has closed the terminal
                question = b" ".join(shown[-1].split())
                for end, answer in _TYPED.items():
                    if end in question:
                        time.sleep(0.3)  # a hidden question throws away what was typed before it
                        os.write(screen, answer)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            process.wait(150)
        finally:
            process.kill()
        reader.join(20)
    os.close(screen)
    text = b"".join(shown).decode()
    return _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n"), _COLOURS.search(text) is not None


def _in_a_pipe(asked: Sequence[_Asked]) -> str:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", _CHILD, _told(asked)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment(), check=True,
    )  # fmt: skip
    return done.stdout.decode()


def _told(asked: Sequence[_Asked]) -> str:
    return json.dumps([[dict(one.change), one.args] for one in asked])


def _environment() -> dict[str, str]:
    # the last three make rich believe in a terminal, or in none
    left_out = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return environment | {
        "TERM": "xterm-256color",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


@pytest.fixture
def asked(
    nomba: NombaSandbox,
    serve: Callable[[Sandbox], None],
    environ: Callable[[Mapping[str, str]], None],
    tmp_path: Path,
) -> list[_Asked]:
    """Every subcommand: its help, what it prints as a rule, and its usual errors."""
    nao = NaoSandbox()
    serve(nao)
    environ(
        {
            "NAO_BASE_URL": nao.base_url,
            "NAO_EMAIL": "",
            "NAO_CLIENT_ID": "an-id-of-an-application",
            "NAO_CLIENT_SECRET": "x" * 40,
            "NAO_REDIRECT_URI": "https://app.example/callback",
            "NAUTH_KEYRING": "off",
            "NAUTH_LOGIN_STORE": f"{tmp_path}/logins.db",
        }
    )
    store = {"NAUTH_STORE": f"sqlite:{tmp_path}/tokens.db"}
    routes = tmp_path / "routes.json"
    routes.write_text("[]?")
    return [
        _Asked(("--help",)),
        *(_Asked((name, "--help")) for name in _NAMES),
        _Asked(("--version",)),
        _Asked(("check", "nomba", "--sign-in", "--verbose")),
        _Asked(("token", "nomba", "--sign-in")),
        _Asked(("token", "nomba", "--sign-in", "--show")),
        _Asked(("token", "nomba", "--sign-in", "--header")),
        _Asked(("exec", "nomba", "--sign-in", "--", "true")),
        _Asked(("exec", "nomba", "--sign-in", "--", "no-such-program")),
        _Asked(("revoke", "nomba")),
        _Asked(("revoke", "noyo")),
        _Asked(("status",)),
        _Asked(("logins",)),
        _Asked(("logout", "nomba")),
        _Asked(("logout", "nao")),
        _Asked(("login", "nomba")),
        _Asked(("login", "nomad")),
        _Asked(("login", "nao", "--provider", "azure")),
        _Asked(("login", "nao", "--no-browser")),
        _Asked(("login", "nao", "--no-browser", "--no-store")),
        _Asked(("sandbox", "nomba", "--switch", "x")),
        _Asked(("sandbox", "nomba", "--routes", str(routes))),
        _Asked(("sandbox", "nomba", "--port", nomba.base_url.rpartition(":")[2])),
        _Asked(("sandbox", "nomba", "--key", "file")),
        _Asked(("check", "nombo")),
        _Asked(("check", "noyo")),
        _Asked(("check", "nomba", "--timeout", "x")),
        _Asked(("status",), store),
        _Asked(("check", "nomba")),
        _Asked(("status",)),
        _Asked(("check", "nomba"), {"NOMBA_CLIENT_SECRET": "wrong", "NAUTH_STORE": ""}),
        _Asked(("check", "nomba", "--sign-in")),
        _Asked(("check", "nomba", "--sign-in", "--json")),
        _Asked(("check", "nomba", "--sign-in"), {"NOMBA_BASE_URL": "http://127.0.0.1:1"}),
        _Asked(("check", "nomba", "--sign-in"), {"NOMBA_BASE_URL": "ftp://127.0.0.1"}),
        _Asked(("status",), {"NAUTH_STORE": "postgres://x"}),
    ]


def test_a_terminal(asked: list[_Asked]) -> None:
    """No line is wider than the terminal, but for what another program reads and a word that cannot be broken."""
    shown, _ = _on_a_terminal(asked)
    assert shown.count("\x1e") == len(asked)
    Path(os.environ.get("NAUTH_SEEN", os.devnull)).write_text(shown)
    wide = []
    for part in shown.split("\x1e")[1:]:
        name, _, text = part.partition("\x1f")
        for line in text.splitlines():
            words = line.split()
            if (
                len(line) > COLUMNS
                and len(words) > 1
                and not line.startswith(_WHOLE)
                and "--json" not in name
            ):
                wide.append((name, line))
    assert wide == []
    for name in _NAMES:
        assert f"Usage: nauth {name}" in shown
    # a person copies the example, so it must be whole
    assert "…" not in shown


def test_a_pipe(asked: list[_Asked]) -> None:
    """There are no colours, and an error is one line for grep."""
    shown = _in_a_pipe(asked)
    assert shown.count("\x1e") == len(asked)
    assert "\x1b" not in shown
    errors = [line for line in shown.replace("\x1f", "\n").splitlines() if line.startswith("nauth: ")]
    assert len(errors) >= 8
    assert all(len(line) > 40 for line in errors)
    assert any(len(line) > COLUMNS for line in errors)


def test_the_demonstration() -> None:
    """Its table fits, too."""
    shown, coloured = _on_a_terminal([_Asked(("demo", "--seconds", "2", "--coroutines", "20"))])
    Path(os.environ.get("NAUTH_SEEN", os.devnull)).write_text(shown)
    assert coloured
    assert [line for line in shown.partition("\x1f")[2].splitlines() if len(line) > COLUMNS] == []
