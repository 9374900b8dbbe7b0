"""The page's Prometheus example, as several workers run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nombaauth.sandbox import NombaSandbox

ROOT = Path(__file__).parents[3]


def _example() -> str:
    found: str = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs/how-to/telemetry.md").read_text(), re.MULTILINE | re.DOTALL
    )[-1]
    assert "prometheus_client" in found
    return found


def _run(text: str, environment: dict[str, str]) -> str:
    return subprocess.run(  # noqa: S603 - our own interpreter and page
        [sys.executable, "-W", "error", "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.slow
def test_several_workers(tmp_path: Path) -> None:
    """Three workers that share a token count one sign-in together, and what a worker adds is added up."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    with NombaSandbox() as sandbox:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "common")]),
            "NOMBA_CLIENT_ID": sandbox.credentials.client_id,
            "NOMBA_CLIENT_SECRET": sandbox.credentials.client_secret.reveal(),
            "NOMBA_ACCOUNT_ID": sandbox.credentials.account_id,
            "NOMBA_BASE_URL": sandbox.base_url,
            "NAUTH_STORE": f"sqlite:{tmp_path / 'tokens.db'}",
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        }
        text = _example()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: _run(text, environment), range(3)))
        assert sandbox.requests["issue"] == 1
        sandbox.take_over()
        scraped = _run(text, environment)
    counts = {
        labels: float(value)
        for labels, value in re.findall(r"^nauth_renewal_seconds_count\{(.*?)\} (.*)$", scraped, re.MULTILINE)
    }
    assert sum(counts.values()) == 2
    assert re.search(r'^nauth_request_replays_total\{vendor="nomba"\} 1\.0$', scraped, re.MULTILINE)
    assert sandbox.credentials.client_secret.reveal() not in scraped
    assert sandbox.credentials.client_id not in scraped
