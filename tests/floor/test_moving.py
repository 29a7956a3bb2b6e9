"""Moves by hand over their procedure: plates, parts, loose goods, whole bins, refusals."""

import pytest

from tests import world as build
from tests.floor.acting import events, ledger_holds, look, send, table
from tests.world import World
from wms.inventory import moving
from wms.inventory.fits import BinFull, BinKeepsOneItem
from wms.inventory.moving import NotMovable, NotThere
from wms.steps import Answer

MUG, TENT, BEANS = (build.gtin(sku) for sku in ("MUG", "TENT", "BEANS"))


async def move(world: World, *scans: str, ident: str = "0", path: str = "") -> Answer:
    return await send(world, "PAUL", moving.confirm, f"move/{ident}", *scans, path=path)


async def pallet(world: World, name: str, bin: str, sku: str, qty: int) -> str:
    label = await build.plate(world, name, bin, kind="pallet", state="closed")
    await build.stock(world, sku, bin, qty, lpn=name)
    return label


async def test_a_plate_is_moved_with_two_scans(world: World) -> None:
    plate = await pallet(world, "P1", "R-01-01", "MUG", 48)
    answer = await move(world, plate, build.bin_label("R-02-01"))
    assert answer.say == f"{plate} stands in R-02-01"
    assert await build.on_hand(world, "MUG", "R-02-01") == 48
    [told] = await events(world, "inventory.moved")
    assert (told["from"]["bin"], told["to"]["bin"], told["purpose"]) == (
        "R-01-01", "R-02-01", "relocate",
    )  # fmt: skip
    await ledger_holds(world)


async def test_a_plate_in_a_pick_bin_is_void(world: World) -> None:
    plate = await pallet(world, "P1", "R-01-01", "MUG", 48)
    await move(world, plate, build.bin_label("A-01-01"))
    assert await table(world, "SELECT state FROM lpn") == [("void",)]
    assert await build.on_hand(world, "MUG", "A-01-01") == 48


async def test_part_of_a_plate_goes_onto_another(world: World) -> None:
    first = await pallet(world, "P1", "R-01-01", "MUG", 48)
    second = await pallet(world, "P2", "R-02-01", "MUG", 2)
    ident = f"lpn-{world.lpns['P1']}"
    await move(world, MUG, "10", second, ident=ident, path="part")
    assert await build.on_hand(world, "MUG", "R-02-01") == 12
    await move(world, first, second)
    assert await build.on_hand(world, "MUG", "R-02-01") == 50
    assert ("void",) in await table(world, "SELECT state FROM lpn")
    await ledger_holds(world)


async def test_loose_goods_move_by_item_and_quantity(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    here, there = build.bin_label("A-01-01"), build.bin_label("A-01-02")
    await move(world, here, MUG, "", "12", there, path="loose")
    assert await build.on_hand(world, "MUG", "A-01-02") == 12
    ident = f"bin-{world.bins['A-01-01']}"
    await move(world, MUG, there, ident=ident)  # all of it is proposed
    assert await build.on_hand(world, "MUG", "A-01-02") == 30
    await ledger_holds(world)


async def test_several_lots_are_told_apart(world: World) -> None:
    await build.stock(world, "BEANS", "A-01-01", 5, "L1")
    await build.stock(world, "BEANS", "A-01-01", 6, "L2")
    here, there = build.bin_label("A-01-01"), build.bin_label("A-01-02")
    with pytest.raises(NotMovable, match="several lots"):
        await move(world, here, BEANS, "", "3", there, path="loose")
    ident = f"bin-{world.bins['A-01-01']}"
    packet = await look(world, "PAUL", moving.packet, ident)
    assert [q.fact for q in packet.steps[0].questions] == ["item", "mark", "qty", "to"]
    await move(world, BEANS, "L2", "4", there, ident=ident)
    moved = await table(
        world, "SELECT lot_id, on_hand FROM balance WHERE bin_id = :b", b=world.bins["A-01-02"]
    )
    assert moved == [(world.lots["BEANS", "L2"], 4)]


async def test_the_bin_scanned_twice_moves_all_of_it(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await build.stock(world, "TENT", "A-01-01", 2, status="damaged")
    ident = f"bin-{world.bins['A-01-01']}"
    await move(world, build.bin_label("A-01-01"), build.bin_label("A-01-02"), ident=ident)
    held = await table(
        world, "SELECT status, on_hand FROM balance WHERE bin_id = :b ORDER BY status",
        b=world.bins["A-01-02"],
    )  # fmt: skip
    assert held == [("available", 30), ("damaged", 2)]
    await ledger_holds(world)


async def test_what_is_promised_or_disputed_stays(world: World) -> None:
    balance = await build.stock(world, "MUG", "A-01-01", 30)
    order = await build.order(world, "ORD-1", ("MUG", 20))
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(
            "INSERT INTO allocation (warehouse_id, order_line_id, balance_id, qty) VALUES"
            f" ({world.warehouse_id}, {order['lines'][0]}, {balance}, 20)"
        )
    await build.stock(world, "MUG", "A-01-01", 5, status="disputed")
    here, there = build.bin_label("A-01-01"), build.bin_label("A-01-02")
    with pytest.raises(NotThere, match="Only 10"):
        await move(world, here, MUG, "", "11", there, path="loose")
    await move(world, here, MUG, "", "10", there, path="loose")
    await ledger_holds(world)


async def test_illegal_targets_and_busy_plates_are_refused(world: World) -> None:
    await build.stock(world, "TENT", "A-01-02", 1)
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE bin SET mix_items = false WHERE code = 'A-01-02'")
        await tx.exec_driver_sql("UPDATE bin SET capacity_lpns = 1 WHERE code LIKE 'R-%'")
    await build.stock(world, "MUG", "A-01-01", 30)
    here = build.bin_label("A-01-01")
    with pytest.raises(BinKeepsOneItem):
        await move(world, here, MUG, "", "1", build.bin_label("A-01-02"), path="loose")
    for target in ("STAGE-IN", "PACK-1", "CUSTOMER", "HAND-PIA", "A-01-01"):
        with pytest.raises(NotMovable):
            await move(world, here, MUG, "", "1", build.bin_label(target), path="loose")
    plate = await pallet(world, "P1", "R-01-01", "MUG", 48)
    await pallet(world, "P2", "R-02-01", "MUG", 48)
    with pytest.raises(BinFull):
        await move(world, plate, build.bin_label("R-02-01"))
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE lpn SET state = 'void' WHERE code LIKE '%P1%'")
    with pytest.raises(NotMovable, match="is void"):
        await move(world, plate, build.bin_label("R-01-04"))
    assert await build.on_hand(world, "MUG", "A-01-01") == 30
