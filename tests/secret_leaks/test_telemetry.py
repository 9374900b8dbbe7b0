"""Canaries in credentials, tokens and the vendor's words: no span, metric or line of telemetry's log shows one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nauth import telemetry
from nauth.errors import NauthError
from tests.secret_leaks.scene import PLANTED
from tests.secret_leaks.steps import nonsense
from tests.support.leaks.detector import secrets_of
from tests.support.vendors.table import CASES, Case, opened

_WAYS = [case for case in CASES if not case.name.endswith("-harsh")]


class Exported:
    """All that left the process, as text."""

    def __init__(self) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.traces, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.traces.add_span_processor(SimpleSpanProcessor(self.spans))

    def text(self) -> str:
        """Return every span and every metric."""
        data = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans.get_finished_spans()) + (
            "" if data is None else data.to_json()
        )


@pytest.fixture
def exported() -> Iterator[Exported]:
    """Telemetry installed for one test."""
    here = Exported()
    telemetry.install(tracer_provider=here.traces, meter_provider=here.meters)
    yield here
    telemetry.uninstall()
    here.traces.shutdown()
    here.meters.shutdown()


@pytest.mark.parametrize("case", _WAYS, ids=lambda case: case.name)
async def test_no_span_or_metric_shows_a_secret(
    case: Case, exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    """Sign-ins, renewals, revocations and whatever answers them: nothing exported holds a credential, token or response."""
    caplog.set_level(logging.DEBUG)
    async with opened(case) as stage:
        hidden = {PLANTED, *(secret.reveal() for _, secret in secrets_of(stage.credentials))}
        failed = 0
        client: Any = await stage.client()
        token = await client.token()
        hidden |= {part.reveal() for part in (token.access_token, token.refresh_token) if part}
        ends = case.calls_to_end if case.signs_in and not case.signed_on else ()
        for _, fault in nonsense()[::4]:
            with exported.traces.get_tracer("service").start_as_current_span("GET /pay"):
                for call in ("renew", *ends):
                    stage.sandbox.faults.add(fault, times=20)
                    try:
                        await getattr(client, call)()
                    except NauthError:
                        failed += 1
                    stage.sandbox.faults.clear()
    text = exported.text()
    assert "nauth renew" in text
    assert "nauth.renewal.duration" in text
    assert failed > 0
    assert [name for name in hidden if name in text] == []
    assert [name for name in hidden if name in caplog.text] == []
