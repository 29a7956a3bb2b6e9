"""The contract of the items API: natural keys, versions, barcodes, who may set what."""

import asyncio
import json
from typing import Any

import httpx
import pytest_asyncio

from tests import world as w
from tests.api.test_orders import problem
from tests.world import World
from wms.access.clients import create_client

PATH = "/v1/owners/ACME/items"


def item(**changes: Any) -> dict[str, Any]:
    return {
        "description": "Steel bottle",
        "levels": [
            {
                "level": "each", "base_qty": 1, "length_mm": 80, "width_mm": 80, "height_mm": 250,
                "weight_g": 300, "barcodes": ["4006381333931"],
            },
            {"level": "case", "base_qty": 6, "weight_g": 2000},
        ],
        **changes,
    }  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def scale(erp: httpx.AsyncClient, world: World) -> dict[str, str]:
    """The headers of another sender, which measures."""
    async with world.db.transaction() as tx:
        key = await create_client(tx, "SCALE", warehouse_ids=[world.warehouse_id])
    return {"Authorization": f"Bearer {key}"}


async def told(world: World, sku: str) -> list[str]:
    statement = "SELECT array_agg(type ORDER BY id) FROM outbox WHERE okey = :key"
    return await w.scalar(world, statement, key=f"item/ACME/{sku}") or []


async def test_put_creates_then_exists_then_updates(erp: httpx.AsyncClient, world: World) -> None:
    made = await erp.put(f"{PATH}/BOTTLE", json=item())
    assert (made.status_code, made.json()["outcome"], made.headers["ETag"]) == (
        201, "created", '"1"',
    )  # fmt: skip
    again = await erp.put(f"{PATH}/BOTTLE", json=item())
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    partly = await erp.put(f"{PATH}/BOTTLE", json={"description": "Bottle", "velocity": "a"})
    assert partly.json()["changed_fields"] == ["description", "velocity"]
    read = (await erp.get(f"{PATH}/BOTTLE")).json()
    assert (read["version"], read["description"], read["velocity"]) == (2, "Bottle", "a")
    assert [(each["level"], each["base_qty"], each["barcodes"]) for each in read["levels"]] == [
        ("each", 1, ["04006381333931"]), ("case", 6, []),
    ]  # fmt: skip
    assert await told(world, "BOTTLE") == ["item.created", "item.updated"]


async def test_every_error_comes_at_once(erp: httpx.AsyncClient) -> None:
    levels = [
        {"level": "case", "base_qty": 6, "barcodes": ["4006381333932", "LP-00001-Z"]},
        {"level": "case", "base_qty": 12},
    ]
    answer = problem(await erp.put(f"{PATH}/BOTTLE", json={"levels": levels}))
    assert {(each["path"], each["code"]) for each in answer["errors"]} == {
        ("/description", "required"),
        ("/levels", "each-is-one"),
        ("/levels/0/barcodes/0", "check-digit"),
        ("/levels/0/barcodes/1", "gs1-syntax"),
        ("/levels/1/level", "duplicate"),
    }
    odd = problem(await erp.put(f"{PATH}/BOTTLE", json=item(description="\x00", rotation="lifo")))
    assert {each["path"] for each in odd["errors"]} == {"/description", "/rotation"}
    dated = problem(await erp.put(f"{PATH}/MUG", json={"expiry_tracked": True}))
    assert [each["path"] for each in dated["errors"]] == ["/lot_tracked"]
    first = problem(await erp.put(f"{PATH}/MUG", json={"rotation": "fefo"}))
    assert [each["path"] for each in first["errors"]] == ["/rotation"]
    nobody = await erp.put("/v1/owners/NOBODY/items/X", json=item())
    assert problem(nobody)["type"] == "/problems/not-found"


