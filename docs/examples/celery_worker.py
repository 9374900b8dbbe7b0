"""A Celery worker: celery -A celery_worker worker.

Its processes share one token through NAUTH_STORE. Celery's tasks are plain functions, so
each job runs an event loop of its own. The client is made in the job, after the fork; it
finds the token in the store and signs in only if there is none.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from celery import Celery

from nombaauth import NombaClient

app = Celery(
    "celery_worker",
    broker=os.environ.get("BROKER_URL", "redis://localhost:6379"),
    backend=os.environ.get("RESULT_URL", "redis://localhost:6379"),
)
if "BROKER_FOLDER" in os.environ:  # of the self-check, which does without a server
    folder = os.environ["BROKER_FOLDER"]
    app.conf.broker_transport_options = {
        "data_folder_in": f"{folder}/queue",
        "data_folder_out": f"{folder}/queue",
        "control_folder": f"{folder}/control",
    }


async def _balance() -> str:
    async with NombaClient() as nomba:
        return str((await nomba.check()).amount)


@app.task(name="balance")
def balance() -> str:
    """Do one job."""
    return asyncio.run(_balance())


def self_check() -> int:
    """Run this file again with a folder as its broker."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("queue", "control", "results"):
            (Path(folder) / name).mkdir()
        environment = {
            **os.environ,
            "BROKER_FOLDER": folder,
            "BROKER_URL": "filesystem://",
            "RESULT_URL": f"file://{folder}/results",
        }
        command = [sys.executable, __file__, "--run"]
        return subprocess.run(command, env=environment, check=False).returncode


def run() -> None:
    """Start a worker of two processes, give it twenty jobs, print what came of them."""
    command = [sys.executable, "-m", "celery", "-A", "celery_worker", "worker"]
    command += ["--concurrency", "2", "--loglevel", "ERROR"]
    here = Path(__file__).parent
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=here) as worker:
        jobs = [balance.delay() for _ in range(20)]
        results = [job.get(timeout=50) for job in jobs]
        worker.terminate()
    print(len(results), "jobs done:", *set(results))


if __name__ == "__main__":
    if "--self-check" in sys.argv:
        sys.exit(self_check())
    if "--run" in sys.argv:
        run()
