"""A consumer whose deliveries are dropped, repeated and shuffled ends with the same books."""

import random
from typing import Any

import httpx

from tests import world as w
from tests.exceptions.conftest import sealed
from tests.exceptions.test_life import now
from tests.reconciliation.consumer import Consumer
from tests.reconciliation.test_stock import digest
from tests.world import World
from wms.events.catalog import InventoryAdjusted
from wms.events.groups import loc, reason, stk
from wms.events.outbox import emit
from wms.inventory import ledger
from wms.inventory.ledger import Goods, Place

ITEMS = ("MUG", "TENT", "LAMP", "ROPE")


class Books(Consumer):
    """Documents by their newest version, stock by summing deltas; every event counts once."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(http, cuts=8, leaf=16)
        self.orders: dict[str, tuple[int, str]] = {}
        self.stock: dict[str, int] = {}

    def hear(self, event: dict[str, Any]) -> None:
        pos = int(event["sequence"])
        if pos in self.held:
            return
        self.held[pos] = event["id"]
        data = event["data"]
        if "order" in data and "keyseq" in event:
            told = (int(event["keyseq"]), data["order"]["status"])
            known = self.orders.get(event["subject"], (0, ""))
            self.orders[event["subject"]] = max(told, known)
        if event["type"] == "inventory.adjusted":
            sku = data["stock"]["sku"]
            self.stock[sku] = self.stock.get(sku, 0) + data["delta"]

    async def heal(self, head: int) -> int:
        """Pull exactly what was lost; how many events that were."""
        missing = await self.find_missing(1, head)
        for id in missing.values():
            self.hear((await self.http.get(f"/events/{id}")).json())
        return len(missing)

    def lines(self) -> list[tuple[str, str, str, int]]:
        return [("ACME", sku, "available", qty) for sku, qty in sorted(self.stock.items()) if qty]


async def adjust(world: World, sku: str, delta: int) -> None:
    """A gain or loss with its event, in one transaction."""
    async with world.db.transaction() as tx:
        stamp = now(world)
        goods = Goods(owner_id=world.owners["ACME"], item_id=world.items[sku], qty=abs(delta))
        ends = Place(world.bins["ADJUSTMENT"]), Place(world.bins["A-01-01"])
        source, target = ends if delta > 0 else ends[::-1]
        await ledger.move(tx, stamp, "adjust", goods, source, target)
        await emit(
            tx, stamp, "inventory.adjusted", f"stock/ACME/{sku}",
            InventoryAdjusted(
                movement_id="1", stock=stk(sku, "ACME", abs(delta)), location=loc("A-01-01"),
                delta=delta, reason=reason("found"),
            ),
            owner="ACME",
        )  # fmt: skip


async def a_busy_hour(world: World, partner: httpx.AsyncClient, dice: random.Random) -> None:
    """Orders that come, change and are cancelled, and stock that is found and lost."""
    for number in range(20):
        url = f"/orders/ACME/SO-{number}"
        for version in range(dice.randint(1, 3)):
            lines = [{"line_no": "1", "sku": dice.choice(ITEMS), "qty": version + 1}]
            body = {"carrier": "PARCEL", "lines": lines, "source_version": version}
            assert (await partner.put(url, json=body)).status_code in (200, 201)
        if dice.random() < 0.3:
            assert (await partner.post(f"{url}/cancel", json={"reason": "x"})).status_code == 200
    for sku in ITEMS:
        await adjust(world, sku, 50)
        for _ in range(8):
            await adjust(world, sku, dice.choice((-3, -1, 2, 4)))


async def delivered(partner: httpx.AsyncClient, dice: random.Random) -> tuple[list[Any], int]:
    """The log as a bad network brings it: 30 % lost, 30 % twice, all of it shuffled."""
    answer = (await partner.get("/events", params={"limit": 1000})).json()
    assert answer["caught_up"]
    arrived = [each for each in answer["events"] if dice.random() > 0.3]
    arrived += [each for each in arrived if dice.random() < 0.3]
    dice.shuffle(arrived)
    return arrived, answer["head_pos"]


async def test_lost_repeated_and_shuffled_deliveries_end_in_the_same_books(
    world: World, partner: httpx.AsyncClient
) -> None:
    dice = random.Random(8)
    await a_busy_hour(world, partner, dice)
    await sealed(world)
    books = Books(partner)
    arrived, head = await delivered(partner, dice)
    for event in arrived:
        books.hear(event)
    there = (await partner.get("/reconciliation/stock", params={"owner": "ACME"})).json()
    theirs = [tuple(line.values()) for line in there["lines"]]
    assert books.lines() != theirs
    lost = head - len(books.held)
    assert await books.heal(head) == lost > 0
    assert await books.heal(head) == 0

    assert there["as_of_pos"] == head
    assert books.lines() == theirs
    (owner,) = (await partner.get("/reconciliation/stock")).json()["totals"]
    assert owner["hash"] == digest(books.lines())
    for subject, (version, status) in books.orders.items():
        order = (await partner.get(f"/orders/{subject.removeprefix('order/')}")).json()
        assert (order["version"], order["state"]) == (version, status)
    assert len(books.orders) == 20
    assert await w.scalar(world, "SELECT state FROM exception WHERE warehouse_id = :w"
                          " AND code = 'stream_gap'") == "resolved"  # fmt: skip
