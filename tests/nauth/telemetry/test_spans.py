"""Spans: a root for each renewal, linked to those that wait, and one in the trace of each that waits."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from nauth import telemetry
from nauth.errors import ConfigurationError, CredentialsRejectedError, NauthError, VendorUnavailableError
from nauth.manager.token_manager import TokenManager
from nauth.reporting import telemetry_seam
from nauth.telemetry.otel import MOST_LINKS
from tests.nauth.telemetry.conftest import Collected
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import Rig, all_blocked

DOWN = VendorUnavailableError("the secret-words of the vendor")


async def _within(collected: Collected, manager: TokenManager, name: str = "GET /pay") -> str:
    with collected.tracer.start_as_current_span(name):
        return (await manager.token()).access_token.reveal()


def _of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def _linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def _only(spans: Sequence[ReadableSpan]) -> ReadableSpan:
    assert len(spans) == 1
    return spans[0]


async def test_a_renewal_and_who_waits(collected: Collected) -> None:
    """A renewal is a root of its own, linked to the request that waits; the wait is a child there, linked back."""
    rig = Rig()
    await _within(collected, rig.manager)
    request, renewal, wait = (
        _only(collected.spans(name)) for name in ("GET /pay", "nauth renew", "nauth wait")
    )
    assert renewal.parent is None
    assert _of(renewal).trace_id != _of(request).trace_id
    assert _linked(renewal) == [_of(request).span_id]
    assert wait.parent is not None
    assert wait.parent.span_id == _of(request).span_id
    assert _linked(wait) == [_of(renewal).span_id]
    assert {span.kind for span in (renewal, wait)} == {SpanKind.INTERNAL}
    assert renewal.attributes == {
        "nauth.vendor": "fake",
        "nauth.identity": "digest",
        "nauth.renewal.cause": "cold",
        "nauth.renewal.source": "issue",
        "nauth.renewal.waiters": 1,
    }
    assert wait.attributes == {"nauth.vendor": "fake", "nauth.identity": "digest"}


async def test_a_token_that_another_loop_brought(collected: Collected) -> None:
    """A renewal that finds such a token instead of calling the vendor says that it adopted it."""
    rig, gate = Rig(), asyncio.Event()
    rig.store.will("lease", gate.wait)
    caller = asyncio.create_task(rig.manager.token())
    await all_blocked()
    with rig.manager.cache.guard:
        rig.manager.cache.hold(made("elsewhere"), 0, 0.0, dead=False, stored=False)
    gate.set()
    await caller
    attributes = _only(collected.spans("nauth renew")).attributes
    assert attributes is not None
    assert attributes["nauth.renewal.source"] == "adopted"


async def test_a_fresh_token_makes_no_span(collected: Collected) -> None:
    """Who is served at once waits for nothing, and has no span for it."""
    rig = Rig()
    await rig.name()
    collected.exporter.clear()
    for _ in range(100):
        await _within(collected, rig.manager)
    assert {span.name for span in collected.exporter.get_finished_spans()} == {"GET /pay"}


async def test_who_is_not_traced(collected: Collected) -> None:
    """A caller without a span gets none for its wait, and no link to nothing."""
    await Rig().name()
    assert collected.spans("nauth wait") == []
    assert _only(collected.spans("nauth renew")).links == ()


async def test_a_quiet_renewal(collected: Collected) -> None:
    """A renewal in the background outlasts the request that caused it: a root with a link, and no wait."""
    rig = Rig(rotating=True)
    await rig.name()
    collected.exporter.clear()
    rig.clock.advance(3_550)
    gate = rig.close_gate()
    assert await _within(collected, rig.manager) == "t1"
    request = _only(collected.spans("GET /pay"))
    gate.set()
    await all_blocked()
    renewal = _only(collected.spans("nauth renew"))
    assert _linked(renewal) == [_of(request).span_id]
    assert renewal.attributes is not None
    assert renewal.attributes["nauth.renewal.source"] == "refresh"
    assert collected.spans("nauth wait") == []


async def test_a_thousand_waiters(collected: Collected) -> None:
    """Of a thousand waiters in traces of their own each has its wait; the renewal keeps the first links and counts all."""
    rig = Rig()
    gate = rig.close_gate()
    callers = [asyncio.create_task(_within(collected, rig.manager, f"GET /{n}")) for n in range(1_000)]
    await all_blocked()
    gate.set()
    await asyncio.gather(*callers)
    renewal, waits = _only(collected.spans("nauth renew")), collected.spans("nauth wait")
    assert len(waits) == 1_000
    assert {_linked(wait)[0] for wait in waits} == {_of(renewal).span_id}
    firsts = [_of(_only(collected.spans(f"GET /{n}"))).span_id for n in range(MOST_LINKS)]
    assert _linked(renewal) == firsts
    assert renewal.attributes is not None
    assert renewal.attributes["nauth.renewal.waiters"] == 1_000
    assert renewal.dropped_links == 0


async def test_one_request_that_waits_often(collected: Collected) -> None:
    """A hundred waits of one request are one link."""
    rig = Rig()
    with collected.tracer.start_as_current_span("GET /pay"):
        await asyncio.gather(*(rig.name() for _ in range(100)))
    assert len(_only(collected.spans("nauth renew")).links) == 1
    assert len(collected.spans("nauth wait")) == 100


async def test_failed(collected: Collected) -> None:
    """A failure is the name of its class, on the renewal and on every wait: no words, no stack trace."""
    rig = Rig()
    rig.vendor.errors.append(DOWN)
    with pytest.raises(VendorUnavailableError):
        await _within(collected, rig.manager)
    for name in ("nauth renew", "nauth wait"):
        span = _only(collected.spans(name))
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "VendorUnavailableError"
        assert span.attributes is not None
        assert span.attributes["error.type"] == "VendorUnavailableError"
        assert span.events == ()
        assert "secret-words" not in span.to_json()


async def test_cancelled_waiter(collected: Collected) -> None:
    """The wait of a caller that was cancelled ends then, without an error; the renewal goes on."""
    rig = Rig()
    gate = rig.close_gate()
    caller = asyncio.create_task(_within(collected, rig.manager))
    await all_blocked()
    caller.cancel()
    await asyncio.wait({caller})
    wait = _only(collected.spans("nauth wait"))
    assert wait.status.status_code is StatusCode.UNSET
    assert collected.spans("nauth renew") == []
    gate.set()
    await all_blocked()
    renewal = _only(collected.spans("nauth renew"))
    assert renewal.attributes is not None
    assert renewal.attributes["nauth.renewal.waiters"] == 0


async def test_given_up(collected: Collected) -> None:
    """A renewal that was cancelled with its loop ends as cancelled, and is no failure of the vendor's."""
    rig = Rig()
    rig.close_gate()
    caller = asyncio.create_task(_within(collected, rig.manager))
    await all_blocked()
    for task in rig.tasks():
        task.cancel()
    with pytest.raises(NauthError):
        await caller
    assert _only(collected.spans("nauth renew")).status.description in {
        "CancelledError",
        "OutcomeUnknownError",
    }
    later = Rig()
    work = asyncio.create_task(later.name())
    await asyncio.sleep(0)
    for task in later.tasks():
        task.cancel()
    with pytest.raises(NauthError):
        await work
    assert collected.spans("nauth renew")[-1].status.description in {"CancelledError", "OutcomeUnknownError"}


