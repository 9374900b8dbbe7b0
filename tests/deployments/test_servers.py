"""Servers with workers, their signals, and task queues, on stores that outlive a process."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.deployments.conftest import Start, Web, shared
from tests.deployments.vendor import Vendor
from tests.support.ports import free_port

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(180), shared]

LONG_S = 7.0
"""More than two lifetimes."""


def _served_for(web: Web, seconds: float, path: str = "/") -> list[int | str]:
    said, ends = [web.up()], time.monotonic() + seconds
    while time.monotonic() < ends:
        said.append(web.get(path))
        time.sleep(0.1)
    return said


def _all_well(vendor: Vendor, said: list[int | str]) -> None:
    assert set(said) == {200}
    assert vendor.reused == 0
    assert len(vendor.made) <= vendor.most_calls()


def test_uvicorn_workers(start: Start, vendor: Vendor) -> None:
    """Workers share one token, and a restart loses none."""
    pytest.importorskip("uvicorn")
    port = str(free_port())
    command = (
        "-m",
        "uvicorn",
        "tests.deployments.app:asgi",
        "--port",
        port,
        "--workers",
        "2",
        "--log-level",
        "error",
    )
    for _ in range(2):
        child = start(*command)
        _all_well(vendor, _served_for(Web(int(port)), LONG_S / 2))
        child.tell(signal.SIGTERM)
        child.end()


@pytest.mark.parametrize("path", ["/", "/asgiref"])
def test_gunicorn_preloaded(path: str, start: Start, vendor: Vendor) -> None:
    """Workers forked from a process that has imported the client share one token, each request in its own loop."""
    pytest.importorskip("gunicorn")
    port = str(free_port())
    child = start(
        "-m",
        "gunicorn",
        "--preload",
        "-w",
        "2",
        "-b",
        f"127.0.0.1:{port}",
        "--log-level",
        "error",
        "tests.deployments.app:wsgi",
    )
    _all_well(vendor, _served_for(Web(int(port)), LONG_S, path))
    child.tell(signal.SIGTERM)
    child.end()


@pytest.mark.parametrize("server", ["aiohttp server", "uvicorn"])
def test_told_to_end_during_a_renewal(server: str, start: Start, vendor: Vendor) -> None:
    """SIGTERM while the vendor has rotated and not yet answered: the answer is stored, and the next process uses it."""
    port = str(free_port())
    if server == "uvicorn":
        pytest.importorskip("uvicorn")
        command: tuple[str, ...] = (
            "-m",
            "uvicorn",
            "tests.deployments.app:asgi",
            "--port",
            port,
            "--log-level",
            "error",
        )
    else:
        command = ("-m", "tests.deployments.jobs", server)
    child, web = start(*command, PORT=port), Web(int(port))
    assert web.up() == 200
    vendor.expect_a_call()
    said = []
    while not vendor.called():  # served from the token held, until one request starts a renewal
        said.append(web.get())
        time.sleep(0.02)
    child.tell(signal.SIGTERM)
    assert child.end() < 7.0
    start(*command, PORT=port)
    _all_well(vendor, [*said, *_served_for(web, 1.0)])


def test_celery_prefork(start: Start, vendor: Vendor, tmp_path: Path) -> None:
    """The processes of a worker, forked after the import, run each task in a loop of its own."""
    pytest.importorskip("celery")
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    more = {"BROKER_FOLDER": str(tmp_path)}
    start(
        "-m",
        "celery",
        "-A",
        "tests.deployments.celery_app",
        "worker",
        "-c",
        "2",
        "-P",
        "prefork",
        "-l",
        "error",
        "--without-mingle",
        "--without-gossip",
        "--without-heartbeat",
        **more,
    )
    send = "from tests.deployments.celery_app import job; import time\nfor _ in range(24): job.delay(); time.sleep(0.25)"
    assert start("-c", send, **more).rest() == []
    ends = time.monotonic() + 60
    while vendor.served < 24 and time.monotonic() < ends:
        time.sleep(0.05)
    assert (vendor.served, vendor.reused) == (24, 0)
    assert len(vendor.made) <= vendor.most_calls()
