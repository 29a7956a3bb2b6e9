"""Spans of deliveries, with the extra `otel`; where they go is set by the OTEL_* variables."""

from typing import Any

from wms.errors import Refused
from wms.events import spans
from wms.events.bodies import Request
from wms.events.rules import OK
from wms.events.webhooks import Outcome


class NoTracing(Refused):
    say = "WMS_OTEL is set, and the libraries are missing: pip install 'wms[otel]'."


def trace_deliveries(provider: Any = None) -> Any:
    """Attempts of this process are spans from now on. `provider` replaces the one of the
    environment; the one in use is answered. Raises NoTracing."""
    try:
        provider = provider or _provider()
    except ImportError as error:
        raise NoTracing() from error
    spans.use(_Attempts(provider.get_tracer("wms.events")))
    return provider


def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = TracerProvider(resource=Resource.create({"service.name": "wms"}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def traceparent_of(span: Any) -> str:
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
        return span, traceparent_of(span)

    def end(self, span: Any, outcome: Outcome) -> None:
        from opentelemetry.trace import StatusCode

        span.set_attribute("wms.class", outcome.outcome)
        span.set_attribute("http.response.status_code", outcome.status)
        if outcome.outcome != OK:
            span.set_status(StatusCode.ERROR, outcome.detail or outcome.outcome)
        span.end()
