"""OpenTelemetry for nauth: a span for each renewal and each caller that waits for one, and metrics. Needs ``nauth[otel]``.

Call `install` once, when the program starts::

    from nauth import telemetry

    telemetry.install()

See the page "Metrics and tracing" for the names. Without this call nauth imports nothing of OpenTelemetry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nauth.errors import ConfigurationError
from nauth.reporting import telemetry_seam

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["install", "uninstall"]


def install(
    *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Trace and measure every client of this process from now on. A second call changes nothing.

    Providers are taken, never set: configure the SDK as for the rest of the program. Each worker process calls this for
    itself; where a server forks workers, after the fork, as the SDK's own exporters have to be.

    Args:
        tracer_provider: makes the spans; the global provider if None.
        meter_provider: makes the metrics; the global provider if None.

    Raises:
        ConfigurationError: ``opentelemetry-api`` is not installed.
    """
    if telemetry_seam.installed is not None:
        return
    try:
        from nauth.telemetry.otel import OtelTelemetry  # noqa: PLC0415 - the extra is needed by those who install only
    except ImportError:
        raise ConfigurationError(
            "nauth.telemetry needs the package opentelemetry-api: pip install nauth[otel]"
        ) from None
    telemetry_seam.installed = OtelTelemetry(tracer_provider=tracer_provider, meter_provider=meter_provider)


def uninstall() -> None:
    """Trace and measure nothing more, as in a test that has ended. Spans under way still end."""
    telemetry_seam.installed = None