async def test_what_a_carton_planner_asks_is_kept_and_told(
    erp: httpx.AsyncClient, world: World
) -> None:
    limited = item(flat=True, own_container=True, carton_qty_max=4)
    limited["levels"][0]["load_max_g"] = 0
    assert (await erp.put(f"{PATH}/RUG", json=limited)).status_code == 201
    assert (await erp.put(f"{PATH}/RUG", json=item())).json()["outcome"] == "exists"
    read = (await erp.get(f"{PATH}/RUG")).json()
    assert (read["flat"], read["own_container"], read["carton_qty_max"]) == (True, True, 4)
    assert [level["load_max_g"] for level in read["levels"]] == [0, None]
    both = problem(await erp.put(f"{PATH}/RUG", json={"upright": True}))
    assert [(each["path"], each["code"]) for each in both["errors"]] == [("/flat", "contradicts")]
    free = item(carton_qty_max=None)
    free["levels"][0]["load_max_g"] = None
    freed = (await erp.put(f"{PATH}/RUG", json=free)).json()
    assert freed["changed_fields"] == ["carton_qty_max", "levels.each.load_max_g"]
    events = "SELECT array_agg(data ORDER BY id) FROM outbox WHERE okey = 'item/ACME/RUG'"
    made, changed = [json.loads(each) for each in await w.scalar(world, events)]
    assert (made["flat"], made["carton_qty_max"], made["levels"][0]["load_max_g"]) == (True, 4, 0)
    assert (changed["flat"], changed.get("carton_qty_max")) == (True, None)


async def test_versions_of_each_sender_count_apart(
    erp: httpx.AsyncClient, scale: dict[str, str]
) -> None:
    await erp.put(f"{PATH}/BOTTLE", json=item(source_version=90))
    other = await erp.put(f"{PATH}/BOTTLE", json={"velocity": "a", "source_version": 2},
                          headers=scale)  # fmt: skip
    assert other.json()["outcome"] == "updated"
    stale = {"velocity": "b", "source_version": 89}
    late = await erp.put(f"{PATH}/BOTTLE", json=stale)
    assert late.json()["outcome"] == "ignored_stale"
    loud = await erp.put(f"{PATH}/BOTTLE", json=stale, headers={"Prefer": "handling=strict"})
    assert problem(loud)["type"] == "/problems/stale-version"
    twice = await erp.put(f"{PATH}/BOTTLE", json={"velocity": "b", "source_version": 90})
    assert problem(twice)["type"] == "/problems/exists-with-different"
    wrong = await erp.put(f"{PATH}/BOTTLE", json={"velocity": "c"}, headers={"If-Match": '"1"'})
    assert (problem(wrong)["status"], problem(wrong)["version"]) == (412, 2)


async def test_a_barcode_means_one_item_of_an_owner(erp: httpx.AsyncClient) -> None:
    await erp.put(f"{PATH}/BOTTLE", json=item())
    clash = problem(await erp.put(f"{PATH}/FLASK", json=item()))
    assert (clash["type"], clash["other"]) == ("/problems/barcode-conflict", "BOTTLE")
    assert (await erp.get(f"{PATH}/FLASK")).status_code == 404
    assert (await erp.put("/v1/owners/BREW/items/FLASK", json=item())).status_code == 201
    known = (await erp.get("/v1/barcodes/4006381333931")).json()
    assert [(each["owner"], each["sku"]) for each in known["items"]] == [
        ("ACME", "BOTTLE"), ("BREW", "FLASK"),
    ]  # fmt: skip
    assert problem(await erp.get("/v1/barcodes/nothing"))["status"] == 404
    both = await asyncio.gather(*(
        erp.put(f"{PATH}/{sku}", json={"levels": [
            {"level": "each", "base_qty": 1, "barcodes": ["012345678905"]}
        ]}) for sku in ("MUG", "TENT")
    ))  # fmt: skip
    assert sorted(each.status_code for each in both) == [200, 409]


async def test_what_stock_is_counted_in_stays(erp: httpx.AsyncClient, world: World) -> None:
    levels = [{"level": "each", "base_qty": 1}, {"level": "case", "base_qty": 24}]
    await w.stock(world, "MUG", "A-01-01", 3)
    used = problem(await erp.put(f"{PATH}/MUG", json={"levels": levels}))
    assert (used["type"], used["field"]) == ("/problems/unit-in-use", "levels.case.base_qty")
    gone = await erp.put(f"{PATH}/MUG", json={"levels": levels[:1]})
    assert problem(gone)["type"] == "/problems/unit-in-use"
    tracked = await erp.put(f"{PATH}/MUG", json={"serial_tracked": True})
    assert problem(tracked)["type"] == "/problems/unit-in-use"
    more = [{"level": "each", "base_qty": 1}, {"level": "case", "base_qty": 12},
            {"level": "pallet", "base_qty": 480, "weight_g": 9}]  # fmt: skip
    assert (await erp.put(f"{PATH}/MUG", json={"levels": more})).status_code == 200
    assert (await erp.put(f"{PATH}/ROPE", json={"levels": levels})).status_code == 200


