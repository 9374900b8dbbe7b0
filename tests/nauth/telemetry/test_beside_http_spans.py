"""Beside OpenTelemetry's own instrumentation of aiohttp: whose child a token call is, and what it carries to the vendor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.nauth.telemetry.conftest import Collected

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def instrumented(collected: Collected) -> Iterator[None]:
    """Every aiohttp session made meanwhile is traced."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=collected.traces)
    yield
    instrumentor.uninstrument()


@pytest.mark.usefixtures("instrumented")
async def test_no_baggage_to_the_vendor(collected: Collected) -> None:
    """The token call's HTTP span is a child of the renewal's, and the caller's baggage does not go with the token call."""
    attached = otel_context.attach(baggage.set_baggage("user", "ada@example.com"))
    try:
        async with NombaSandbox() as sandbox:
            async with NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba:
                with collected.tracer.start_as_current_span("GET /pay") as request:
                    await nomba.check()
            issue, balance = ({**exchange.headers} for exchange in sandbox.log)
    finally:
        otel_context.detach(attached)
    carried = {name.lower(): value for name, value in balance.items()}
    assert "ada" in carried["baggage"]  # what the instrumentation does for requests: for the page to warn of
    assert "baggage" not in {name.lower() for name in issue}
    renewal = collected.spans("nauth renew")[0]
    context, parent = renewal.get_span_context(), request.get_span_context()
    assert context is not None
    posts = [span for span in collected.spans("POST") if span.parent is not None]
    assert [span.parent.span_id for span in posts if span.parent is not None] == [context.span_id]
    asked = {name.lower(): value for name, value in issue.items()}["traceparent"]
    assert f"{parent.trace_id:032x}" not in asked
