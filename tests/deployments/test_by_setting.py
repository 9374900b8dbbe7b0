"""Servers and queues with several workers, the README's code and `NAUTH_STORE` alone: 400 of 400 requests, one sign-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nombaauth.sandbox import NombaSandbox
from tests.deployments.conftest import Child, Web
from tests.support.ports import free_port
from tests.support.redis.servers import Server

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(240)]

MANY = 400
APP = "tests.deployments.by_setting"

Start = Callable[..., Child]


@pytest.fixture
def sandbox() -> Iterator[NombaSandbox]:
    """A vendor that keeps one session: a second sign-in ends the first."""
    with NombaSandbox(second_issue="kills_first") as running:
        yield running


@pytest.fixture(params=["SQLite", "Valkey"])
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The one setting."""
    if request.param == "SQLite":
        return f"sqlite:{tmp_path}/tokens.db"
    return f"{request.getfixturevalue('valkey').url}?prefix={tmp_path.name}"


@pytest.fixture
def begin(sandbox: NombaSandbox, setting: str) -> Iterator[Start]:
    """Start a process with the credentials and the one setting."""
    children: list[Child] = []

    def run(*command: str, **more: str) -> Child:
        environment = {
            "NOMBA_CLIENT_ID": sandbox.credentials.client_id,
            "NOMBA_CLIENT_SECRET": sandbox.credentials.client_secret.reveal(),
            "NOMBA_ACCOUNT_ID": sandbox.credentials.account_id,
            "NOMBA_BASE_URL": sandbox.base_url,
            "NAUTH_STORE": setting,
            **more,
        }
        child = Child(command, environment)
        children.append(child)
        return child

    yield run
    for child in children:
        child.process.terminate()
    for child in children:
        child.process.wait(30)
        assert child.process.stdout is not None
        child.process.stdout.close()


def _wait(sandbox: NombaSandbox) -> None:
    """Wait for all jobs, and a little longer for a request too many."""
    ends = time.monotonic() + 180
    while sandbox.requests["balance"] < MANY and time.monotonic() < ends:
        time.sleep(0.1)
    time.sleep(0.5)


def _served(sandbox: NombaSandbox, extra: int = 0) -> None:
    assert sandbox.requests["balance"] == MANY + extra
    assert (sandbox.requests["issue"], sandbox.unauthorized) == (1, 0)


@pytest.mark.parametrize(
    "module, command, path",
    [
        ("uvicorn", ("-m", "uvicorn", f"{APP}:asgi", "--workers", "4", "--log-level", "error", "--port"), "/"),
        ("uvicorn", ("-m", "uvicorn", f"{APP}:django_asgi", "--factory", "--workers", "4", "--log-level", "error",
                     "--port"), "/async"),
        ("gunicorn", ("-m", "gunicorn", "--preload", "-w", "4", "--log-level", "error", f"{APP}:wsgi", "-b"), "/"),
        ("gunicorn", ("-m", "gunicorn", "--preload", "-w", "4", "--log-level", "error", f"{APP}:django_wsgi()", "-b"),
         "/sync"),
    ],
    ids=["uvicorn", "Django under uvicorn", "gunicorn preload", "Django under gunicorn preload"],
)  # fmt: skip
def test_servers(
    module: str, command: tuple[str, ...], path: str, begin: Start, sandbox: NombaSandbox
) -> None:
    """Four workers answer 400 requests, twenty at a time, with one sign-in."""
    pytest.importorskip(module)
    port = free_port()
    begin(*command, str(port) if module == "uvicorn" else f"127.0.0.1:{port}")
    web = Web(port)
    web.up(150)
    asked = sandbox.requests["balance"]
    with ThreadPoolExecutor(20) as pool:
        said: list[Any] = list(pool.map(lambda _: web.get(path), range(MANY)))
    assert said == [200] * MANY
    _served(sandbox, asked)


def test_celery_prefork(begin: Start, sandbox: NombaSandbox, tmp_path: Path) -> None:
    """Four forked workers do 400 tasks, each in a loop of its own, with one sign-in."""
    pytest.importorskip("celery")
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    more = {"BROKER_FOLDER": str(tmp_path)}
    send = f"from {APP} import job\nfor _ in range({MANY}): job.delay()"
    assert begin("-c", send, **more).rest() == []
    begin(
        "-m", "celery", "-A", f"{APP}:celery", "worker", "-c", "4", "-P", "prefork", "-l", "error",
        "--without-mingle", "--without-gossip", "--without-heartbeat", **more,
    )  # fmt: skip
    _wait(sandbox)
    _served(sandbox)


def test_taskiq(begin: Start, sandbox: NombaSandbox) -> None:
    """Four processes that do a hundred tasks each share one sign-in."""
    pytest.importorskip("taskiq")
    children = [begin("-m", APP, str(MANY // 4)) for _ in range(4)]
    assert [child.rest() for child in children] == [[MANY // 4]] * 4
    _served(sandbox)


def test_arq(begin: Start, sandbox: NombaSandbox, valkey: Server) -> None:
    """Four workers that are all up do 400 jobs of one queue with one sign-in. The newest arq wants redis-py before 6."""
    pytest.importorskip("arq")
    more = {"ARQ_REDIS": valkey.url}
    workers = [begin("-m", "arq", f"{APP}.ArqWorker", **more) for _ in range(4)]
    assert [worker.hear() for worker in workers] == [1] * 4
    send = f"import asyncio\nfrom {APP} import enqueue\nasyncio.run(enqueue({MANY}))"
    assert begin("-c", send, **more).rest() == []
    _wait(sandbox)
    _served(sandbox)


def test_the_server_is_there(valkey: Server) -> None:
    """The Valkey server of these tests runs."""
    assert valkey.url.startswith("redis://")
