"""The pages about events: endpoints at a glance, dead letters, replays, the way of one order."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from tests import world as w
from tests.events.conftest import QUICK
from tests.events.receiver import Receiver
from tests.office.conftest import sign_in
from tests.office.test_pages import until
from tests.world import World
from web.app import create_app
from web.office.timeline import draw, pause
from wms.db import Tx
from wms.events import endpoints
from wms.events.endpoints import NewEndpoint
from wms.events.groups import doc
from wms.events.keys import Vault
from wms.events.outbox import emit
from wms.events.payload_documents import OrderUpdated
from wms.events.trail import Step
from wms.events.worker import drain, run_events
from wms.ids import uuid7
from wms.settings import Settings
from wms.stamp import Stamp

CORRELATION = "shop-basket-77"


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Settings:
    return Settings(database_url=world.db.url, pool_size=4, data_dir=tmp_path,
                    egress_allow="127.0.0.0/8")  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def browser(settings: Settings) -> Any:
    app = create_app(settings, background=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", headers=headers
    ) as client:
        yield client
    await app.state.db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> Any:
    made = await Receiver().start()
    yield made
    await made.stop()


async def subscribe(world: World, settings: Settings, receiver: Receiver, **more: Any) -> None:
    new = NewEndpoint(code="erp", name="Head office", url=receiver.url, types=["order.*"],
                      contact="ops@erp.test", **more)  # fmt: skip
    async with world.db.transaction() as tx:
        made = await endpoints.create(
            tx, new, Vault(settings), endpoints.egress_of(settings), "user:ADA", datetime.now(UTC)
        )
    receiver.secret = made.secret
    await endpoints.verify(world.db, settings, "erp", "user:ADA")


async def tell(tx: Tx, world: World, number: str, at: datetime, **more: Any) -> None:
    stamp = Stamp(warehouse_id=world.warehouse_id, at=at, key=uuid7(), actor="user:PIA")
    data = OrderUpdated(order=doc("order", 1, number, owner="ACME"))
    await emit(tx, stamp, "order.updated", f"order/ACME/{number}", data, owner="ACME", **more)


async def told(world: World, *numbers: str, **more: Any) -> None:
    """One event for each number, a minute apart."""
    async with world.db.transaction() as tx:
        for minute, number in enumerate(numbers):
            at = datetime.now(UTC) - timedelta(hours=1) + timedelta(minutes=minute)
            await tell(tx, world, number, at, **more)


async def with_dead_letter(world: World, settings: Settings, receiver: Receiver) -> str:
    """An endpoint that refused one of three events for good; the URL of the dead letter."""

    def refuse(body: dict[str, Any], _seen: int) -> web.Response | None:
        if body["partitionkey"].endswith("/BAD"):
            return web.json_response({"error": "customer 4711 is unknown"}, status=422)
        return None

    receiver.fault = refuse
    await subscribe(world, settings, receiver)
    await told(world, "SO-1", "BAD", "SO-2")
    assert await drain(world.db, settings, QUICK, 20)
    event_id = await w.scalar(world, "SELECT event_id FROM parked WHERE state = 'dead'")
    return f"/office/endpoints/erp/deliveries/evt_{event_id.hex}"


async def where(office: httpx.AsyncClient, url: str, **form: str) -> str:
    """Post, and the page it leads to."""
    answer = await office.post(url, data=form)
    assert answer.status_code == 303, answer.text
    return (await office.get(answer.headers["location"])).text


@pytest_asyncio.fixture(loop_scope="session")
async def office(browser: httpx.AsyncClient, world: World) -> httpx.AsyncClient:
    await sign_in(browser, "SUE")
    return browser


async def test_a_search_by_correlation_shows_all_its_events_in_order(
    office: httpx.AsyncClient, world: World, settings: Settings
) -> None:
    await told(world, "SO-1", "SO-2", "SO-1", correlation_id=CORRELATION)
    await told(world, "SO-9")
    await drain(world.db, settings, QUICK, 20)
    page = (await office.get(f"/office/events/find?q={CORRELATION}")).text
    assert re.findall(r"order/ACME/SO-\d", page) == [
        "order/ACME/SO-1", "order/ACME/SO-2", "order/ACME/SO-1",
    ]  # fmt: skip
    assert ">60 s<" in page
    assert "Pia" in page
    event = re.search(r"/office/events/one/(evt_\w+)", page)
    assert event is not None
    raw = (await office.get(event[0])).text
    assert "&#34;specversion&#34;: &#34;1.0&#34;" in raw
    assert CORRELATION in raw
    marked = (await office.get(f"/office/events/find?q={event[1]}")).text
    assert marked.count('aria-current="true"') == 1


async def test_an_order_is_found_by_its_number_with_wave_and_intake(
    office: httpx.AsyncClient, world: World, settings: Settings
) -> None:
    await w.order(world, "SO-1", ("MUG", 3), ship_to={})
    await told(world, "SO-1", "SO-2")
    await drain(world.db, settings, QUICK, 20)
    page = (await office.get("/office/events/find?q=SO-1")).text
    assert "Order SO-1" in page
    assert "order/ACME/SO-2" not in page
    assert "Nothing in the log" in (await office.get("/office/events/find?q=nothing")).text


async def test_a_dead_letter_shows_cause_answer_and_a_masked_payload(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver
) -> None:
    url = await with_dead_letter(world, settings, receiver)
    glance = (await office.get("/office/events/live")).text
    assert "Head office" in glance
    assert 'class="spark"' in glance
    assert "show=dead" in glance
    failed = (await office.get("/office/endpoints/erp?show=failed")).text
    assert "customer 4711 is unknown" in failed
    page = (await office.get(url)).text
    assert "understood and refused" in page
    assert "customer 4711 is unknown" in page
    assert "ops@erp.test" in page
    assert "user:PIA" not in page.partition('class="payload"')[2]


async def test_discarding_needs_a_reason_and_names_the_person(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver
) -> None:
    url = await with_dead_letter(world, settings, receiver)
    assert "Say why" in await where(office, f"{url}/discard", reason="  ")
    assert await w.scalar(world, "SELECT count(*) FROM parked") == 1
    page = await where(office, f"{url}/discard", reason="booked by hand")
    assert "Discarded" in page
    assert "user:SUE: booked by hand" in page
    assert await w.scalar(world, "SELECT count(*) FROM parked") == 0
    assert "any more" in await where(office, f"{url}/discard", reason="again")


async def test_all_dead_letters_of_a_cause_are_discarded_together(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver
) -> None:
    await with_dead_letter(world, settings, receiver)
    cause = {"class": "consumer_error", "status": "422", "type": "order.updated"}
    other = await where(
        office, "/office/endpoints/erp/discard", reason="x", **{**cause, "status": "1"}
    )
    assert "0 dead letters" in other
    page = await where(office, "/office/endpoints/erp/discard", reason="test data", **cause)
    assert "1 dead letters were discarded" in page


async def test_a_retry_delivers_a_dead_letter(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver
) -> None:
    url = await with_dead_letter(world, settings, receiver)
    receiver.fault = None
    assert "tried again now" in await where(office, f"{url}/retry")
    assert await drain(world.db, settings, QUICK, 20)
    assert [got.key for got in receiver.got][-1] == "order/ACME/BAD"
    assert "delivered" in (await office.get(url)).text


async def test_a_replay_is_counted_before_it_is_started(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver
) -> None:
    await subscribe(world, settings, receiver)
    await told(world, "SO-1", "SO-2", "SO-3")
    await drain(world.db, settings, QUICK, 20)
    base = "/office/endpoints/erp/replay"
    asked = {"only": "all", "types": "order.updated", "key": "order/ACME/SO-2"}
    counted = (await office.get(base, params={**asked, "preview": "1"})).text
    assert "Send 1 events" in counted
    assert await w.scalar(world, "SELECT count(*) FROM replay") == 0
    assert "Say why" in await where(office, f"{base}/start", **asked, reason="")
    page = await where(office, f"{base}/start", **asked, reason="their restore")
    assert "user:SUE: their restore" in page
    assert f'hx-get="{base}/progress"' in page
    assert await w.scalar(world, "SELECT count(*) FROM replay WHERE state = 'running'") == 1
    receiver.got.clear()
    stop = asyncio.Event()
    work = asyncio.create_task(run_events(world.db, settings, stop, QUICK))
    await until(world, "SELECT state FROM replay", "done")
    stop.set()
    await work
    assert [got.key for got in receiver.got] == ["order/ACME/SO-2"]
    assert "1 of 1" in (await office.get(f"{base}/progress")).text
    (id,) = {got.id for got in receiver.got}
    counted = (await office.get(base, params={"only": "all", "ids": id, "preview": "1"})).text
    assert "order/ACME/SO-2, place " in counted
    page = await where(office, f"{base}/start", only="all", ids=id, reason="this one")
    assert page.count(f'<a href="/office/events/one/{id}">{id}</a> order.updated') == 1


async def test_pause_resume_and_a_skip_that_must_be_confirmed(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver
) -> None:
    await subscribe(world, settings, receiver)
    url = "/office/endpoints/erp"
    assert "It answered 204" in await where(office, f"{url}/probe")
    assert "paused" in await where(office, f"{url}/pause")
    assert "cannot be paused" in await where(office, f"{url}/pause")
    assert "order where it stopped" in await where(office, f"{url}/resume")
    assert await w.scalar(
        world, "SELECT count(*) FROM outbox WHERE type = 'endpoint.paused' AND actor = 'user:SUE'"
    ) == 1
    assert "Skipped" not in await where(office, f"{url}/skip", confirm="erp")
    assert "Give up" not in (await office.get(url)).text
    await sign_in(office, "ADA")
    await told(world, "SO-1")
    assert "key erp to confirm" in await where(office, f"{url}/skip", confirm="yes")
    assert "Skipped" in await where(office, f"{url}/skip", confirm="erp")


@pytest.mark.parametrize("query", ["since=x", "from=x", "types=zz..z", "ids=evt_1", "only=some"])
async def test_a_wrong_selector_is_told_on_the_page(
    office: httpx.AsyncClient, world: World, settings: Settings, receiver: Receiver, query: str
) -> None:
    await subscribe(world, settings, receiver)
    answer = await office.get(f"/office/endpoints/erp/replay?preview=1&{query}")
    assert answer.status_code == 200
    assert 'class="refused"' in answer.text


@pytest.mark.parametrize(
    "path", ["endpoints/none", "endpoints/none/live", "endpoints/none/replay",
             "events/one/evt_" + "0" * 32, "endpoints/none/deliveries/evt_" + "0" * 32],
)  # fmt: skip
async def test_what_is_not_there_is_said_on_a_page(office: httpx.AsyncClient, path: str) -> None:
    assert (await office.get(f"/office/{path}")).status_code == 404


def test_waits_are_drawn_longer_the_longer_they_were() -> None:
    start = datetime(2026, 3, 2, 8, tzinfo=UTC)
    steps = [
        msgspec.convert(
            {"pos": n, "event_id": uuid7(), "lane": 0, "type": "order.updated", "okey": "order/1",
             "keyseq": None, "subject": "order/1", "owner": "", "occurred_at": start,
             "recorded_at": start + timedelta(seconds=second), "actor": "", "correlation_id": "",
             "causation_id": "", "data": "{}"},
            Step,
        )
        for n, second in enumerate((0, 0.2, 30, 300, 3000, 20_000, 200_000))
    ]  # fmt: skip
    assert [mark.length for mark in draw(steps)] == [0, 0, 1, 2, 3, 4, 5]
    assert [pause(s) for s in (30, 300, 17_000, 200_000)] == ["30 s", "5 min", "4 h 43", "2 days"]
