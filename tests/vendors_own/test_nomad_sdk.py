"""Nomad's own Python SDK (nomad-media-pip 0.1.9) against the sandbox as `nauth sandbox nomad` starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nomadauth.sandbox import NomadSandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_PACKAGE = "nomad-media-pip==0.1.9"
_PROGRAM = Path(__file__).parent / "nomad_sdk.py"


def _python_3_12() -> str | None:
    """Return a Python that the SDK runs on: its f-strings nest equal quotes, which 3.11 does not take."""
    found = [shutil.which(f"python3.{minor}") for minor in (12, 13)]
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for minor in (12, 13) for path in sorted(root.glob(f"3.{minor}.*/bin/python"))]
    return next((path for path in found if path is not None and _runs(path)), None)


def _runs(python: str) -> bool:
    asked = subprocess.run(  # noqa: S603 - a Python of this machine
        [python, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"], capture_output=True, check=False
    )
    return asked.returncode == 0


def _uv() -> list[str] | None:
    """Return how uv is called, wherever it is: on the path, or beside the Python that runs this."""
    given = os.environ.get("UV") or shutil.which("uv")
    return None if given is None else [given]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of a fresh environment that has the SDK."""
    base, uv = _python_3_12(), _uv()
    if base is None:
        pytest.skip("needs Python 3.12 or later beside this one")
    if uv is None:
        pytest.skip("needs uv to install the SDK")
    folder = tmp_path_factory.mktemp("sdk") / "venv"
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    made = str(folder / "bin" / "python")
    for command in (["venv", "-p", base, str(folder)], ["pip", "install", "--python", made, _PACKAGE]):
        done = subprocess.run(  # noqa: S603 - uv
            [*uv, *command, "--quiet"], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"{_PACKAGE} cannot be installed here: {done.stderr[-200:]}")
    return made


def _used(python: str, sandbox: NomadSandbox) -> dict[str, Any]:
    given = sandbox.credentials
    arguments = [sandbox.base_url, given.username, given.password.reveal(), "sso-code-1", "sso-state-1"]
    done = subprocess.run(  # noqa: S603 - our own file
        [python, str(_PROGRAM), *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_sdk_works_with_the_defaults(python: str) -> None:
    """Login as `username`, POST on the auth ping, refresh with `Authorization`, user, logout; then a single sign-on."""
    # the SDK has this prefix in its code, where Nomad's page has another, and reads the header's name in lower case only
    with NomadSandbox(
        sso_prefix="azurePortal", sso_expires="seconds", sso_location_header="location"
    ) as sandbox:
        found = _used(python, sandbox)
        statuses = {(exchange.endpoint, exchange.status) for exchange in sandbox.log}
    assert (found["ping_auth"], found["expires"], found["after"]) == ("Pong Auth", 3600.0, None)
    assert found["refreshed"] != found["token"]
    assert found["user"]["email"] == sandbox.credentials.username
    assert statuses == {
        ("login", 200),
        ("ping_auth_by_post", 200),
        ("refresh", 200),
        ("user", 200),
        ("logout", 200),
        ("sso_callback", 302),
    }
    assert found["sso"]


def test_strict_switches_refuse_it(python: str) -> None:
    """What our own tests ask for is stricter than the service: the SDK could not even sign in."""
    with NomadSandbox(login_id_match="exact", public_calls="strict") as sandbox:
        with pytest.raises(AssertionError):
            _used(python, sandbox)
        assert {exchange.status for exchange in sandbox.log} == {400}
