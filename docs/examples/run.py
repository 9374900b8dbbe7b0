"""Run an example against local test servers: ``python run.py fastapi_two_vendors``.

Starts ``nauth sandbox`` for each vendor that the example needs, gives the example the
variables that it prints, and a store of its own, and runs the example's self-check. With a
real account set its variables, and start the example as its own first lines say.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

VENDORS: dict[str, list[str]] = {
    "aiohttp_service": ["nomba"],
    "aiohttp_worker": ["nomba"],
    "arq_worker": ["nomba"],
    "celery_worker": ["nomba"],
    "django_view": ["nomba"],
    "fastapi_two_vendors": ["nomba", "noyo"],
    "multi_tenant": [],
    "several_workers": ["nomba"],
    "sso_web_app": [],
    "taskiq_worker": ["nomba"],
}
"""The vendors of each example; those with none start a sandbox of their own."""


@contextlib.contextmanager
def sandbox(vendor: str) -> Generator[dict[str, str]]:
    """Run ``nauth sandbox``; yield the variables that point a client at it."""
    command = [
        sys.executable,
        "-m",
        "nauth",
        "sandbox",
        vendor,
        "--port",
        "0",
        "--json",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def main(name: str) -> int:
    """Run the example and return its exit code."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        environment = {**os.environ, "NAUTH_STORE": f"sqlite:{folder}/tokens.db"}
        for vendor in VENDORS[name]:
            environment |= stack.enter_context(sandbox(vendor))
        script = Path(__file__).with_name(f"{name}.py")
        return subprocess.run(
            [sys.executable, script, "--self-check"], env=environment, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].removesuffix(".py")))
