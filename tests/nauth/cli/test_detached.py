"""`nauth sandbox --detach`: a sandbox that goes on when the command has returned."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nauth.cli.app import app

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="ends the process by a signal")


def _nauth(*args: str) -> Result:
    return CliRunner().invoke(app, args, prog_name="nauth")


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Processes that the test has started; they are ended with it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


@pytest.mark.slow
def test_it_goes_on(started: list[int], tmp_path: Path) -> None:
    """The command returns with the variables and the process; the sandbox answers, with its routes, until it is ended."""
    routes, file = tmp_path / "routes.json", tmp_path / "env"
    routes.write_text('[{"path": "/v1/own", "data": {"a": 1}}]')
    done = _nauth(
        "sandbox", "nomba", "--detach", "--port", "0", "--json", "--routes", str(routes),
        "--switch", "second_issue=keeps_first", "--env-file", str(file), "--key", "shop2",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    started.append(int(found["NAUTH_SANDBOX_PID"]))
    assert found["NOMBA_CLIENT_ID_SHOP2"] != found["NOMBA_CLIENT_ID"]
    request = urllib.request.Request(f"{found['NOMBA_BASE_URL']}/v1/own")  # noqa: S310 - loopback
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310 - loopback
    assert refused.value.code in {401, 403}  # taught, behind the token check: else it were 404
    refused.value.close()
    assert f"NAUTH_SANDBOX_PID={found['NAUTH_SANDBOX_PID']}\n" in file.read_text()
    os.kill(started[0], signal.SIGTERM)
    ends = time.monotonic() + 20
    while os.waitpid(started[0], os.WNOHANG)[0] == 0:
        assert time.monotonic() < ends


@pytest.mark.slow
def test_exports(started: list[int]) -> None:
    """Without --json it prints lines for a shell's eval."""
    done = _nauth("sandbox", "noyo", "-d", "--port", "0")
    lines = dict(line.removeprefix("export ").split("=", 1) for line in done.stdout.splitlines())
    started.append(int(lines["NAUTH_SANDBOX_PID"].strip("'")))
    assert lines["NOYO_BASE_URL"].startswith("'http://127.0.0.1:")


def test_it_does_not_start() -> None:
    """What keeps it from starting is told, and the exit code is that of misuse."""
    done = _nauth("sandbox", "nomba", "--detach", "--port", "0", "--switch", "no_such=x")
    assert done.exit_code == 2
    assert "the sandbox did not start" in done.stderr
    assert "no_such" in done.stderr
