"""What stays out of a batch and has no exception of its own is somebody's until it is good."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.api.partners import partner
from tests.api.test_items import item
from tests.api.test_jobs import LINES, ORDERS, count, lines, orders
from tests.api.test_kept import all_kept
from tests.world import World
from wms.jobs import running

ITEMS = "/v1/owners/ACME/items:batch"
NOW, LATER = LINES, LINES | {"Prefer": "respond-async"}


async def refused(erp: httpx.AsyncClient, code: str = "lines_refused") -> list[dict[str, Any]]:
    answer = await erp.get(f"/v1/warehouses/W1/exceptions?code={code}")
    return answer.json()["exceptions"]


async def send(erp: httpx.AsyncClient, world: World, how: Any, url: str, *sent: Any) -> None:
    answer = await erp.post(url, content=lines(*sent), headers=how)
    assert answer.status_code == (202 if how is LATER else 200), answer.text
    await running.run_jobs(world.db)


@pytest.mark.parametrize("how", [NOW, LATER], ids=["now", "later"])
async def test_an_atomic_batch_that_was_undone_is_somebodys_until_it_comes_again_and_is_good(
    erp: httpx.AsyncClient, world: World, how: Any
) -> None:
    batch, url = orders(120), f"{ORDERS}?mode=atomic"
    wrong = [*batch[:-1], batch[-1] | {"carrier": "NO"}]
    for _ in range(2):  # the same again is the same trouble
        await send(erp, world, how, url, *wrong)
    assert await count(world) == 0
    (found,) = await refused(erp)
    facts = found["facts"]
    assert (found["team"], found["owner"], found["due_at"] > found["opened_at"]) == (
        "integration", "ACME", True,
    )  # fmt: skip
    assert (facts["kind"], facts["mode"], facts["lines"], facts["count"], facts["others"]) == (
        "orders", "atomic", 120, 120, 20,
    )  # fmt: skip
    assert facts["errors"][0]["path"] == "line 120 /carrier"
    last, _ = await all_kept(world)
    assert (found["times"], found["screen"]) == (2, f"/office/documents/{last.id}")
    assert (last.state, last.body) == ("refused", lines(*wrong))
    assert "120 of 120 lines" in last.answer
    await send(erp, world, how, url, *batch[:100])
    assert len(await refused(erp)) == 1, "twenty are still out"
    await send(erp, world, how, url, *batch)
    assert await count(world) == 120
    assert await refused(erp) == []


@pytest.mark.parametrize("how", [NOW, LATER], ids=["now", "later"])
async def test_refused_items_are_somebodys_until_each_of_them_came(
    erp: httpx.AsyncClient, world: World, how: Any
) -> None:
    def plain(sku: str, **more: Any) -> dict[str, Any]:
        return item(sku=sku, levels=[{"level": "each", "base_qty": 1}], **more)

    bad = [plain(sku, velocity="?") for sku in ("B", "C")]
    await send(erp, world, how, ITEMS, plain("A"), *bad)
    (found,) = await refused(erp)
    assert found["facts"]["documents"] == ["ACME/B", "ACME/C"]
    assert [each["path"] for each in found["facts"]["errors"]] == [
        "line 2 /velocity", "line 3 /velocity",
    ]  # fmt: skip
    await send(erp, world, how, ITEMS, plain("B"), plain("D"))
    (found,) = await refused(erp)
    assert found["facts"]["documents"] == ["ACME/C"]
    await send(erp, world, how, ITEMS, plain("C"))
    assert await refused(erp) == []


async def test_an_order_line_has_a_letter_and_one_without_a_name_has_none(
    erp: httpx.AsyncClient, world: World
) -> None:
    (good, bad) = orders(2)
    await send(erp, world, NOW, ORDERS, good, bad | {"carrier": "NO"})
    assert await refused(erp) == []
    assert len(await refused(erp, "order_rejected")) == 1
    assert [each.state for each in await all_kept(world)] == ["done"]
    await send(erp, world, NOW, ORDERS, good, b"{")
    (found,) = await refused(erp)
    assert (found["facts"]["documents"], found["facts"]["others"]) == ([], 1)
    await send(erp, world, NOW, ORDERS, *orders(40))
    assert await refused(erp) == [found], "nobody knows whether that line came"


async def test_a_line_about_somebody_elses_goods_is_told_to_nobody(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    async with partner(app, world, "BREWER", owners=["BREW"]) as brew:
        foreign = orders(1)[0]
        for sent in (foreign, foreign | {"lines": 7}):
            await send(brew, world, NOW, ORDERS, sent)
            await send(brew, world, LATER, ORDERS, sent)
    found = (await erp.get("/v1/warehouses/W1/exceptions")).json()["exceptions"]
    assert [(each["owner"], each["facts"]["documents"]) for each in found] == [("", [])]


async def test_a_document_that_is_no_batch_at_all_is_somebodys_until_its_bytes_are_good(
    erp: httpx.AsyncClient, world: World
) -> None:
    for _ in range(2):
        assert (await erp.post(ORDERS, content=b"\n", headers=LINES)).status_code == 422
    (found,) = await refused(erp, "document_refused")
    assert found["subject"].startswith("ERP/warehouses/W1/orders:batch/")
    assert [each.state for each in await all_kept(world)] == ["refused", "refused"]
