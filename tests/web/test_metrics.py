"""What /metrics tells, to whom, and that it asks the database seldom."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from tests import world as w
from tests.carriers.shipped import shipped
from tests.events.conftest import QUICK, tell
from tests.events.receiver import Receiver
from tests.world import World
from web.app import create_app
from web.metrics import Requests, timed
from wms.access.clients import create_client
from wms.events import endpoints
from wms.events.catalog import TYPES
from wms.events.endpoints import NewEndpoint
from wms.events.keys import Vault
from wms.events.worker import drain
from wms.exceptions import life
from wms.settings import Settings

TOKEN = {"Authorization": "Bearer s3cret"}


@pytest_asyncio.fixture(loop_scope="session")
async def app(world: World, tmp_path: Path) -> AsyncIterator[Litestar]:
    settings = Settings(database_url=world.db.url, pool_size=4, data_dir=tmp_path,
                        egress_allow="127.0.0.0/8", metrics_token="s3cret")  # fmt: skip
    made = create_app(settings, background=False)
    yield made
    await made.state.db.close()


def client(app: Litestar, host: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(host, 4711))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://wms.test")


async def read(app: Litestar) -> dict[tuple[str, ...], float]:
    """Samples by name and label values; the next look at the database is due at once."""
    app.state.metrics.looks._at = float("-inf")
    async with client(app) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_strangers_and_proxies_need_the_token(app: Litestar) -> None:
    async with client(app, "203.0.113.9") as far, client(app) as near:
        assert (await far.get("/metrics")).status_code == 403
        assert (await far.get("/metrics", headers=TOKEN)).status_code == 200
        wrong = {"Authorization": "Bearer s3cres"}
        assert (await far.get("/metrics", headers=wrong)).status_code == 403
        assert (await near.get("/metrics")).status_code == 200
        through = {"X-Forwarded-For": "203.0.113.9"}
        assert (await near.get("/metrics", headers=through)).status_code == 403


async def test_requests_are_timed_by_route_and_refusals_counted_by_code(app: Litestar) -> None:
    async with client(app) as http:
        await http.get("/v1/warehouses/W1/inventory/levels")
        await http.get("/v1/warehouses/W2/inventory/levels")
        await http.get("/office/login")
    found = await read(app)
    name = "http_request_duration_seconds_count"
    assert found[(name, "GET", "/office/login", "200")] == 1
    counted = [value for key, value in found.items()
               if key[:2] == (name, "GET") and key[2].startswith("/v1/")]  # fmt: skip
    assert counted == [2]  # two warehouses, one route
    assert [value for key, value in found.items() if key[0] == "inbound_reject_total"] == [2]


async def test_streams_endpoints_and_keys_are_told(app: Litestar, world: World) -> None:
    receiver = await Receiver().start()
    settings: Settings = app.state.settings
    new = NewEndpoint(code="erp", url=receiver.url, types=["order.*"])
    async with world.db.transaction() as tx:
        made = await endpoints.create(
            tx, new, Vault(settings), endpoints.egress_of(settings), "user:ADA", datetime.now(UTC)
        )
        receiver.secret = made.secret
    await endpoints.verify(world.db, settings, "erp", "user:ADA")
    await read(app)
    async with world.db.transaction() as tx:
        await tell(tx, world.warehouse_id, "A")
        soon = {"at": datetime.now(UTC) + timedelta(days=3)}
        await tx.execute(text("UPDATE endpoint_secret SET expires_at = :at"), soon)
    before = await read(app)
    assert before[("seal_lag_seconds", "W1")] > 0
    assert await drain(world.db, settings, QUICK, 20)
    for _ in range(2):  # attempts count once they have surely committed
        after = await read(app)
    await receiver.stop()
    assert after[("seal_lag_seconds", "W1")] == 0
    head = await w.scalar(world, "SELECT pos FROM seal_state")
    assert after[("stream_head_pos", "W1")] == head
    assert after[("endpoint_lag_events", "erp", "W1")] == 0
    assert after[("delivery_attempts_total", "ok")] == 1
    assert after[("delivery_latency_seconds_count",)] == 1
    assert after[("breaker_state", "erp")] == 0
    assert after[("dead_letters", "out")] == 0
    assert 2.9 < after[("secret_days_left", "erp")] < 3


async def test_partners_carriers_and_repairs_are_told_with_bounded_labels(
    app: Litestar, world: World
) -> None:
    async with world.db.transaction() as tx:
        key = await create_client(tx, "ERP", warehouse_ids=[world.warehouse_id])
    await shipped(world, "SO-1", "T1", "T2")
    await shipped(world, "SO-2", "T3")
    async with world.db.transaction() as tx:
        gone = {"at": datetime.now(UTC) - timedelta(days=2)}
        await tx.execute(text("UPDATE load SET departed_at = :at"), gone)
        stamp = w.stamp(world, "SUE", at=datetime.now(UTC) - timedelta(minutes=10))
        trouble = await life.open_exception(tx, stamp, "no_bin", "lpn/1")
        await life.resolve(tx, w.stamp(world, "SUE", at=datetime.now(UTC)), trouble)
        early = w.stamp(world, "SUE", at=datetime.now(UTC) - timedelta(hours=2))
        await life.open_exception(tx, early, "stock_gap", "stock/ACME")
    await read(app)
    at = datetime.now(UTC) - timedelta(hours=2)
    told = {"tracking_no": "T1", "raw_code": "picked_up", "occurred_at": at.isoformat(),
            "source": "parcel", "carrier": "Somebody unknown"}  # fmt: skip
    async with client(app) as http:
        for _ in range(2):
            answer = await http.post("/v1/milestones", json=told,
                                     headers={"Authorization": f"Bearer {key}"})  # fmt: skip
            assert answer.status_code < 202, answer.text
    for _ in range(2):  # milestones count once they have surely committed
        found = await read(app)
    assert found[("duplicate_inbound_ratio", "ERP")] == 0.5
    assert found[("recon_backlog", "1d", "stock_gap")] == 1
    other = create_app(app.state.settings, background=False)  # a process that took no write
    assert (await read(other))[("duplicate_inbound_ratio", "ERP")] == 0.5
    await other.state.db.close()
    assert found[("milestone_latency_seconds_count", "other")] == 1
    assert 7190 < found[("milestone_latency_seconds_sum", "other")] < 7400
    assert found[("milestone_missing", "PARCEL")] == 1
    assert 590 < found[("exception_mttr_seconds", "no_bin")] < 700
    assert {key[2] for key in found if key[0] == "schema_major_usage"} == set(TYPES)


async def test_the_database_is_asked_once_for_many_readers(app: Litestar, world: World) -> None:
    async with client(app) as http:
        await http.get("/metrics")
        first = app.state.metrics.looks.now
        await http.get("/metrics")
    assert app.state.metrics.looks.now is first


async def test_counting_a_request_takes_microseconds() -> None:
    async def nothing(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def drop(_message: Any) -> None:
        return None

    measured = timed(Requests())(nothing)
    scope = {"type": "http", "path_template": "/floor/act", "method": "POST"}
    spent: dict[Any, float] = {nothing: 0.0, measured: 0.0}
    for handler in (nothing, measured, nothing, measured):
        began = time.process_time()
        for _ in range(2000):
            await handler(scope, drop, drop)
        spent[handler] += time.process_time() - began
    assert (spent[measured] - spent[nothing]) / 4000 < 50e-6
