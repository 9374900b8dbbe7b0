"""`nauth check` against each sandbox with each fault: the cause that it prints, as the table in the documentation says.

``NAUTH_WRITE_DOCS=1`` writes the table anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
from typer.testing import CliRunner

from nauth.cli.app import app
from nauth.pytest_plugin import _variables
from nauth.stores import memory
from nauth.testing import Fault, VendorSandbox
from tests.support.ports import free_port

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/how-to/check.md"
LONGEST = 240
VENDORS = ("nomad", "nomba", "noyo", "nao")
SECRET = {
    "nomad": "NOMAD_MEDIA_PASSWORD",
    "nomba": "NOMBA_CLIENT_SECRET",
    "noyo": "NOYO_CLIENT_SECRET",
    "nao": "NAO_PASSWORD",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


@attrs.frozen(kw_only=True)
class Scene:
    """A running sandbox with the environment set, and the endpoints that `nauth check` asks."""

    vendor: str
    sandbox: VendorSandbox[Any]
    put: Callable[[str, str], None]
    sign_in: str
    request: str

    def at_sign_in(self, fault: Fault) -> None:
        """Let each sign-in meet `fault`."""
        self.sandbox.faults.add(fault, endpoint=self.sign_in, times=50)

    def at_request(self, fault: Fault) -> None:
        """Let each request meet `fault`."""
        self.sandbox.faults.add(fault, endpoint=self.request, times=50)


def _closed_port(scene: Scene) -> None:
    port = free_port()
    for name, value in _variables(scene.sandbox).items():
        if name.endswith("BASE_URL"):
            scene.put(name, re.sub(r":\d+", f":{port}", value, count=1))


HTML = Fault(status=200, body=b"<html><body>Sign in to the hotel</body></html>", content_type="text/html")
THROTTLED = Fault(status=429, body=b"{}", headers={"Retry-After": "60"})

FAULTS: Mapping[str, Callable[[Scene], None]] = {
    "nothing": lambda _: None,
    "the secret is wrong": lambda scene: scene.put(SECRET[scene.vendor], "another-secret"),
    "nothing listens at the address": _closed_port,
    "sign-in: the connection is cut": lambda scene: scene.at_sign_in(Fault(drop="before")),
    "sign-in: 500": lambda scene: scene.at_sign_in(Fault(status=500, body=b"{}")),
    "sign-in: 503": lambda scene: scene.at_sign_in(Fault(status=503, body=b"{}")),
    "sign-in: 429 for a minute": lambda scene: scene.at_sign_in(THROTTLED),
    "sign-in: a web page instead of JSON": lambda scene: scene.at_sign_in(HTML),
    "sign-in: no answer": lambda scene: scene.at_sign_in(Fault(delay=timedelta(seconds=60), hold="before")),
    "request: every token is refused": lambda scene: setattr(scene.sandbox, "reject_all", True),
    "request: 403": lambda scene: scene.at_request(Fault(status=403, body=b"{}")),
    "request: 500": lambda scene: scene.at_request(Fault(status=500, body=b"{}")),
    "request: 503": lambda scene: scene.at_request(Fault(status=503, body=b"{}")),
    "request: 429 for a minute": lambda scene: scene.at_request(THROTTLED),
    "request: a web page instead of JSON": lambda scene: scene.at_request(HTML),
}


SAYS: Mapping[str, tuple[int, str]] = {
    "nothing": (0, ""),
    "the secret is wrong": (3, "refused .*Check .*(SECRET|PASSWORD)"),
    "nothing listens at the address": (4, "no connection.*check host name, network, firewall, proxy"),
    "sign-in: the connection is cut": (4, "(connection|lost|did not answer|no response)"),
    "sign-in: 500": (4, "HTTP 500"),
    "sign-in: 503": (4, "HTTP 503"),
    "sign-in: 429 for a minute": (4, "too many .*HTTP 429"),
    "sign-in: a web page instead of JSON": (1, "markup.*check"),
    "sign-in: no answer": (4, "--timeout"),
    "request: every token is refused": (3, "(Likely causes|Check )"),
    "request: 403": (3, "new token would change nothing.*HTTP 403"),
    "request: 500": (4, "fault.*HTTP 500"),
    "request: 503": (4, "fault.*HTTP 503"),
    "request: 429 for a minute": (4, "too many .*HTTP 429"),
    "request: a web page instead of JSON": (1, "text/html.*markup.*check the base URL"),
}
"""The exit code of each fault, and what its text must say: the same for all vendors."""


@attrs.frozen
class Said:
    """What one check printed."""

    code: int
    error: str
    text: str


def _check(vendor: str, *, timeout_s: str = "60") -> Said:
    memory._stores.clear()  # as a process of its own begins
    command = ["check", vendor, "--sign-in", "--json", "--timeout", timeout_s]
    done = CliRunner().invoke(app, command, prog_name="nauth")
    if done.exit_code == 0:
        return Said(0, "", "the credentials work")
    found = json.loads(done.stderr.splitlines()[-1])
    return Said(done.exit_code, found["error"], found["message"])


def _said(vendor: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Said]:
    monkeypatch.delenv("NAUTH_STORE", raising=False)
    sandbox_class = getattr(import_module(f"{vendor}auth.sandbox"), f"{vendor.capitalize()}Sandbox")
    said: dict[str, Said] = {}
    for name, break_it in FAULTS.items():
        with sandbox_class() as sandbox, monkeypatch.context() as patch:
            for variable, value in _variables(sandbox).items():
                patch.setenv(variable, value)
            assert _check(vendor).code == 0
            asked = [exchange.endpoint for exchange in sandbox.log]
            break_it(
                Scene(vendor=vendor, sandbox=sandbox, put=patch.setenv, sign_in=asked[0], request=asked[-1])
            )
            said[name] = _check(vendor, timeout_s="1" if "no answer" in name else "60")
    return said


def _table(vendor: str, said: Mapping[str, Said]) -> str:
    rows = [
        f"| {name} | {one.code} | {f'`{one.error}`' if one.error else ''} | {_short(one.text)} |"
        for name, one in said.items()
    ]
    head = "| fault | exit code | error | what it says |\n| --- | --- | --- | --- |\n"
    return f"## {vendor}\n\n{head}" + "\n".join(rows) + "\n"


def _short(text: str) -> str:
    """Return the first words, without the ports of this run."""
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text).replace("|", "/")
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0] + " ..."


@pytest.mark.parametrize("vendor", VENDORS)
def test_causes(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault has its exit code and its cause, and the page's table says so."""
    said = _said(vendor, monkeypatch)
    wrong = {
        name: (one.code, one.text)
        for name, one in said.items()
        if one.code != SAYS[name][0] or not re.search(SAYS[name][1], one.text, re.DOTALL)
    }
    assert wrong == {}
    secrets = {value for name, value in _variables_of(vendor).items() if name == SECRET[vendor]} | {
        "another-secret"
    }
    assert not any(secret in one.text for secret in secrets for one in said.values())
    page = PAGE.read_text()
    table = _table(vendor, said)
    if os.environ.get("NAUTH_WRITE_DOCS"):
        begins = page.index(f"## {vendor}\n")
        ends = page.find("\n## ", begins)
        PAGE.write_text(page[:begins] + table + (page[ends:] if ends > 0 else ""))
    else:
        assert table in page


def _variables_of(vendor: str) -> Mapping[str, str]:
    sandbox_class = getattr(import_module(f"{vendor}auth.sandbox"), f"{vendor.capitalize()}Sandbox")
    with sandbox_class() as sandbox:
        return _variables(sandbox)
