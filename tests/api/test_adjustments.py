"""Corrections that an ERP asks for: posted, counted, decided by a person; never below promises."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests import world as w
from tests.api.partners import partner
from tests.world import World
from wms.counting import adjustments
from wms.counting.adjustments import NotFree, NotWaiting

PATH = "/v1/warehouses/W1/inventory/adjustment-requests"


def ask(name: str = "R-1", **members: Any) -> dict[str, Any]:
    return {
        "request_id": name, "owner": "ACME", "sku": "MUG", "bin": "A-01-01", "qty": -2,
        "reason": "broken in the shop",
    } | members  # fmt: skip


async def told(world: World, type: str) -> int:
    return await w.scalar(world, "SELECT count(*) FROM outbox WHERE type = :type", type=type)


async def test_a_small_correction_is_posted_once_however_often_it_is_sent(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    first = await erp.post(PATH, json=ask())
    assert (first.status_code, first.json()["state"]) == (201, "posted")
    again = await erp.post(PATH, json=ask())
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    other = await erp.post(PATH, json=ask(qty=-1))
    assert (other.status_code, other.json()["type"]) == (409, "/problems/exists-with-different")
    assert await w.on_hand(world, "MUG", "A-01-01") == 7
    assert await told(world, "inventory.adjusted") == 1
    assert await told(world, "inventory.adjustment_decided") == 1
    assert (await erp.get(f"{PATH}/R-1")).json()["state"] == "posted"


async def test_goods_without_a_bin_are_counted_where_they_are(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    await w.stock(world, "MUG", "R-01-01", 40)
    answer = await erp.post(PATH, json=ask(bin="", qty=-12))
    assert (answer.status_code, answer.json()["state"]) == (202, "counting")
    assert len(answer.json()["count_ids"]) == 2
    assert await w.scalar(world, "SELECT count(*) FROM tour WHERE kind = 'count'") == 2
    assert await w.on_hand(world, "MUG", "A-01-01") == 9
    nowhere = await erp.post(PATH, json=ask("R-2", sku="LAMP", bin=""))
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "NowhereBooked")


async def test_a_large_one_waits_for_a_person_and_is_decided_once(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 40)
    answer = await erp.post(PATH, json=ask(qty=-30))
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert await w.on_hand(world, "MUG", "A-01-01") == 40
    id = int(answer.json()["id"])
    async with world.db.transaction() as tx:
        await adjustments.decide(tx, w.stamp(world, "SUE"), id, True)
    assert await w.on_hand(world, "MUG", "A-01-01") == 10
    with pytest.raises(NotWaiting):
        async with world.db.transaction() as tx:
            await adjustments.decide(tx, w.stamp(world, "SUE"), id, True)
    assert (await erp.get(f"{PATH}/R-1")).json()["decided_by"] == "SUE"


async def test_promised_goods_are_never_taken_away(erp: httpx.AsyncClient, world: World) -> None:
    balance = await w.stock(world, "MUG", "A-01-01", 5)
    order = await w.order(world, "SO-1", ("MUG", 4))
    async with world.db.transaction() as tx:
        await w.insert(
            tx, w.inventory.allocation, warehouse_id=world.warehouse_id,
            order_line_id=order["lines"][0], balance_id=balance, qty=4,
        )  # fmt: skip
    answer = await erp.post(PATH, json=ask(qty=-2))
    assert (answer.status_code, answer.json()["code"], answer.json()["free"]) == (422, "NotFree", 1)
    hold = await erp.post(PATH, json=ask("R-2", qty=2, to_status="hold"))
    assert (hold.status_code, hold.json()["code"]) == (422, "NotFree")
    waiting = await erp.post(PATH, json=ask("R-3", qty=-5))
    with pytest.raises(NotFree):
        async with world.db.transaction() as tx:
            await adjustments.decide(tx, w.stamp(world, "SUE"), int(waiting.json()["id"]), True)
    assert await w.on_hand(world, "MUG", "A-01-01") == 5
    assert await told(world, "inventory.adjusted") == 0


async def test_a_status_is_changed_loose_goods_first_then_plates(
    erp: httpx.AsyncClient, world: World
) -> None:
    plate = await w.plate(world, "7", bin="R-01-01", kind="pallet", state="closed")
    await w.stock(world, "BEANS", "R-01-01", 6, "L1")
    world.lpns["P"] = world.lpns["7"]
    await w.stock(world, "BEANS", "R-01-01", 20, "L1", lpn="P")
    members = {"owner": "BREW", "sku": "BEANS", "bin": "R-01-01", "lot": "L1"}
    answer = await erp.post(PATH, json=ask(**members, qty=10, to_status="quarantine"))
    assert (answer.status_code, answer.json()["state"]) == (201, "posted")
    held = await erp.get("/v1/warehouses/W1/inventory/balances?sku=BEANS")
    assert sorted((x["lpn"], x["status"], x["on_hand"]) for x in held.json()["balances"]) == [
        ("", "quarantine", 6), (plate, "available", 16), (plate, "quarantine", 4),
    ]  # fmt: skip


async def test_every_error_is_told_at_once_and_owners_are_kept_apart(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    bad = ask(sku="BEANS", owner="BREW", bin="CUSTOMER", qty=0, status="hold", to_status="hold")
    answer = await erp.post(PATH, json=bad)
    assert answer.status_code == 422
    assert {(each["path"], each["code"]) for each in answer.json()["errors"]} == {
        ("/bin", "unknown-location"), ("/qty", "out-of-range"), ("/to_status", "unchanged"),
        ("/lot", "required"),
    }  # fmt: skip
    async with partner(app, world, "BREWER", owners=["BREW"]) as brew:
        refused = await brew.post(PATH, json=ask())
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden-owner")
        assert (await brew.get(f"{PATH}/R-1")).status_code == 404


async def test_found_goods_come_in_and_a_serial_comes_once(
    erp: httpx.AsyncClient, world: World
) -> None:
    found = await erp.post(PATH, json=ask(qty=2, status="damaged"))
    assert found.status_code == 201
    assert await w.on_hand(world, "MUG", "A-01-01") == 2
    await w.stock(world, "GPS", "A-01-02", 1, serial="S1")
    twice = await erp.post(PATH, json=ask("R-2", sku="GPS", qty=1, serial="S1"))
    assert [each["code"] for each in twice.json()["errors"]] == ["in-house"]
    asked = await erp.post(PATH, json=ask("R-3", sku="GPS", qty=1, serial="S2"))
    assert asked.json()["state"] == "waiting"
