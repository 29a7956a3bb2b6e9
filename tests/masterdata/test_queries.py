"""Look-ups of master data."""

from datetime import time

import pytest

from tests import world as build
from tests.world import World
from wms.masterdata import queries
from wms.masterdata.queries import NoSuchWarehouse


async def test_a_warehouse_is_found_by_its_code(world: World) -> None:
    async with world.db.reading() as tx:
        found = await queries.get_warehouse(tx, "W1")
        assert (found.id, found.timezone) == (world.warehouse_id, "Europe/Berlin")
        assert await queries.list_warehouses(tx) == [found]
        with pytest.raises(NoSuchWarehouse, match="W9"):
            await queries.get_warehouse(tx, "W9")


async def test_bin_labels_come_in_walking_order_without_what_nobody_can_scan(world: World) -> None:
    async with world.db.reading() as tx:
        labels = await queries.list_bin_labels(tx, world.warehouse_id)
        shelves = await queries.list_bin_labels(tx, world.warehouse_id, "A")
    kinds = {label.kind for label in labels}
    assert kinds == {"pick", "reserve", "dock", "stage_in", "clarify", "pack", "stage_out"}
    assert len(shelves) == 28
    picks = [label for label in shelves if label.kind == "pick"]
    assert [label.code for label in picks[:2]] == ["A-01-01", "A-01-02"]
    assert picks[0].label == build.bin_label("A-01-01")
    assert picks[0].check_digits.isdigit()


async def test_an_item_shows_its_codes_by_pack_level(world: World) -> None:
    async with world.db.reading() as tx:
        mug = await queries.find_item(tx, "ACME", "MUG")
        assert mug is not None
        each, case = build.gtin("MUG"), build.gtin("MUG", "case")
        assert mug.codes == (("each", each, 1), ("case", case, 12))
        assert await queries.find_item(tx, "BREW", "MUG") is None


async def test_departures_are_told_by_the_clock(world: World) -> None:
    async with world.db.reading() as tx:
        found = await queries.list_departures(tx, world.warehouse_id)
    assert [(each.carrier, each.at, each.dock) for each in found] == [
        ("PARCEL", time(15, 0), "DOCK-PARCEL"),
        ("FREIGHT", time(17, 30), "DOCK-FREIGHT"),
    ]
