"""Bursts: who waits for whom, what becomes a job, who is told to come back; each effect once."""

import asyncio
import re
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import event

from tests import world as w
from tests.api.test_asns import LP1, asn
from tests.api.test_items import item
from tests.api.test_jobs import LINES, lines, orders
from tests.api.test_orders import order, problem
from tests.world import World
from web.api import admission
from web.api.admission import Bucket, Lane, Rate
from wms.ids import uuid7
from wms.jobs import running

PATH = "/v1/warehouses/W1/orders"
STOCK = "/v1/warehouses/W1/inventory"


async def test_partners_take_turns_and_who_went_away_is_passed_over() -> None:
    lane, served = Lane(1, 100), []

    async def ask(partner: str, number: int) -> None:
        async with lane.turn(partner):
            served.append(f"{partner}{number}")
            assert lane.running == 1
            await asyncio.sleep(0)

    async with lane.turn("x"):
        asked = [asyncio.create_task(ask("a", n)) for n in range(4)]
        gone = asyncio.create_task(ask("b", 0))
        asked += [asyncio.create_task(ask("b", n)) for n in (1, 2)]
        await asyncio.sleep(0)
        gone.cancel()
    await asyncio.gather(*asked)
    assert served == ["a0", "a1", "b1", "a2", "b2", "a3"] or served == [
        "a0", "b1", "a1", "b2", "a2", "a3",
    ]  # fmt: skip
    assert (lane.running, lane.waiting) == (0, 0)


def test_tokens_come_back_over_time() -> None:
    bucket = Bucket(Rate(10, 2), now=0.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0, 0]
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.11) == 0
    assert bucket.take(9.0) == 0


async def timed(act: Awaitable[httpx.Response]) -> float:
    began = time.perf_counter()
    answer = await act
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - began


async def test_a_burst_of_orders_delays_neither_scans_nor_cancellations(
    erp: httpx.AsyncClient, app: Litestar, world: World
) -> None:
    """50 times as many orders as the rest: at most a few more are served before it."""
    world.at = datetime.now(UTC)
    made = (await erp.put("/v1/warehouses/W1/asns/ACME/A-1", json=asn())).json()
    for number in range(3):
        await erp.put(f"{PATH}/ACME/OLD-{number}", json=order())
    floor = {"Cookie": f"session={await w.sign_in(world, 'RITA')}"}

    async def scan() -> httpx.Response:
        act = {"key": str(uuid7()), "ref": f"receive/{made['id']}", "version": 1,
               "scans": [w.gtin("MUG"), "1", LP1], "path": ""}  # fmt: skip
        answer = await erp.post("/floor/act", json=act, headers=floor)
        assert answer.json().get("ok"), answer.text
        return answer

    async def cancel(number: int) -> httpx.Response:
        return await erp.post(f"{PATH}/ACME/OLD-{number}/cancel", json={"reason": "customer"})

    calm = {"scan": await timed(scan()), "cancel": await timed(cancel(0))}
    calm["scan"] = await timed(scan())
    served = 0
    begun = asyncio.Event()

    async def put(number: int) -> None:
        nonlocal served
        answer = await erp.put(f"{PATH}/ACME/SO-{number}", json=order())
        assert answer.status_code == 201
        served += 1
        begun.set()

    burst = [asyncio.create_task(put(number)) for number in range(150)]
    await begun.wait()
    busy: dict[str, float] = {}
    for name, act in (("scan", scan()), ("cancel", cancel(1)), ("scan", scan())):
        before = served
        busy[name] = await timed(act)
        assert served - before < 50, f"{served - before} orders were served before one {name}"
    assert served < 150
    await asyncio.gather(*burst)
    for name, seconds in busy.items():
        print(f"{name}: {calm[name] * 1e3:.1f} ms calm, {seconds * 1e3:.1f} ms in the burst,"
              f" ratio {seconds / calm[name]:.1f}")  # fmt: skip


