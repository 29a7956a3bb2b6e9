"""The builders themselves."""

from tests import world as build
from tests.world import World
from wms.barcodes import read


async def test_the_small_warehouse_holds_stock_an_asn_and_an_order(world: World) -> None:
    await build.stock(world, "BEANS", "A-01-01", 10, "L1")
    await build.plate(world, "P1", kind="pallet", state="open")
    await build.stock(world, "MUG", "STAGE-IN", 24, lpn="P1")
    await build.stock(world, "GPS", "A-01-02", 1, serial="SN1")
    await build.asn(world, "ASN-1", ("MUG", 48))
    await build.order(world, "ORD-1", ("TENT", 1), ("MUG", 2))
    assert await build.on_hand(world, "BEANS", "A-01-01") == 10
    assert await build.on_hand(world, "MUG", "STAGE-IN") == 24
    waiting = "SELECT sum(waiting) FROM order_line WHERE warehouse_id = :w"
    assert await build.scalar(world, waiting) == 3


def test_labels_read_back_as_what_they_are() -> None:
    assert read(build.badge("PIA")).kind == "BD"
    assert read(build.bin_label("A-01-01")).kind == "BN"
    assert read(build.gtin("MUG", "case")).kind == "gtin"
