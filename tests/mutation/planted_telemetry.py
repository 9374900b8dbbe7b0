"""Bugs in telemetry, in listing records, in the pool's cookies and in the test kit."""

from __future__ import annotations

from tests.mutation.bug import Planted

__all__ = ["TELEMETRY"]

_SPANS = ("tests/nauth/telemetry/test_spans.py",)
_METRICS = ("tests/nauth/telemetry/test_metrics.py",)
_RECORDS = ("tests/nauth/stores/test_records.py",)

TELEMETRY: tuple[Planted, ...] = (
    Planted(
        "telemetry: a renewal is a child of the request that caused it",
        "common/nauth/telemetry/otel.py",
        '                "nauth renew",\n                context=Context(),\n',
        '                "nauth renew",\n                context=None,\n',
        _SPANS,
    ),
    Planted(
        "telemetry: a revocation is in no trace of its caller's",
        "common/nauth/telemetry/otel.py",
        '        super().__init__(tracer.start_span("nauth revoke", attributes=_names(whose)))\n',
        '        super().__init__(tracer.start_span("nauth revoke", context=Context(), attributes=_names(whose)))\n',
        _SPANS,
    ),
    Planted(
        "telemetry: links without a bound",
        "common/nauth/telemetry/otel.py",
        "if not caller.is_valid or len(self._linked) >= MOST_LINKS or caller.span_id in self._linked:\n",
        "if not caller.is_valid or caller.span_id in self._linked:\n",
        _SPANS,
    ),
    Planted(
        "telemetry: the wait of a cancelled caller never ends",
        "common/nauth/manager/single_flight.py",
        "            self.trace.left(waiter)\n",
        "            pass\n",
        _SPANS,
    ),
    Planted(
        "telemetry: what a broken processor raises reaches the caller",
        "common/nauth/telemetry/harmless.py",
        "                return instead()\n",
        "                raise\n",
        _SPANS,
    ),
    Planted(
        "telemetry: a metric names the client",
        "common/nauth/telemetry/otel.py",
        'self._attributes = {"nauth.vendor": whose.vendor, "nauth.renewal.cause": cause.value}\n',
        'self._attributes = {"nauth.vendor": whose.identity, "nauth.renewal.cause": cause.value}\n',
        _METRICS,
    ),
    Planted(
        "telemetry: the gauge tells the latest expiry, not the next",
        "common/nauth/telemetry/metrics.py",
        "least[vendor] = min(left, least.get(vendor, left))\n",
        "least[vendor] = max(left, least.get(vendor, left))\n",
        _METRICS,
    ),
    Planted(
        "telemetry: an idle client's expired token counts",
        "common/nauth/manager/token_cache.py",
        "return None if self.backoff.last_failure(mono) is None else 0.0\n",
        "return 0.0\n",
        _METRICS,
    ),
    Planted(
        "telemetry: waiting for a store's change counts as its work",
        "common/nauth/manager/store_access.py",
        'telemetry_seam.installed is not None and operation != "watch"',
        "telemetry_seam.installed is not None",
        _METRICS,
    ),
    Planted(
        "records: a lease that is over counts",
        "common/nauth/stores/memory.py",
        "if one.ends_at > now and not one.loop.gone}\n",
        "if not one.loop.gone}\n",
        _RECORDS,
    ),
    Planted(
        "records: a prefix is read as a pattern",
        "common/nauth/stores/redis/executor.py",
        'f"{_ESCAPED.sub(_escape, begins)}*{ends}"',
        'f"{begins}*{ends}"',
        _RECORDS,
    ),
    Planted(
        "records: a name that a scan tells twice is two records",
        "common/nauth/stores/redis/executor.py",
        "                seen.add(digest)\n",
        "                pass\n",
        _RECORDS,
    ),
    Planted(
        "cookies: the warning comes for each client",
        "common/nauth/transport/shared_cookies.py",
        "        _first[session] = _TOLD\n",
        "        pass\n",
        ("tests/nauth/transport/test_shared_cookies.py",),
    ),
    Planted(
        "kit: the assertion on token calls passes whatever came",
        "common/nauth/testing/vendor_sandbox.py",
        "        if self.token_calls != times:\n",
        "        if self.token_calls < times:\n",
        ("tests/nauth/testing/test_herd.py",),
    ),
)
