"""Traces: what a request carries goes with its events; spans too, with the extra `otel`.

A partner's `traceparent` is kept with the events of its request always. With WMS_OTEL=1 each
request and each attempt to deliver is a span; where they go is set by the OTEL_* variables.
"""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from wms.errors import Refused
from wms.events import carried, spans
from wms.events.bodies import Request
from wms.events.rules import OK
from wms.events.webhooks import Outcome
from wms.settings import Settings


class NoTracing(Refused):
    say = "WMS_OTEL is set, and the libraries are missing: pip install 'wms[otel]'."


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
        raise NoTracing() from error
    provider = provider or _provider()
    spans.use(_Attempts(provider.get_tracer("wms.events")))
    config = OpenTelemetryConfig(tracer_provider=provider, exclude=["^/metrics", "^/static"],
                                 exclude_spans=["send", "receive"])  # fmt: skip

    def spanning(app: ASGIApp) -> ASGIApp:
        """The span of the request is what its events carry."""

        async def carry(scope: Scope, receive: Receive, send: Send) -> None:
            kept = carried.traceparent.set(_traceparent(trace.get_current_span()))
            try:
                await app(scope, receive, send)
            finally:
                carried.traceparent.reset(kept)

        return carry

    return [config.middleware, spanning]


def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = TracerProvider(resource=Resource.create({"service.name": "wms"}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def _traceparent(span: Any) -> str:
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class _Attempts:
    """A client span for each attempt, below the span of the act that caused the event."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def begin(self, endpoint: str, request: Request) -> tuple[Any, str]:
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind

        first = request.items[0]
        parent = propagate.extract({"traceparent": first.row.traceparent})
        span = self._tracer.start_span(
            f"deliver {first.row.type}", context=parent, kind=SpanKind.CLIENT,
            attributes={
                "wms.endpoint": endpoint, "wms.event_id": request.id, "wms.attempt": first.n + 1,
                "wms.events": len(request.items), "wms.trigger": first.trigger,
            },
        )  # fmt: skip
        return span, _traceparent(span)

    def end(self, span: Any, outcome: Outcome) -> None:
        from opentelemetry.trace import StatusCode

        span.set_attribute("wms.class", outcome.outcome)
        span.set_attribute("http.response.status_code", outcome.status)
        if outcome.outcome != OK:
            span.set_status(StatusCode.ERROR, outcome.detail or outcome.outcome)
        span.end()
