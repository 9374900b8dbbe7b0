"""OpenTelemetry's SDK with exporters in memory, installed for one test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from nauth import telemetry

Attributes = Mapping[str, object]


@attrs.frozen(kw_only=True)
class Point:
    """One series of a metric: its attributes, and its value or its count of values and their sum."""

    attributes: Attributes
    value: float
    count: int = 1
    bounds: Sequence[float] = ()


class Collected:
    """What the exporters got."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    @property
    def tracer(self) -> Tracer:
        """The service's own."""
        return self.traces.get_tracer("service")

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the spans of that name that have ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def metrics(self) -> dict[str, list[Point]]:
        """Return all series by the metric's name; the units are in `units`."""
        found: dict[str, list[Point]] = {}
        data = self.reader.get_metrics_data()
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[f"{metric.name} {metric.unit}"] = [_point(one) for one in metric.data.data_points]
        return found

    def shutdown(self) -> None:
        self.traces.shutdown()
        self.meters.shutdown()


def _point(data: object) -> Point:
    attributes = dict(getattr(data, "attributes", None) or {})
    if hasattr(data, "bucket_counts"):
        return Point(
            attributes=attributes,
            value=getattr(data, "sum", 0.0),
            count=getattr(data, "count", 0),
            bounds=tuple(getattr(data, "explicit_bounds", ())),
        )
    return Point(attributes=attributes, value=getattr(data, "value", 0.0))


@pytest.fixture
def collected() -> Iterator[Collected]:
    """Telemetry installed, and what it brings."""
    here = Collected()
    telemetry.install(tracer_provider=here.traces, meter_provider=here.meters)
    yield here
    telemetry.uninstall()
    here.shutdown()
