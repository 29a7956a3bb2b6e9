"""What did I just scan, and what is known about it."""

import pytest

from tests import world as build
from tests.world import World
from wms.inventory import identify
from wms.inventory.identify import UnknownCode


async def found(world: World, raw: str) -> identify.Found:
    async with world.db.reading() as tx:
        return await identify.identify(tx, build.stamp(world), raw)


async def inquiry(world: World, raw: str) -> identify.Inquiry:
    async with world.db.reading() as tx:
        stamp = build.stamp(world)
        return await identify.inquire(tx, stamp, await identify.identify(tx, stamp, raw))


async def test_a_bin_is_known_by_label_and_by_its_keyed_code(world: World) -> None:
    for raw in (build.bin_label("A-01-03"), "A-01-03", "a-01-03"):
        assert (await found(world, raw)).bin_id == world.bins["A-01-03"]


async def test_items_plates_documents_lots_serials_and_badges_are_told_apart(world: World) -> None:
    await build.stock(world, "BEANS", "A-01-01", 10, "L1")
    await build.stock(world, "GPS", "A-01-02", 1, serial="SN1")
    label = await build.plate(world, "P1", kind="pallet", state="open")
    order = await build.order(world, "ORD-1", ("TENT", 1))
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    assert (await found(world, build.gtin("MUG", "case"))).qty == 12
    assert (await found(world, "MUG")).item_id == world.items["MUG"]
    assert (await found(world, label)).lpn_id == world.lpns["P1"]
    assert (await found(world, "ORD-1")).order_id == order["id"]
    assert (await found(world, "ASN-1")).asn_id == asn["id"]
    assert (await found(world, "L1")).lot_id == world.lots["BEANS", "L1"]
    assert (await found(world, "SN1")).item_id == world.items["GPS"]
    assert (await found(world, build.badge("PIA"))).user_id == world.users["PIA"]
    with pytest.raises(UnknownCode):
        await found(world, "NOTHING")


async def test_an_inquiry_shows_contents_stock_and_progress(world: World) -> None:
    await build.plate(world, "P1", "R-01-01", kind="pallet", state="closed")
    await build.stock(world, "BEANS", "A-01-01", 10, "L1")
    await build.stock(world, "MUG", "R-01-01", 48, lpn="P1")
    await build.stock(world, "MUG", "A-01-02", 5, status="damaged")
    await build.asn(world, "ASN-1", ("MUG", 48))
    beans = dict((await inquiry(world, build.bin_label("A-01-01"))).rows)
    assert beans["BEANS"].startswith("10 lot L1 until ")
    mugs = await inquiry(world, "MUG")
    assert ("On hand", "53, 48 free") in mugs.rows
    assert ("A-01-02", "5 damaged") in mugs.rows
    plate = await inquiry(world, (await found(world, "R-01-01")).code)
    assert any("48 MUG" in value for _label, value in plate.rows)
    assert ("1 MUG", "0 of 48") in (await inquiry(world, "ASN-1")).rows
    async with world.db.reading() as tx:
        due = await identify.list_due_asns(tx, build.stamp(world))
    assert [(each.external_id, each.qty, each.received) for each in due] == [("ASN-1", 48, 0)]
