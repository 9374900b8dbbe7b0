"""The commands print no secret, whatever they are given.

What is excluded: click itself quotes a command, an option or a number that it cannot read. Whatever is typed there stands
in the shell's history and in the list of processes already.
"""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from nauth.cli.app import app
from nombaauth.sandbox import NombaSandbox
from tests.fuzz.readers import VARIABLES
from tests.secret_leaks.scene import harvest
from tests.support.http.servers import in_thread
from tests.support.leaks.detector import Canaries, Witness, wrapped

_CANARY = "CANARY-7f3e9a1c0b5d42e8"
_USAGE = 2


@pytest.mark.parametrize(
    "command, shows",
    [
        (("check", "nomba", "--sign-in", "-v"), set()),
        (("token", "nomba", "--sign-in"), set()),
        (("token", "nomba", "--show", "--sign-in"), {"stdout", "output"}),
        (("check", "nomba", "--sign-in", "--json"), set()),
        (("token", "nomba", "--header", "--sign-in"), {"stdout", "output"}),
    ],
    ids=["check", "token", "show", "json", "header"],
)
@pytest.mark.parametrize("wrong", [False, True], ids=["good", "wrong"])
def test_a_command_prints_no_secret(
    command: tuple[str, ...], shows: set[str], wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nauth token --show` prints the token, on purpose; nothing else is printed by any command."""
    sandbox, canaries, witness = NombaSandbox(), Canaries(), Witness()
    given = sandbox.credentials
    secret = "wrong-" * 8 if wrong else given.client_secret.reveal()
    canaries.add("client_secret", secret)
    with in_thread(sandbox), wrapped(canaries), witness.watching():
        monkeypatch.setenv("NOMBA_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("NOMBA_CLIENT_ID", given.client_id)
        monkeypatch.setenv("NOMBA_CLIENT_SECRET", secret)
        monkeypatch.setenv("NOMBA_ACCOUNT_ID", given.account_id)
        done = CliRunner().invoke(app, command, prog_name="nauth")
        witness.seen.append(("output", done.output))
    assert (done.exit_code != 0) is wrong, done.output
    harvest(canaries, sandbox)
    leaks = set(witness.leaks(canaries))
    assert leaks <= {f"{place} shows access" for place in shows}
    assert bool(leaks) is (bool(shows) and not wrong)


@pytest.mark.slow
def test_the_demonstration_prints_no_secret() -> None:
    """Nothing that a client has wrapped meanwhile appears on the board."""
    canaries, witness = Canaries(), Witness()
    with wrapped(canaries), witness.watching():
        command = ("demo", "--vendor", "nomba", "--seconds", "1", "--coroutines", "50")
        done = CliRunner().invoke(app, command, prog_name="nauth")
        witness.seen.append(("output", done.output))
    assert done.exit_code in {0, 1}, done.output  # a busy machine may break a promise, which is told too
    assert len(canaries)
    assert witness.leaks(canaries) == []


@pytest.mark.parametrize(
    "command",
    [
        ("check", _CANARY),
        ("token", _CANARY, "--show"),
        ("login", _CANARY),
        ("revoke", _CANARY),
        ("sandbox", _CANARY),
        ("sandbox", "nomba", "--switch", _CANARY),
        ("exec", _CANARY, "--", "true"),
        ("demo", "--vendor", _CANARY),
        ("login", "nomba", "--provider", _CANARY),
        ("login", "nao", "--provider", _CANARY),
        ("login", "nomad", "--provider", f"{_CANARY}/x y"),
    ],
    ids=" ".join,
)
def test_a_command_does_not_read_out_its_arguments(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret pasted where a vendor or provider belongs is refused without being repeated."""
    canaries, witness = Canaries(), Witness()
    canaries.add("canary", _CANARY)
    monkeypatch.setenv("NOMAD_MEDIA_BASE_URL", "https://api.example.com")
    with witness.watching():
        done = CliRunner().invoke(app, command, prog_name="nauth")
        witness.seen.append(("output", done.output))
    assert done.exit_code == _USAGE
    assert witness.leaks(canaries) == []


@pytest.mark.parametrize("vendor", ["nomad", "nomba", "noyo", "nao"])
@pytest.mark.parametrize("command", ["check", "token"])
def test_a_command_does_not_read_out_the_environment(
    command: str, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a secret in every variable at once, what is printed about them names the variables only."""
    canaries, witness = Canaries(), Witness()
    canaries.add("canary", _CANARY)
    for name in VARIABLES:
        monkeypatch.setenv(name, _CANARY)
    with witness.watching():
        done = CliRunner().invoke(app, [command, vendor], prog_name="nauth")
        witness.seen.append(("output", done.output))
    assert done.exit_code == _USAGE
    assert witness.leaks(canaries) == []
