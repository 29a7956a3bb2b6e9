"""Documents are kept as they came before anybody reads them, and what became of each stays."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.api.partners import partner
from tests.api.test_jobs import LINES, lines, orders
from tests.api.test_orders import order
from tests.world import World, scalar
from web.api import orders as orders_api
from wms.ids import uuid7
from wms.jobs import kept
from wms.jobs.kept import Kept, Mailroom, Raw, list_kept
from wms.stamp import Stamp
from wms.worker import chore_stamp

ORDER = "/v1/warehouses/W1/orders/ACME/SO-1"
ITEM = "/v1/owners/ACME/items/BOTTLE"


async def all_kept(world: World, state: str = "all") -> list[Kept]:
    async with world.db.reading() as tx:
        stamp = chore_stamp(world.warehouse_id, "test")
        found = await list_kept(tx, stamp, state)
        return [await kept.get_kept(tx, stamp, each.id) for each in found]


async def test_what_was_taken_in_and_what_was_refused_is_kept_byte_for_byte(
    erp: httpx.AsyncClient, world: World
) -> None:
    sent = b'{"carrier": "NOBODY",  "lines": 7, "x": "\xff"}'
    refused = await erp.put(f"{ORDER}?a=b", content=sent, headers={"X-Correlation-Id": "c-1"})
    assert refused.status_code == 400
    assert (await erp.put(ORDER, json=order())).status_code == 201
    done, bad = await all_kept(world)
    assert (bad.body, bad.state, bad.status) == (sent, "refused", 400)
    assert (bad.method, bad.target, bad.sender) == ("PUT", f"{ORDER}?a=b", "ERP")
    assert (bad.correlation_id, "byte 42 is not UTF-8" in bad.answer) == ("c-1", True)
    assert str(bad.request_id) == refused.headers["x-request-id"]
    assert (done.state, done.answer) == ("done", "")
    await erp.put(f"{ORDER}?dry_run=true", json=order())
    assert len(await all_kept(world)) == 2


async def test_an_order_that_is_refused_when_it_is_judged_is_marked_with_its_effect(
    erp: httpx.AsyncClient, world: World
) -> None:
    assert (await erp.put(ORDER, json=order(carrier="NOBODY"))).status_code == 422
    (bad,) = await all_kept(world)
    assert (bad.state, bad.status, "/carrier" in bad.answer) == ("refused", 422, True)


@pytest.mark.parametrize(
    ("method", "url", "body", "state"),
    [
        ("PUT", ITEM, {"lines": 1}, "refused"),
        ("PUT", "/v1/owners/ACME/parties/C-1", {"name": "Ida", "roles": ["consignee"]}, "done"),
        ("PUT", "/v1/warehouses/W1/locations/N-1",
         {"kind": "pick", "zone": "A", "aisle": "01"}, "done"),
        ("PUT", "/v1/warehouses/W1/asns/ACME/A-1", {"lines": []}, "refused"),
        ("POST", f"{ORDER}/cancel", {"reason": "customer"}, "done"),
        ("POST", "/v1/warehouses/W1/orders", [order(owner="ACME", external_id="A")], "done"),
        ("POST", "/v1/warehouses/W1/orders", [{"lines": 1}], "refused"),
        ("POST", "/v1/milestones", {"source": "x"}, "refused"),
        ("POST", "/v1/warehouses/W1/inventory/adjustment-requests", {"sku": "X"}, "refused"),
        ("PUT", "/v1/warehouses/W1/appointments/T-1", {}, "refused"),
        ("POST", "/v1/warehouses/W1/shipments/1-1/pods", {}, "refused"),
    ],
)
async def test_every_way_in_keeps_first(
    erp: httpx.AsyncClient, world: World, method: str, url: str, body: Any, state: str
) -> None:
    theirs = "0190a000-0000-7000-8000-000000000001"
    answer = await erp.request(method, f"{url}?dry_run=true" if method == "POST" else url,
                               json=body, headers={"X-Request-Id": theirs})  # fmt: skip
    assert answer.status_code < 500, answer.text
    (found,) = await all_kept(world)
    assert (found.method, found.path, found.state) == (method, url, state), answer.text
    assert found.body == answer.request.content
    assert theirs != str(found.request_id) == answer.headers["x-request-id"]
    assert found.correlation_id == theirs


async def test_lines_are_kept_as_they_came_and_a_large_body_goes_when_it_is_done(
    erp: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "DONE_BODY_MAX", 2000)
    body = lines(*orders(3))
    for content in (body, lines(*orders(30)), b"no json"):
        answer = await erp.post("/v1/warehouses/W1/orders:batch", content=content, headers=LINES)
        assert answer.status_code == 200
    bad, large, small = await all_kept(world)
    assert (small.body, small.state) == (body, "done")
    assert (large.body, large.state, large.size > 2000) == (b"", "done", True)
    assert bad.body == b"no json"


async def test_a_document_whose_process_died_is_found_and_is_somebodys(
    erp: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_args: Any, **_more: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(orders_api.orders, "accept", die)
    with pytest.raises(asyncio.CancelledError):
        await erp.put(ORDER, json=order())
    monkeypatch.undo()
    (left,) = await all_kept(world, "received")
    assert left.body.startswith(b"{")
    await give_up(world)
    assert (await all_kept(world))[0].state == "received"  # it may still be at work
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE inbound_kept SET at = at - interval '11 minutes'")
    await give_up(world)
    assert [each.state for each in await all_kept(world)] == ["failed"]
    url = "/v1/warehouses/W1/exceptions?code=document_unfinished"
    (found,) = (await erp.get(url)).json()["exceptions"]
    assert (found["subject"], found["team"]) == (f"document/{left.id}", "integration")
    assert found["facts"]["request"] == f"PUT {ORDER}"


async def give_up(world: World) -> None:
    async with world.db.transaction() as tx:
        await kept.give_up(tx, chore_stamp(world.warehouse_id, "test"))


async def test_a_refused_item_is_somebodys_until_a_good_one_comes(
    erp: httpx.AsyncClient, world: World
) -> None:
    url = "/v1/warehouses/W1/exceptions?code=document_refused"
    await erp.put(ITEM, json={"description": 1})
    (found,) = (await erp.get(url)).json()["exceptions"]
    assert (found["subject"], found["facts"]["count"]) == ("owners/ACME/items/BOTTLE", 1)
    good = {"description": "Bottle", "levels": [{"level": "each", "base_qty": 1}]}
    assert (await erp.put(ITEM, json=good)).status_code == 201
    assert (await erp.get(url)).json()["exceptions"] == []


async def test_who_may_not_send_leaves_nothing(app: Litestar, world: World) -> None:
    async with partner(app, world, "BI", scopes=["orders:read"]) as client:
        assert (await client.put(ORDER, json=order())).status_code == 403
    assert await all_kept(world) == []


async def test_documents_that_come_together_are_kept_together(
    erp: httpx.AsyncClient, world: World
) -> None:
    answers = await asyncio.gather(
        *(erp.put(f"{ORDER}{n}", json=order()) for n in range(40))
    )
    assert {answer.status_code for answer in answers} == {201}
    found = await all_kept(world)
    assert {each.path for each in found} == {f"{ORDER}{n}" for n in range(40)}
    assert {each.state for each in found} == {"done"}
    commits = await scalar(world, "SELECT count(DISTINCT xmin::text) FROM inbound_kept")
    assert commits == 40  # each was marked in the transaction of its own effect


async def test_documents_of_one_request_id_are_never_taken_for_each_other(world: World) -> None:
    room, request_id = Mailroom(), uuid7()
    raws = [
        Raw(warehouse_id=world.warehouse_id, request_id=request_id, sender="ERP", owner_ids=(),
            method="PUT", target=f"/{n}", media="", subject="", correlation_id="",
            body=b"%d" % n, at=datetime.now(UTC))
        for n in range(20)
    ]  # fmt: skip
    ids = await asyncio.gather(*(room.keep(world.db, raw) for raw in raws))
    found = {each.id: each for each in await all_kept(world)}
    assert [(found[id].path, found[id].body) for id in ids] == [
        (raw.target, raw.body) for raw in raws
    ]  # fmt: skip
    assert await scalar(world, "SELECT count(DISTINCT xmin::text) FROM inbound_kept") < 20


async def test_what_is_settled_is_forgotten_in_time_and_nothing_else(
    erp: httpx.AsyncClient, world: World
) -> None:
    await erp.put(ORDER, json=order())
    await erp.put(ORDER, json={})
    stamp = Stamp(warehouse_id=world.warehouse_id, at=datetime.now(UTC),
                  key=chore_stamp(1, "x").key)  # fmt: skip
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE inbound_kept SET at = at - interval '8 days'")
        assert await kept.forget_kept(tx, stamp) == 1
    assert [each.state for each in await all_kept(world)] == ["refused"]


async def test_a_document_that_was_sent_again_is_forgotten_after_its_copy(
    erp: httpx.AsyncClient, world: World
) -> None:
    await erp.put(ORDER, json=order())
    await erp.put(f"{ORDER}-2", json=order())
    stamp = Stamp(warehouse_id=world.warehouse_id, at=datetime.now(UTC),
                  key=chore_stamp(1, "x").key)  # fmt: skip
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(
            "UPDATE inbound_kept k SET at = at - interval '8 days', original_id ="
            " (SELECT min(o.id) FROM inbound_kept o WHERE o.id < k.id)"
        )
    for left in (1, 0):
        async with world.db.transaction() as tx:
            assert await kept.forget_kept(tx, stamp) == 1
        assert len(await all_kept(world)) == left