async def test_what_would_wait_too_long_becomes_a_job(
    erp: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(admission.RATES, admission.DOCUMENTS, Rate(0.001, 1))
    assert (await erp.put(f"{PATH}/ACME/SO-1", json=order())).status_code == 201
    kept = await erp.put(f"{PATH}/ACME/SO-2", json=order())
    assert (kept.status_code, kept.json()["kind"], kept.json()["lines"]) == (202, "orders", 1)
    many = await erp.post(PATH, json=orders(5))
    assert (many.status_code, many.json()["lines"]) == (202, 5)
    one = await erp.put("/v1/owners/ACME/items/BOTTLE", json=item())
    two = await erp.put("/v1/warehouses/W1/asns/ACME/A-1", json=asn())
    assert (one.status_code, two.status_code) == (202, 202)
    gone = await erp.post(f"{PATH}/ACME/SO-1/cancel", json={"reason": "customer"})
    assert gone.json()["verdict"] == "cancelled"
    sure = await erp.put(f"{PATH}/ACME/SO-1", json=order(), headers={"If-Match": '"1"'})
    assert problem(sure)["type"] == "/problems/busy"
    assert await running.run_jobs(world.db) == 8
    job = (await erp.get(f"/v1/jobs/{kept.json()['id']}")).json()
    assert (job["state"], job["accepted"]) == ("done", 1)
    assert (await erp.get(f"{PATH}/ACME/SO-2")).json()["state"] == "open"
    assert (await erp.get("/v1/owners/ACME/items/BOTTLE")).status_code == 200


async def test_a_chatty_reader_is_told_to_come_back(
    erp: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(admission.RATES, admission.READS, Rate(0.5, 2))
    answers = [await erp.get(PATH) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert problem(answers[2])["type"] == "/problems/rate-limited"
    assert answers[2].headers["Retry-After"] == "2"
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {
        '"documents";q=2000;w=10, "reads";q=2;w=4'
    }
    assert [answer.headers["RateLimit"].partition(", ")[2] for answer in answers] == [
        '"reads";r=1;t=2', '"reads";r=0;t=2', '"reads";r=0;t=2',
    ]  # fmt: skip
    assert answers[0].headers["RateLimit"].startswith('"documents";r=2000;t=0')
    nobody = await erp.get(PATH, headers={"Authorization": "Bearer wms_x_y"})
    assert nobody.status_code == 401
    assert "RateLimit" not in nobody.headers


@pytest.mark.parametrize("what", ["levels", "balances", "movements", "snapshots"])
async def test_stock_is_read_in_turn_too(
    erp: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setitem(admission.RATES, admission.READS, Rate(0.5, 1))
    method = "POST" if what == "snapshots" else "GET"
    answers = [await erp.request(method, f"{STOCK}/{what}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert "again in 2 s" in problem(answers[1])["detail"]


async def test_a_thousand_equal_requests_have_one_effect_and_one_answer(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    """Who they are is read once for all of them: outside a lane nothing waits for a connection."""
    headers, asked = {"Idempotency-Key": "storm"}, list[str]()
    engine = app.state.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _cu, said, *_: asked.append(said))
    answers = await asyncio.gather(
        *(erp.post(PATH, json=orders(1), headers=headers) for _ in range(1000))
    )
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert answers[0].json()["outcomes"][0]["outcome"] == "created"
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 999
    assert await w.scalar(world, "SELECT count(*) FROM outbound_order") == 1
    assert await w.scalar(world, "SELECT count(*) FROM outbox") == 1
    for table in ("api_key", "warehouse"):
        assert sum(bool(re.search(rf"FROM {table}\b", said)) for said in asked) < 10, table


CALLS: list[tuple[str, str, Any]] = [
    ("PUT", f"{PATH}/ACME/SO-0", order()),
    ("POST", PATH, orders(2)),
    ("POST", f"{PATH}:batch", orders(3)),
    ("POST", f"{PATH}/ACME/SO-0/hold", {"reason": "credit"}),
    ("POST", f"{PATH}/ACME/SO-0/release-hold", {}),
    ("POST", f"{PATH}/ACME/SO-0/cancel", {"reason": "x", "lines": ["1"], "cancel_ref": "C-1"}),
    ("POST", f"{PATH}/ACME/SO-1/cancel", {"reason": "x"}),
    ("POST", f"{PATH}/ACME/NEW/cancel", {"reason": "x"}),
    ("PUT", "/v1/warehouses/W1/asns/ACME/A-1", asn()),
    ("POST", "/v1/warehouses/W1/asns/ACME/A-1/cancel", {}),
    ("PUT", "/v1/owners/ACME/items/BOTTLE", item()),
    ("PUT", "/v1/owners/ACME/field-owners", {"weight": "SCALE"}),
    ("PUT", "/v1/warehouses/W1/locations/N-1", {"kind": "pick", "zone": "A", "aisle": "01"}),
    ("PUT", "/v1/owners/ACME/parties/C-1", {"name": "Ida Holm", "roles": ["consignee"]}),
]


async def test_every_writing_call_sent_again_changes_nothing_more(
    erp: httpx.AsyncClient, world: World
) -> None:
    """One after the other, and three beside each other: rows and events as after the first."""

    async def send(method: str, url: str, body: Any) -> httpx.Response:
        if url.endswith(":batch"):
            return await erp.request(method, url, content=lines(*body), headers=LINES)
        return await erp.request(method, url, json=body)

    async def events() -> int:
        return await w.scalar(world, "SELECT count(*) FROM outbox")

    for method, url, body in CALLS:
        first = await asyncio.gather(*(send(method, url, body) for _ in range(3)))
        assert all(answer.status_code < 300 for answer in first), (url, first[0].text)
        after = await events()
        again = await send(method, url, body)
        assert again.status_code < 300
        assert await events() == after, url
    told = "SELECT count(*) FROM outbox WHERE type = 'order.held'"
    assert await w.scalar(world, told) == 1
    twice = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE keyseq > 0 GROUP BY okey, keyseq"
    assert await w.scalar(world, f"{twice} HAVING count(*) > 1) x") == 0
