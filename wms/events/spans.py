"""A span for each attempt when tracing is on.

The engine knows no tracing library: whoever starts the process hands a tracer in (web/tracing.py).
"""

from typing import Any, Protocol

from wms.events.bodies import Request
from wms.events.webhooks import Outcome, Sender


class Tracer(Protocol):
    """Opens a span for an attempt and closes it with what came of it."""

    def begin(self, endpoint: str, request: Request) -> tuple[Any, str]:
        """A span and the traceparent that names it."""
        ...

    def end(self, span: Any, outcome: Outcome) -> None: ...


_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Attempts of this process are traced from now on, or not any more."""
    global _tracer
    _tracer = tracer


async def post(sender: Sender, endpoint: str, request: Request) -> Outcome:
    """One attempt, in a span of its own when tracing is on."""
    if _tracer is None:
        return await sender.post(request.id, request.body, request.headers)
    span, traceparent = _tracer.begin(endpoint, request)
    outcome = Outcome(outcome="cancelled")
    try:
        headers = {**request.headers, "traceparent": traceparent}
        outcome = await sender.post(request.id, request.body, headers)
        return outcome
    finally:
        _tracer.end(span, outcome)
