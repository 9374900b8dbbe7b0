"""`OtelTelemetry`: spans and metrics of OpenTelemetry. Imported by `nauth.telemetry.install` only."""

from __future__ import annotations

from importlib.metadata import version

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, Tracer, TracerProvider

from nauth.events import Cause, Event, OriginRefused, RequestReplayed
from nauth.reporting.telemetry_seam import Expiring, FlightTrace, Telemetry, Whose
from nauth.telemetry.harmless import harmless
from nauth.telemetry.metrics import Metrics

__all__ = ["MOST_LINKS", "OtelTelemetry"]

MOST_LINKS = 64
"""Links of a renewal's span, the first ones. The SDK would keep the last 128, and drop the others without a word; how
many callers there were is in an attribute."""


class _Untraced:
    """Stands for a trace that could not be begun."""

    def enter(self) -> None:
        """Do nothing."""

    def joined(self, waiter: object) -> None:
        """Do nothing."""

    def left(self, waiter: object) -> None:
        """Do nothing."""

    def brought(self, source: str) -> None:
        """Do nothing."""

    def over(self, error: str | None, waiters: int) -> None:
        """Do nothing."""


def _untraced() -> FlightTrace:
    return _Untraced()


def _nothing() -> None:
    return None


class OtelTelemetry(Telemetry):
    """Traces and measures by OpenTelemetry's API.

    Args:
        tracer_provider, meter_provider: as for `nauth.telemetry.install`.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        release = version("nauth")
        self._tracer = trace.get_tracer("nauth", release, tracer_provider=tracer_provider)
        self._metrics = Metrics(metrics.get_meter("nauth", release, meter_provider=meter_provider))

    @harmless(_untraced)
    def renewal(self, whose: Whose, cause: Cause, holder: Expiring) -> FlightTrace:
        """Begin the span of a renewal: a root, for it may outlast the request that caused it."""
        self._metrics.watch(whose.vendor, holder)
        return _RenewalTrace(self._tracer, self._metrics, whose, cause, holder)

    @harmless(_untraced)
    def revocation(self, whose: Whose) -> FlightTrace:
        """Begin the span of a revocation, in the trace of the caller, which waits for it."""
        return _RevocationTrace(self._tracer, whose)

    @harmless(_nothing)
    def event(self, event: Event) -> None:
        """Count replays and refused origins."""
        match event:
            case RequestReplayed():
                self._metrics.replays.add(
                    1, {"nauth.vendor": event.vendor, "http.response.status_code": event.status}
                )
            case OriginRefused():
                self._metrics.refusals.add(1, {"nauth.vendor": event.vendor})
            case _:
                pass  # renewals are measured where they end: events may be dropped

    @harmless(_nothing)
    def refresh_refused(self) -> None:
        """Note it on the span of the renewal, which is the current one of its task."""
        trace.get_current_span().set_attribute("nauth.renewal.refused_refresh", True)

    @harmless(_nothing)
    def store_operation(self, store: object, operation: str, took_s: float, error: str | None) -> None:
        """Measure one operation of a store."""
        attributes = {
            "nauth.store": type(store).__name__.removesuffix("Store").lower(),
            "nauth.store.operation": operation,
        }
        self._metrics.store.record(
            took_s, attributes if error is None else attributes | {"error.type": error}
        )


class _SpanTrace:
    """A span that is the current one of its owned task, so that spans of its HTTP calls are its children."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @harmless(_nothing)
    def enter(self) -> None:
        # never detached: the context is the task's own and ends with it. An empty one but for the span, so that no
        # baggage of a caller's reaches the vendor
        otel_context.attach(trace.set_span_in_context(self._span, Context()))

    def joined(self, waiter: object) -> None:
        """Do nothing: a revocation's only caller has its span for it."""

    def left(self, waiter: object) -> None:
        """Do nothing."""

    def brought(self, source: str) -> None:
        """Do nothing."""

    @harmless(_nothing)
    def over(self, error: str | None, waiters: int) -> None:  # noqa: ARG002 - as `FlightTrace` says
        _end(self._span, error)


class _RevocationTrace(_SpanTrace):
    def __init__(self, tracer: Tracer, whose: Whose) -> None:
        super().__init__(tracer.start_span("nauth revoke", attributes=_names(whose)))


class _RenewalTrace(_SpanTrace):
    def __init__(
        self, tracer: Tracer, measured: Metrics, whose: Whose, cause: Cause, holder: Expiring
    ) -> None:
        self._tracer, self._metrics, self._holder = tracer, measured, holder
        self._attributes = {"nauth.vendor": whose.vendor, "nauth.renewal.cause": cause.value}
        self._source: str | None = None
        self._names = _names(whose)
        self._linked: set[int] = set()
        self._waits: dict[object, Span] = {}
        self._began = holder.reading()
        # a head sampler sees only the links that are there from the beginning
        first = self._new_link()
        super().__init__(
            tracer.start_span(
                "nauth renew",
                context=Context(),
                attributes=self._names | self._attributes,
                links=[] if first is None else [Link(first)],
            )
        )

    def _new_link(self) -> SpanContext | None:
        """Return the current span's context where the renewal should be linked to it."""
        caller = trace.get_current_span().get_span_context()
        if not caller.is_valid or len(self._linked) >= MOST_LINKS or caller.span_id in self._linked:
            return None
        self._linked.add(caller.span_id)
        return caller

    @harmless(_nothing)
    def joined(self, waiter: object) -> None:
        if not trace.get_current_span().get_span_context().is_valid:
            return  # the caller is not traced: a span of its own would be a trace of one span
        link = self._new_link()
        if link is not None:
            self._span.add_link(link)
        self._waits[waiter] = self._tracer.start_span(
            "nauth wait", attributes=self._names, links=[Link(self._span.get_span_context())]
        )

    @harmless(_nothing)
    def left(self, waiter: object) -> None:
        span = self._waits.pop(waiter, None)
        if span is not None:
            span.end()

    def brought(self, source: str) -> None:
        self._source = source

    @harmless(_nothing)
    def over(self, error: str | None, waiters: int) -> None:
        attributes = dict(self._attributes)
        if error is not None:
            attributes["error.type"] = error
        if self._source is not None:
            attributes["nauth.renewal.source"] = self._source
            self._span.set_attribute("nauth.renewal.source", self._source)
        self._span.set_attribute("nauth.renewal.waiters", waiters)
        _end(self._span, error)
        waits, self._waits = self._waits, {}
        for span in waits.values():
            _end(span, error)
        # measured with the span as the current one, so that an exemplar leads to it
        within = trace.set_span_in_context(self._span, Context())
        self._metrics.duration.record(self._holder.reading() - self._began, attributes, context=within)
        self._metrics.waiters.record(waiters, self._attributes, context=within)


def _names(whose: Whose) -> dict[str, str]:
    return {"nauth.vendor": whose.vendor, "nauth.identity": whose.identity}


def _end(span: Span, error: str | None) -> None:
    if error is not None:
        # not `record_exception`: the text of a stack trace is not ours to vouch for
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR, error))
    span.end()