async def test_adopted(collected: Collected) -> None:
    """A sibling's token out of the store is a renewal whose source says so."""
    rig = Rig()
    await rig.name()
    collected.exporter.clear()
    sibling = rig.another()
    await sibling.token()
    renewal = _only(collected.spans("nauth renew"))
    assert renewal.attributes is not None
    assert renewal.attributes["nauth.renewal.source"] == "adopted"
    assert rig.calls == ["issue"]


async def test_refused_refresh(collected: Collected) -> None:
    """A refresh that the vendor refused, and that an issue made good, is told."""
    rig = Rig(rotating=True)
    await rig.name()
    collected.exporter.clear()
    rig.vendor.errors.append(CredentialsRejectedError("spent"))
    await rig.manager.renew()
    renewal = _only(collected.spans("nauth renew"))
    assert renewal.attributes is not None
    assert renewal.attributes["nauth.renewal.refused_refresh"] is True
    assert renewal.attributes["nauth.renewal.source"] == "issue"


async def test_revoked(collected: Collected) -> None:
    """A revocation is a span in the trace of its caller, with the vendor's error on it where it failed."""
    rig = Rig()
    await rig.name()
    rig.vendor.errors.append(DOWN)
    with collected.tracer.start_as_current_span("DELETE /session") as request, pytest.raises(NauthError):
        await rig.manager.revoke()
    with collected.tracer.start_as_current_span("DELETE /session"):
        await rig.manager.revoke()
    failed, done = collected.spans("nauth revoke")
    assert failed.parent is not None
    assert failed.parent.span_id == request.get_span_context().span_id
    assert failed.status.description == "VendorUnavailableError"
    assert done.status.status_code is StatusCode.UNSET
    assert collected.spans("nauth wait") == []