async def test_a_field_of_another_sender_becomes_a_proposal(
    erp: httpx.AsyncClient, world: World, scale: dict[str, str]
) -> None:
    await erp.put(f"{PATH}/BOTTLE", json=item())
    owners = await erp.put("/v1/owners/ACME/field-owners", json={"weight": "SCALE"})
    assert owners.json() == {"weight": "SCALE"}
    heavier = item(description="Bottle")
    heavier["levels"][0]["weight_g"] = 350
    mixed = (await erp.put(f"{PATH}/BOTTLE", json=heavier)).json()
    assert (mixed["outcome"], mixed["decided_by"]) == ("updated", "field_owner")
    assert (mixed["changed_fields"], mixed["proposed"]) == (
        ["description"], ["levels.each.weight_g"],
    )  # fmt: skip
    again = (await erp.put(f"{PATH}/BOTTLE", json=heavier)).json()
    assert (again["outcome"], again["version"]) == ("proposed", 2)
    [waiting] = (await erp.get("/v1/items/proposals")).json()["proposals"]
    assert (waiting["field"], waiting["value"], waiting["source"]) == (
        "levels.each.weight_g", 350, "ERP",
    )  # fmt: skip
    for _ in range(2):
        taken = await erp.post(f"/v1/items/proposals/{waiting['id']}/accept")
        assert taken.json()["state"] == "accepted"
    late = await erp.post(f"/v1/items/proposals/{waiting['id']}/decline")
    assert problem(late)["code"] == "AlreadyDecided"
    read = (await erp.get(f"{PATH}/BOTTLE")).json()
    assert (read["version"], read["levels"][0]["weight_g"]) == (3, 350)
    lighter = [{"level": "each", "base_qty": 1, "weight_g": 340},
               {"level": "case", "base_qty": 6}]  # fmt: skip
    own = await erp.put(f"{PATH}/BOTTLE", json={"levels": lighter}, headers=scale)
    assert own.json()["changed_fields"] == ["levels.each.weight_g"]
    assert await told(world, "BOTTLE") == [
        "item.created", "item.conflict_detected", "item.updated", "stewardship.decided",
        "item.updated", "item.updated",
    ]  # fmt: skip


async def test_lists_follow_the_last_change_and_owners_are_apart(
    erp: httpx.AsyncClient, world: World
) -> None:
    await erp.put(f"{PATH}/MUG", json={"velocity": "c"})
    seen: list[str] = []
    url = f"{PATH}?limit=2"
    while url:
        answer = await erp.get(url)
        seen += [each["sku"] for each in answer.json()["items"]]
        link = answer.headers.get("Link", "")
        url = link[1 : link.index(">")] if link else ""
    assert sorted(seen) == ["GPS", "LAMP", "MUG", "ROPE", "TENT"]
    assert seen[-1] == "MUG"
    changed = (await erp.get(f"{PATH}/MUG")).json()["updated_at"]
    since = await erp.get(PATH, params={"updated_since": changed})
    assert [each["sku"] for each in since.json()["items"]] == ["MUG"]
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, "BREW", warehouse_ids=[world.warehouse_id], owner_ids=[world.owners["BREW"]]
        )
    headers = {"Authorization": f"Bearer {key}"}
    for method, url in (("GET", PATH), ("GET", f"{PATH}/MUG"), ("PUT", f"{PATH}/MUG")):
        answer = await erp.request(method, url, json=item(), headers=headers)
        assert problem(answer)["type"] == "/problems/forbidden-owner"
    hidden = await erp.get(f"/v1/barcodes/{w.gtin('MUG')}", headers=headers)
    assert problem(hidden)["status"] == 404
