"""A small warehouse with some of everything in its ledger, for tests that try to break it."""

import sqlalchemy as sa

from tests import world as build
from tests.world import World
from wms.inventory import ledger, lpns
from wms.inventory.ledger import Goods, Place


async def at_work(world: World) -> None:
    """Some of everything: lots, serials, plates, a promise partly picked, a unit shipped."""
    await build.stock(world, "BEANS", "A-01-01", 10, "L1")
    await build.stock(world, "GPS", "A-01-02", 1, serial="SN1")
    label = await build.plate(world, "P1", kind="pallet", state="open")
    await build.stock(world, "MUG", "STAGE-IN", 24, lpn="P1")
    balance = await build.stock(world, "LAMP", "A-01-03", 8)
    order = await build.order(world, "O-1", ("LAMP", 5))
    stamp = build.stamp(world)
    promise = "INSERT INTO allocation (warehouse_id, order_line_id, balance_id, qty)"
    async with world.db.transaction() as tx:
        plate = await lpns.take_lpn(tx, stamp, label)
        await lpns.relocate(tx, stamp, plate, world.bins["R-01-01"], "putaway")
        found = await tx.execute(
            sa.text(f"{promise} VALUES (:w, :line, :balance, 4) RETURNING id"),
            {"w": world.warehouse_id, "line": order["lines"][0], "balance": balance},
        )
        lamp = Goods(owner_id=world.owners["ACME"], item_id=world.items["LAMP"], qty=3)
        shelf, hand = Place(world.bins["A-01-03"]), Place(world.bins["HAND-PIA"])
        await ledger.move(tx, stamp, "pick", lamp, shelf, hand, allocation_id=found.scalar_one())
