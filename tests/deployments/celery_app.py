"""A Celery application whose broker is a folder, and whose one task makes a request in a loop of its own."""

from __future__ import annotations

import asyncio
import os

from celery import Celery

from tests.deployments.app import request

__all__ = ["celery", "job"]

_FOLDER = os.environ["BROKER_FOLDER"]

celery = Celery("deployment", broker="filesystem://", backend=f"file://{_FOLDER}/results")
celery.conf.update(
    broker_transport_options={
        "data_folder_in": f"{_FOLDER}/queue",
        "data_folder_out": f"{_FOLDER}/queue",
        "control_folder": f"{_FOLDER}/control",
        "store_processed": False,
    },
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
)


@celery.task(name="job")  # type: ignore[untyped-decorator]  # Celery has no types
def job() -> int:
    """Make one request."""
    return asyncio.run(request())
