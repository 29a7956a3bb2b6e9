"""A trace goes from a partner's request into its events and out to the receiver."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests import world as w
from tests.events.conftest import QUICK
from tests.events.receiver import Receiver
from tests.office.conftest import sign_in
from tests.world import World
from web.app import create_app
from wms.events import endpoints, spans
from wms.events.carried import read_traceparent
from wms.events.endpoints import NewEndpoint
from wms.events.keys import Vault
from wms.events.worker import drain
from wms.settings import Settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> Any:
    made = await Receiver().start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def off_again() -> Any:
    yield
    spans.use(None)


async def deliver_a_hold(
    world: World, receiver: Receiver, tmp_path: Path, exporter: InMemorySpanExporter | None
) -> None:
    """A supervisor holds an order, with a traceparent; its event is delivered."""
    settings = Settings(database_url=world.db.url, pool_size=4, data_dir=tmp_path,
                        egress_allow="127.0.0.0/8", otel=exporter is not None)  # fmt: skip
    provider = TracerProvider()
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(settings, background=False, provider=provider)
    new = NewEndpoint(code="erp", url=receiver.url, types=["order.held"])
    async with world.db.transaction() as tx:
        made = await endpoints.create(
            tx, new, Vault(settings), endpoints.egress_of(settings), "user:ADA", datetime.now(UTC)
        )
        receiver.secret = made.secret
    await endpoints.verify(world.db, settings, "erp", "user:ADA")
    order = await w.order(world, "SO-1", ("MUG", 3), ship_to={})
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", headers=headers
    ) as http:
        await sign_in(http, "SUE")
        url = f"/office/orders/{order['id']}/hold"
        answer = await http.post(url, data={"reason": "x"}, headers={"traceparent": PARENT})
        assert answer.status_code == 303
    await app.state.db.close()
    assert await drain(world.db, settings, QUICK, 20)


async def test_a_traceparent_reaches_the_receiver_without_any_tracing(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    await deliver_a_hold(world, receiver, tmp_path, None)
    (got,) = receiver.got
    assert got.body["traceparent"] == PARENT
    assert got.headers["traceparent"] == PARENT


async def test_request_and_attempt_are_spans_of_one_trace(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    exporter = InMemorySpanExporter()
    await deliver_a_hold(world, receiver, tmp_path, exporter)
    (got,) = receiver.got
    found = [s for s in exporter.get_finished_spans() if f"{s.context.trace_id:032x}" == TRACE]
    request, attempt = sorted(found, key=lambda span: span.start_time or 0)
    assert "/office/orders/" in request.name
    assert attempt.name == "deliver order.held"
    assert attempt.parent is not None
    assert request.context is not None
    assert attempt.parent.span_id == request.context.span_id
    assert got.body["traceparent"] == f"00-{TRACE}-{request.context.span_id:016x}-01"
    assert got.headers["traceparent"] == f"00-{TRACE}-{attempt.context.span_id:016x}-01"
    assert attempt.attributes is not None
    assert attempt.attributes["wms.endpoint"] == "erp"
    assert attempt.status.status_code == StatusCode.UNSET


@pytest.mark.parametrize("text", ["", "x", PARENT.upper(), PARENT + "0", PARENT.replace("-", "")])
def test_a_malformed_traceparent_is_not_carried(text: str) -> None:
    assert read_traceparent(text) == ""
