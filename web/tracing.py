"""Traces: what a request carries goes with its events; spans too, with the extra `otel`.

A partner's `traceparent` is kept with the events of its request always. With WMS_OTEL=1 each
request and each attempt to deliver is a span; where they go is set by the OTEL_* variables.
"""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from wms.events import carried, spans, tracing
from wms.settings import Settings


def carrying(app: ASGIApp) -> ASGIApp:
    """Middleware: the request's traceparent is that of its events."""

    async def carry(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        found = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        if not found:
            await app(scope, receive, send)
            return
        kept = carried.traceparent.set(carried.read_traceparent(found.decode("latin-1")))
        try:
            await app(scope, receive, send)
        finally:
            carried.traceparent.reset(kept)

    return carry


def middleware(settings: Settings, provider: Any = None) -> list[Any]:
    """What the application runs requests through. `provider` replaces the one of the environment.

    Raises NoTracing.
    """
    if not settings.otel:
        spans.use(None)
        return [carrying]
    try:
        from litestar.plugins.opentelemetry import OpenTelemetryConfig
        from opentelemetry import trace
    except ImportError as error:
        raise tracing.NoTracing() from error
    provider = tracing.trace_deliveries(provider)
    config = OpenTelemetryConfig(tracer_provider=provider, exclude=["^/metrics", "^/static"],
                                 exclude_spans=["send", "receive"])  # fmt: skip

    def spanning(app: ASGIApp) -> ASGIApp:
        """The span of the request is what its events carry."""

        async def carry(scope: Scope, receive: Receive, send: Send) -> None:
            kept = carried.traceparent.set(tracing.traceparent_of(trace.get_current_span()))
            try:
                await app(scope, receive, send)
            finally:
                carried.traceparent.reset(kept)

        return carry

    return [config.middleware, spanning]
