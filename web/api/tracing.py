"""The ids of a request: ours names one attempt, theirs follows it into every event it causes.

`X-Request-Id` of the answer is ours. What the sender gave as `X-Correlation-Id` (or, without one,
as `X-Request-Id`) comes back as `X-Correlation-Id`, stands on the order or delivery the request
made, and on every event of its life. Who is known also reads what is left of their quota.
"""

from collections.abc import Sequence
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from web.api.admission import limit_headers
from web.api.security import CORRELATION_MAX
from wms.ids import uuid7

REQUEST_ID, CORRELATION_ID = b"x-request-id", b"x-correlation-id"


def traced(handlers: Sequence[Any]) -> list[Any]:
    """The same handlers; what they ask and answer carries its ids."""
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            handler.middleware = [_tracer, *(handler.middleware or ())]
    return list(handlers)


def _tracer(app: ASGIApp) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        given = {name: value for name, value in headers if name in (REQUEST_ID, CORRELATION_ID)}
        theirs = _clean(given.get(CORRELATION_ID) or given.get(REQUEST_ID, b""))
        scope["state"]["request_id"] = ours = uuid7()
        ids = [(REQUEST_ID, str(ours).encode())] + ([(CORRELATION_ID, theirs)] if theirs else [])
        rest = [(name, value) for name, value in headers if name not in given]
        scope["headers"] = [*rest, *ids]

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *ids, *_limits(scope)]
            await send(message)

        await app(scope, receive, tell)

    return run


def _limits(scope: Scope) -> list[tuple[bytes, bytes]]:
    client = scope["state"].get("client")
    if client is None:
        return []
    said = limit_headers(scope["litestar_app"].state.db, client.code)
    return [(name.lower().encode(), value.encode()) for name, value in said.items()]


def _clean(value: bytes) -> bytes:
    """What may be stored and sent back; nothing for anything else."""
    text = value.decode("latin-1").strip()[:CORRELATION_MAX]
    return text.encode() if text.isascii() and text.isprintable() else b""
