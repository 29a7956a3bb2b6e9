"""Documents in against what became of them: the columns add up, and what is late has an age."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests import world as w
from tests.exceptions.conftest import app, erp
from tests.exceptions.test_life import now, opened
from tests.world import World

__all__ = ["app", "erp"]
BASE = "/v1/warehouses/W1/reconciliation"


async def documents(erp: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    answer = await erp.get(f"{BASE}/documents", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_came_in_is_shipped_cancelled_or_open_and_the_units_add_up(
    world: World, erp: httpx.AsyncClient
) -> None:
    at = now(world).at
    await w.order(world, "SO-1", ("MUG", 3), ("TENT", 1), created_at=at, cutoff_at=at)
    await w.order(world, "SO-2", ("MUG", 2), created_at=at, state="cancelled", cutoff_at=at)
    await w.order(world, "SO-3", ("FILTER", 5), created_at=at,
                  cutoff_at=at + timedelta(hours=3))  # fmt: skip
    await w.order(world, "OLD", ("MUG", 9), created_at=at - timedelta(days=40),
                  state="shipped")  # fmt: skip
    found = {each["owner"]: each for each in (await documents(erp))["orders"]}
    acme = found["ACME"]
    assert (acme["received"], acme["open"], acme["cancelled"]) == (2, 1, 1)
    parts = ("units_shipped", "units_short", "units_cancelled", "units_open")
    assert sum(acme[part] for part in parts) == acme["units_ordered"] == 6
    assert found["BREW"]["units_open"] == 5
    late = (await documents(erp))["differences"]
    assert [(each["kind"], each["external_id"], each["expected"]) for each in late] == [
        ("order_late", "SO-1", 4),
    ]  # fmt: skip
    short = await w.order(world, "SO-4", ("MUG", 2), ("TENT", 6), created_at=at, state="shipped",
                          cutoff_at=at, shipped_at=at)  # fmt: skip
    async with world.db.transaction() as tx:
        lines = "UPDATE order_line SET waiting = 0, shipped = least(ordered, 5),"
        await tx.exec_driver_sql(f"{lines} short = ordered - least(ordered, 5)"
                                 f" WHERE order_id = {short['id']}")  # fmt: skip
    (named,) = (each for each in (await documents(erp))["differences"]
                if each["kind"] == "order_short")  # fmt: skip
    assert (named["external_id"], named["expected"], named["done"]) == ("SO-4", 8, 7)


async def test_deliveries_that_are_overdue_or_came_otherwise_are_named(
    world: World, erp: httpx.AsyncClient
) -> None:
    at = now(world).at
    await w.asn(world, "D-1", ("MUG", 10), expected_at=at - timedelta(hours=5))
    await w.asn(world, "D-2", ("MUG", 7), expected_at=at - timedelta(hours=30), state="closed",
                closed_at=at - timedelta(hours=2))  # fmt: skip
    found = await documents(erp)
    assert sum(each["expected"] for each in found["deliveries"]) == 2
    named = {each["external_id"]: each for each in found["differences"]}
    assert (named["D-1"]["kind"], named["D-1"]["age_minutes"]) == ("delivery_overdue", 300)
    assert (named["D-2"]["kind"], named["D-2"]["expected"], named["D-2"]["done"]) == (
        "delivery_differs", 7, 0,
    )  # fmt: skip


async def test_the_backlog_names_every_kind_with_its_ages(
    world: World, erp: httpx.AsyncClient
) -> None:
    at = now(world).at
    await w.order(world, "SO-1", ("MUG", 3), cutoff_at=at - timedelta(hours=2))
    await w.order(world, "SO-2", ("MUG", 3), cutoff_at=at - timedelta(days=9))
    await w.stock(world, "MUG", "A-01-01", 1, status="disputed", at=at)
    await opened(world)
    answer = (await erp.get(f"{BASE}/backlog")).json()
    found = {each["kind"]: each["ages"] for each in answer["backlog"]}
    assert found["order_late"] == [0, 1, 0, 0, 1]
    assert found["disputed_stock"] == found["exception"] == [1, 0, 0, 0, 0]
    assert found["dead_letter"] == found["count_open"] == [0, 0, 0, 0, 0]
    assert len(answer["bands"]) == 5


@pytest.mark.parametrize("query", [
    {"from": "2026-02-30"}, {"from": "2026-03-09", "to": "2026-03-01"}, {"to": "x\0"},
    {"from": "2020-01-01", "to": "2026-01-01"}, {"from": ""},
])  # fmt: skip
async def test_days_that_are_none_are_refused(
    erp: httpx.AsyncClient, query: dict[str, str]
) -> None:
    assert (await erp.get(f"{BASE}/documents", params=query)).status_code == 400
