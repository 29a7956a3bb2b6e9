"""The trial balance is what the events up to a position made of the stock, and can be bisected."""

import hashlib
from typing import Any

import httpx
from litestar import Litestar

from tests import world as w
from tests.api import partners
from tests.exceptions.conftest import app, erp, sealed
from tests.exceptions.test_life import now, tell
from tests.world import World
from wms.events.catalog import TestPing
from wms.events.outbox import emit
from wms.exceptions import queries
from wms.exceptions.queries import Filter
from wms.inventory import ledger
from wms.inventory.ledger import Goods, Place
from wms.reconciliation import nightly
from wms.reconciliation.stock import Which, by_owner

__all__ = ["app", "erp"]
STOCK = "/v1/warehouses/W1/reconciliation/stock"
SNAPSHOTS = "/v1/warehouses/W1/reconciliation/snapshots"


def bucket(sku: str) -> str:
    return hashlib.sha256(sku.encode()).hexdigest()


def digest(lines: list[tuple[str, str, str, int]]) -> str:
    said = "".join(f"{owner}\t{sku}\t{status}\t{qty}\n" for owner, sku, status, qty in lines)
    return hashlib.sha256(said.encode()).hexdigest()


async def totals(erp: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = (await erp.get(STOCK, params=query)).json()
    return {each["key"]: (each["units"], each["hash"]) for each in answer["totals"]}


async def test_totals_are_the_stock_and_hash_as_documented(
    world: World, erp: httpx.AsyncClient
) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    await w.stock(world, "MUG", "A-01-02", 2)
    await w.stock(world, "MUG", "CLARIFY", 1, status="damaged")
    await w.stock(world, "TENT", "A-01-03", 4)
    await w.stock(world, "FILTER", "A-02-01", 9)
    acme = [("ACME", "MUG", "available", 7), ("ACME", "MUG", "damaged", 1),
            ("ACME", "TENT", "available", 4)]  # fmt: skip
    found = await totals(erp)
    assert found["ACME"] == ({"available": 11, "damaged": 1}, digest(acme))
    assert found["BREW"] == ({"available": 9}, digest([("BREW", "FILTER", "available", 9)]))
    below = await totals(erp, owner="ACME", prefix=bucket("TENT")[:3])
    assert below == {bucket("TENT")[:4]: ({"available": 4}, digest(acme[2:]))}
    lines = (await erp.get(STOCK, params={"owner": "ACME", "prefix": bucket("MUG")[0]})).json()
    assert {"owner": "ACME", "sku": "MUG", "status": "damaged", "qty": 1} in lines["lines"]


async def test_what_is_committed_but_has_no_position_yet_is_not_in_the_totals(
    world: World, erp: httpx.AsyncClient
) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    await tell(world, "test.ping", "endpoint/x", TestPing())
    await sealed(world)
    before = (await erp.get(STOCK)).json()
    async with world.db.transaction() as tx:  # one act: a movement and its event
        stamp = now(world)
        goods = Goods(owner_id=world.owners["ACME"], item_id=world.items["MUG"], qty=3)
        place = Place(world.bins["A-01-01"])
        await ledger.move(tx, stamp, "receipt", goods, Place(world.bins["SUPPLIER"]), place)
        await emit(tx, stamp, "test.ping", "endpoint/x", TestPing())
    assert (await erp.get(STOCK)).json() == before
    await sealed(world)
    after = (await erp.get(STOCK)).json()
    assert after["as_of_pos"] == before["as_of_pos"] + 1
    assert after["totals"][0]["units"] == {"available": 8}


async def test_a_stored_balance_stands_still_and_tells_every_owner_theirs(
    world: World, erp: httpx.AsyncClient
) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    await w.stock(world, "FILTER", "A-02-01", 9)
    made = await erp.post(SNAPSHOTS)
    assert made.status_code == 201
    pos = made.json()["snapshot"]["as_of_pos"]
    assert (await erp.post(SNAPSHOTS)).status_code == 200  # the same position is the same balance
    stored = await totals(erp, as_of_pos=pos)
    await w.stock(world, "MUG", "A-01-01", 1)
    assert await totals(erp, as_of_pos=pos) == stored
    assert await totals(erp) != stored
    told = await w.scalar(
        world, "SELECT jsonb_object_agg(owner, data::jsonb ->> 'hash') FROM outbox"
        " WHERE warehouse_id = :w AND type = 'inventory.snapshot_published'",
    )  # fmt: skip
    assert told == {owner: hash for owner, (_, hash) in stored.items()}
    missing = await erp.get(STOCK, params={"as_of_pos": pos + 7})
    assert (missing.status_code, missing.json()["nearest"]) == (404, pos)


async def test_the_first_difference_is_found_by_its_bucket(
    world: World, erp: httpx.AsyncClient
) -> None:
    """A partner with one wrong quantity among 3,000 items walks down three buckets."""
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(
            "INSERT INTO item (owner_id, sku, description)"
            f" SELECT {world.owners['ACME']}, 'S' || n, '' FROM generate_series(1, 3000) n"
        )
        await tx.exec_driver_sql(f"""
            INSERT INTO movement (warehouse_id, at, kind, from_bin_id, to_bin_id, owner_id, item_id,
                                  qty)
            SELECT {world.warehouse_id}, now(), 'receipt', {world.bins['SUPPLIER']},
                   {world.bins['A-01-01']}, owner_id, id, 1 + id % 7
              FROM item WHERE sku LIKE 'S%%'
        """)  # fmt: skip
    async with world.db.reading() as tx:
        found = await tx.exec_driver_sql("SELECT sku, qty FROM movement m JOIN item i"
                                         " ON i.id = m.item_id")  # fmt: skip
        mine = {row.sku: row.qty for row in found}
    mine["S1234"] += 1

    def own(prefix: str) -> str:
        lines = [("ACME", sku, "available", mine[sku]) for sku in sorted(mine)
                 if bucket(sku).startswith(prefix)]  # fmt: skip
        return digest(lines)

    prefix, asked, lines = "", 0, []
    while not lines:
        asked += 1
        query = {"owner": "ACME", "prefix": prefix}
        answer = (await erp.get(STOCK, params=query)).json()
        (prefix,) = [
            each["key"] for each in answer["totals"] if each["hash"] != own(each["key"])
        ]
        lines = answer["lines"]
    wrong = [each["sku"] for each in lines if mine[each["sku"]] != each["qty"]]
    assert wrong == ["S1234"]
    assert asked <= 3


async def test_a_partner_of_one_owner_sees_that_owners_stock_only(
    world: World, app: Litestar, erp: httpx.AsyncClient
) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    await w.stock(world, "FILTER", "A-02-01", 9)
    async with world.db.reading() as tx:
        which = Which(owner_ids=[world.owners["BREW"]])
        found = await by_owner(tx, now(world), which)
    assert [each.key for each in found.totals] == ["BREW"]
    assert (await erp.post(SNAPSHOTS)).json()["snapshot"]["units"] == 14
    async with partners.partner(app, world, "BREWER", owners=["BREW"]) as brewer:
        (listed,) = (await brewer.get(SNAPSHOTS)).json()["snapshots"]
        again = (await brewer.post(SNAPSHOTS)).json()
    assert (listed["lines"], listed["units"]) == (1, 9)
    assert (again["snapshot"], [each["key"] for each in again["totals"]]) == (listed, ["BREW"])


async def test_the_night_publishes_once_and_a_ledger_that_adds_up_opens_nothing(
    world: World,
) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    late = now(world, at=now(world).at.replace(hour=12), actor="system:reconciliation")
    for expected in (1, 0):
        async with world.db.transaction() as tx:
            assert await nightly.run(tx, late) == expected
    async with world.db.transaction() as tx:  # a balance that nobody moved: someone broke in
        await tx.exec_driver_sql("ALTER TABLE balance DISABLE TRIGGER USER")
        await tx.exec_driver_sql("UPDATE balance SET on_hand = on_hand + 1")
        await nightly.prove(tx, late)
        which = Filter(code="stock_gap")
        (gap,) = await queries.list_exceptions(tx, late, which, after=None, limit=9)
        assert gap.facts == {"balances": 6, "movements": 5}
        await tx.exec_driver_sql("UPDATE balance SET on_hand = on_hand - 1")
        await nightly.prove(tx, late)
        assert await queries.list_exceptions(tx, late, which, after=None, limit=9) == []
