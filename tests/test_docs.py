"""Every example in README and docs runs as it is printed."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nombaauth.sandbox import NombaSandbox

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _examples() -> Iterator[tuple[str, str]]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, match in enumerate(FENCE.finditer(page.read_text()), 1):
            yield f"{page.name}-{number}", match[1]


EXAMPLES = dict(_examples())


@pytest.fixture(params=EXAMPLES)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write one example to a file of its own."""
    path = tmp_path / "example.py"
    path.write_text(EXAMPLES[request.param])
    return path


async def test_example_runs(script: Path) -> None:
    """The example ends without an error or warning, with the environment pointing at the vendor's double."""
    async with NombaSandbox() as sandbox:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "common")]),
            "NOMBA_CLIENT_ID": sandbox.credentials.client_id,
            "NOMBA_CLIENT_SECRET": sandbox.credentials.client_secret.reveal(),
            "NOMBA_ACCOUNT_ID": sandbox.credentials.account_id,
            "NOMBA_BASE_URL": sandbox.base_url,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", script,
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def test_there_are_examples() -> None:
    """The pages hold examples at all: an expression that finds none would pass everything."""
    assert len(EXAMPLES) >= 5