class Looking(FakeAuthenticator):
    """Says in which span and with which baggage it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.within: list[tuple[int, dict[str, object]]] = []

    def _look(self) -> None:
        span = trace.get_current_span().get_span_context().span_id
        self.within.append((span, dict(baggage.get_all())))

    async def issue(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 - as its parent
        """Look, then issue."""
        self._look()
        return await super().issue()

    async def revoke(self, token):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - as its parent
        """Look, then revoke."""
        self._look()
        return await super().revoke(token)


async def test_what_the_token_call_runs_in(collected: Collected) -> None:
    """A token call runs in our span, so that spans of its HTTP call are children, and without the caller's baggage."""
    rig = Rig()
    vendor = Looking()
    manager = rig.another(vendor)
    attached = otel_context.attach(baggage.set_baggage("user", "ada@example.com"))
    try:
        await _within(collected, manager)
        await manager.revoke()
    finally:
        otel_context.detach(attached)
    spans = [_only(collected.spans(name)) for name in ("nauth renew", "nauth revoke")]
    assert vendor.within == [(_of(span).span_id, {}) for span in spans]


async def test_clients_that_were_there_before(collected: Collected) -> None:
    """Telemetry that is installed, or taken away, while a renewal is under way disturbs it not."""
    installed, telemetry_seam.installed = telemetry_seam.installed, None
    rig = Rig()
    gate = rig.close_gate()
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    telemetry_seam.installed = installed
    late = asyncio.create_task(_within(collected, rig.manager))
    await all_blocked()
    gate.set()
    assert [await caller, await late] == ["t1", "t1"]
    assert collected.spans("nauth renew") == []
    await _within(collected, rig.another())
    telemetry.uninstall()
    await rig.manager.renew()
    assert len(collected.spans("nauth renew")) == 1


def test_installed_twice(collected: Collected) -> None:
    """A second call changes nothing: one renewal stays one span, of the first."""
    second = Collected()
    telemetry.install(tracer_provider=second.traces, meter_provider=second.meters)
    asyncio.run(_within(collected, Rig().manager))
    assert len(collected.spans("nauth renew")) == 1
    assert second.spans("nauth renew") == []
    second.shutdown()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without opentelemetry-api the error names the extra, and nothing is installed."""
    monkeypatch.setitem(__import__("sys").modules, "nauth.telemetry.otel", None)
    with pytest.raises(ConfigurationError, match=r"nauth\[otel\]"):
        telemetry.install()
    assert telemetry_seam.installed is None


class Broken(SpanProcessor):
    """Raises at whatever it is told, or only at what comes after the first spans."""

    def __init__(self, good: int = 0) -> None:
        self.good = good

    def on_start(self, span: object, parent_context: object = None) -> None:
        """Raise, once the good ones are through."""
        self.good -= 1
        if self.good < 0:
            raise RuntimeError("secret-words")

    def on_end(self, span: object) -> None:
        """Raise."""
        raise RuntimeError("secret-words")


@pytest.fixture(params=range(4))
def broken(request: pytest.FixtureRequest) -> Iterator[None]:
    """Telemetry installed whose spans break: all, or all but the first ones."""
    provider, meters = TracerProvider(), MeterProvider()
    provider.add_span_processor(Broken(request.param))
    telemetry.install(tracer_provider=provider, meter_provider=meters)
    yield
    telemetry.uninstall()
    meters.shutdown()


@pytest.mark.usefixtures("broken")
async def test_a_broken_processor(caplog: pytest.LogCaptureFixture) -> None:
    """A span processor that raises breaks no renewal and no revocation; the log names the class, not the words."""
    rig = Rig(rotating=True)
    with trace.use_span(trace.NonRecordingSpan(SpanContext(1, 2, is_remote=False))):
        assert await rig.name() == "t1"
        await rig.manager.revoke()
        gate = rig.close_gate()
        caller = asyncio.create_task(rig.name())
        await all_blocked()
        caller.cancel()
        await asyncio.wait({caller})
        gate.set()
        await rig.name()
        rig.vendor.errors.append(CredentialsRejectedError("spent"))
        await rig.manager.renew()
    said = [record.getMessage() for record in caplog.records if record.name == "nauth"]
    assert any("telemetry raised RuntimeError" in line for line in said)
    assert "secret-words" not in caplog.text


async def test_nothing_is_kept(collected: Collected) -> None:
    """Telemetry keeps no client alive."""
    rig = Rig()
    await rig.name()
    await rig.manager.aclose()
    gone = weakref.ref(rig.manager)
    del rig
    gc.collect()
    assert gone() is None
    assert not collected.metrics().get("nauth.token.time_to_expiry s")
