"""Stock over HTTP: what is free, what is promised, and pages of both lists."""

import httpx
import msgspec
import pytest
from litestar import Litestar

from tests import world as w
from tests.api.partners import partner
from tests.world import World

PATH = "/v1/warehouses/W1/inventory"


async def test_levels_tell_free_from_promised_and_stopped(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    await w.stock(world, "MUG", "A-01-02", 4, status="hold")
    await w.stock(world, "MUG", "STAGE-IN", 6)
    lines = [{"line_no": "1", "sku": "MUG", "qty": 2}]
    await erp.put(
        "/v1/warehouses/W1/orders/ACME/SO-1", json={"carrier": "PARCEL", "lines": lines}
    )
    answer = await erp.get(f"{PATH}/levels?sku=MUG")
    assert answer.json()["levels"] == [
        {
            "owner": "ACME", "sku": "MUG", "description": "Enamel mug", "on_hand": 9,
            "allocated": 0, "available": 9, "promised": 2, "available_to_promise": 7, "stopped": 4,
            "elsewhere": 6,
        }
    ]  # fmt: skip


async def test_both_lists_walk_page_by_page(erp: httpx.AsyncClient, world: World) -> None:
    for number in range(1, 6):
        await w.stock(world, "MUG", f"A-01-0{number}", number)
    for name, count in (("levels", 8), ("balances", 5)):
        seen = 0
        url = f"{PATH}/{name}?limit=2"
        while url:
            answer = await erp.get(url)
            seen += len(answer.json()[name])
            link = answer.headers.get("Link", "")
            url = link[1 : link.index(">")] if link else ""
        assert seen == count


async def test_the_ledger_is_walked_movement_by_movement(
    erp: httpx.AsyncClient, world: World
) -> None:
    for number in range(1, 4):
        await w.stock(world, "MUG", f"A-01-0{number}", number)
    await w.stock(world, "BEANS", "A-02-01", 7, "L1")
    first = await erp.get(f"{PATH}/movements?sku=MUG&limit=2")
    assert [each["qty"] for each in first.json()["movements"]] == [1, 2]
    rest = await erp.get(first.headers["Link"].partition(";")[0].strip("<>"))
    assert [each["qty"] for each in rest.json()["movements"]] == [3]
    brew = (await erp.get(f"{PATH}/movements?owner=BREW")).json()["movements"]
    assert [(each["kind"], each["lot"], each["from_bin"], each["to_bin"]) for each in brew] == [
        ("receipt", "L1", "SUPPLIER", "A-02-01")
    ]


async def test_a_snapshot_adds_up_and_shows_a_partner_its_own_goods_only(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    await w.stock(world, "MUG", "A-01-02", 4, status="hold")
    await w.stock(world, "BEANS", "A-02-01", 7, "L1")
    head, *lines = (await erp.post(f"{PATH}/snapshots")).text.splitlines()
    told = msgspec.json.decode(head)
    assert (told["rows"], len(lines)) == (3, 3)
    assert {each["status"]: each["on_hand"] for each in told["totals"]} == {
        "available": 16, "hold": 4,
    }  # fmt: skip
    async with partner(app, world, "BREWER", owners=["BREW"]) as brew:
        for name in ("levels", "balances", "movements"):
            found = (await brew.get(f"{PATH}/{name}")).json()[name]
            assert {each["owner"] for each in found} == {"BREW"}
        body = (await brew.post(f"{PATH}/snapshots")).text.splitlines()
        assert [msgspec.json.decode(line)["sku"] for line in body[1:]] == ["BEANS"]


@pytest.mark.parametrize("query", ["after=%00", "after=²", "limit=-1", "owner=%00", "sku=a%00b"])
@pytest.mark.parametrize("name", ["levels", "balances", "movements"])
async def test_a_query_that_can_never_be_right_is_refused(
    erp: httpx.AsyncClient, name: str, query: str
) -> None:
    answer = await erp.get(f"{PATH}/{name}?{query}")
    assert answer.status_code == (200 if (name, query) == ("levels", "after=²") else 400)
