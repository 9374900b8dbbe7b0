"""What telemetry costs: not imported, without an SDK, and with one.

    uv run python tests/bench/telemetry.py

For each: a token that is fresh, a herd of 10,000 that waits for one renewal, and one renewal alone; and what imports take.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Callable

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer, get_tracer

from nauth import MemoryStore, StoreKey, TokenManager, telemetry
from tests.support.authenticator import FakeAuthenticator

_ROUNDS = 7


def _manager() -> TokenManager:
    key = StoreKey(vendor="bench", base_url="https://api.example.com", identity="digest")
    return TokenManager(FakeAuthenticator(), key=key, store=MemoryStore())


async def _fresh_ns(tracer: Tracer, calls: int = 200_000) -> float:
    manager = _manager()
    await manager.token()
    with tracer.start_as_current_span("request"):
        began = time.process_time()
        for _ in range(calls):
            await manager.token()
        return (time.process_time() - began) / calls * 1e9


async def _herd_ms(tracer: Tracer, callers: int = 10_000) -> float:
    manager = _manager()

    async def one() -> None:
        with tracer.start_as_current_span("request"):
            await manager.renew()

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(one() for _ in range(callers)))
    return (time.process_time() - began) * 1e3


async def _renewal_us(tracer: Tracer, renewals: int = 500) -> float:
    manager = _manager()
    with tracer.start_as_current_span("request"):
        began = time.process_time()
        for _ in range(renewals):
            await manager.renew()
        return (time.process_time() - began) / renewals * 1e6


def _row(name: str, tracer: Tracer) -> None:
    def best(work: Callable[[], float]) -> float:
        return min(work() for _ in range(_ROUNDS))

    fresh = best(lambda: asyncio.run(_fresh_ns(tracer)))
    herd = best(lambda: asyncio.run(_herd_ms(tracer)))
    renewal = best(lambda: asyncio.run(_renewal_us(tracer)))
    print(f"| {name} | {fresh:.0f} ns | {herd:.0f} ms | {renewal:.0f} us |")


def _import_ms(statement: str) -> float:
    code = (
        f"import time; began = time.process_time(); {statement}; print((time.process_time() - began) * 1e3)"
    )
    command = [sys.executable, "-c", code]
    return min(float(subprocess.check_output(command)) for _ in range(_ROUNDS))  # noqa: S603 - our own text


def main() -> None:
    """Print the table."""
    print("| | fresh token | herd of 10,000 | one renewal |\n| --- | --- | --- | --- |")
    nothing = get_tracer("bench")
    _row("not installed", nothing)
    telemetry.install()
    _row("installed, no SDK", nothing)
    telemetry.uninstall()
    traces, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    traces.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    tracer = traces.get_tracer("bench")
    _row("not installed, the program's own spans", tracer)
    telemetry.install(tracer_provider=traces, meter_provider=meters)
    _row("installed, SDK", tracer)
    telemetry.uninstall()
    traces.shutdown()
    for statement in ("import nauth", "import nauth, nauth.telemetry", "import nauth, nauth.telemetry.otel"):
        print(f"{statement}: {_import_ms(statement):.0f} ms")


if __name__ == "__main__":
    main()
