"""Stock over HTTP: what is free, what is promised, and pages of both lists."""

import httpx

from tests import world as w
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
