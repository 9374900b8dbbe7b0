"""A service by the README: a client made at import, without arguments. What the workers share is `NAUTH_STORE`'s affair."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar

from asgiref.sync import async_to_sync

from nombaauth import NombaClient

__all__ = ["asgi", "balance", "wsgi"]

nomba = NombaClient()


async def balance() -> str:
    """Make one request of the vendor's."""
    return str((await nomba.check()).amount)


def _django() -> Any:
    import django  # noqa: PLC0415 - for the two applications below only
    from django.conf import settings  # noqa: PLC0415
    from django.http import HttpRequest, HttpResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415

    async def by_async(_: HttpRequest) -> HttpResponse:
        return HttpResponse(await balance())

    def by_sync(_: HttpRequest) -> HttpResponse:
        return HttpResponse(async_to_sync(balance)())

    settings.configure(
        ROOT_URLCONF=(path("async", by_async), path("sync", by_sync)), ALLOWED_HOSTS=["*"], SECRET_KEY="x"
    )
    django.setup()
    return django


def django_asgi() -> Any:
    """Return Django's ASGI application."""
    _django()
    from django.core.asgi import get_asgi_application  # noqa: PLC0415

    return get_asgi_application()


def django_wsgi() -> Any:
    """Return Django's WSGI application."""
    _django()
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415

    return get_wsgi_application()


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Serve as an ASGI application does."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await nomba.aclose()
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, said = await _answer()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": said})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve as a WSGI application does, each request in a loop of its own."""
    del environ
    status, said = async_to_sync(_answer)()
    start_response(f"{status} .", [])
    return [said]


async def _answer() -> tuple[int, bytes]:
    try:
        return 200, (await balance()).encode()
    except Exception as error:  # noqa: BLE001 - told to the test
        return 500, repr(error).encode()


async def _taskiq(count: int) -> int:
    from taskiq import InMemoryBroker  # noqa: PLC0415 - of this case only

    broker = InMemoryBroker()

    @broker.task  # type: ignore[untyped-decorator,unused-ignore]  # where taskiq is not installed
    async def job() -> str:
        return await balance()

    await broker.startup()
    jobs = [await job.kiq() for _ in range(count)]
    results = [await job.wait_result(timeout=60) for job in jobs]
    await broker.shutdown()
    await nomba.aclose()
    return sum(not result.is_err for result in results)


if os.environ.get("BROKER_FOLDER"):
    from celery import Celery

    _FOLDER = os.environ["BROKER_FOLDER"]
    celery = Celery("by_setting", broker="filesystem://")
    celery.conf.update(
        broker_transport_options={
            "data_folder_in": f"{_FOLDER}/queue",
            "data_folder_out": f"{_FOLDER}/queue",
            "control_folder": f"{_FOLDER}/control",
        },
        task_ignore_result=True,
    )

    @celery.task(name="job")  # type: ignore[untyped-decorator]  # Celery has no types
    def job() -> str:
        """Make one request, in a loop of its own."""
        return asyncio.run(balance())


if os.environ.get("ARQ_REDIS"):
    from arq import create_pool  # type: ignore[import-not-found,unused-ignore]  # of one run alone
    from arq.connections import RedisSettings  # type: ignore[import-not-found,unused-ignore]

    async def arq_job(_: dict[str, Any]) -> str:
        """Make one request, in the worker's loop."""
        return await balance()

    async def _up(_: dict[str, Any]) -> None:
        sys.stdout.write("1\n")
        sys.stdout.flush()

    class ArqWorker:
        """What arq reads. The client is the module's: nothing is opened or closed by the worker's hooks."""

        functions: ClassVar = [arq_job]
        on_startup = _up
        redis_settings = RedisSettings.from_dsn(os.environ["ARQ_REDIS"])
        poll_delay = 0.05

    async def enqueue(count: int) -> None:
        """Put so many jobs into the queue."""
        pool = await create_pool(ArqWorker.redis_settings)
        for _ in range(count):
            await pool.enqueue_job("arq_job")
        await pool.close()


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(_taskiq(int(sys.argv[1])))}\n")
