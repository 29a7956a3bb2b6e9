"""Receiving over its procedures: what is stock, what is told, what is refused."""

import pytest

from tests import world as build
from tests.floor.acting import claim, events, ledger_holds, look, send, table
from tests.world import World
from wms import barcodes
from wms.inbound import receiving
from wms.inbound.rules import (
    DeliveryClosed,
    OverReceipt,
    OwnPlateNeeded,
    PlateUnusable,
    SerialInHouse,
    StillReceiving,
    UnknownBarcode,
)
from wms.inventory.lots import LotExpiryDiffers
from wms.steps import Answer, WrongScan

LP1, LP2, LP3 = (barcodes.label("LP", f"{n:05d}") for n in (1, 2, 3))
MUG, TENT, GPS, BEANS = (build.gtin(sku) for sku in ("MUG", "TENT", "GPS", "BEANS"))


async def receive(
    world: World, asn: dict, *scans: str, path: str = "", user: str = "RITA"
) -> Answer:
    ref = f"receive/{asn['id']}"
    return await send(world, user, receiving.confirm, ref, *scans, path=path)


async def received(world: World, asn: dict) -> list[int]:
    found = await table(world, "SELECT received FROM asn_line WHERE warehouse_id = :w ORDER BY id")
    return [qty for (qty,) in found]


async def test_an_item_scanned_onto_a_plate_is_stock_on_the_stage(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48), ("TENT", 5))
    answer = await receive(world, asn, MUG, "30", LP1)
    assert answer.say == f"30 × MUG on {LP1}, 30 of 48"
    assert await build.on_hand(world, "MUG", "STAGE-IN") == 30
    assert await received(world, asn) == [30, 0]
    assert await build.scalar(world, "SELECT state FROM asn WHERE warehouse_id = :w") == "receiving"
    assert len(await events(world, "receipt.started")) == 1
    [told] = await events(world, "receipt.line_received")
    assert told["stock"]["base_qty"] == 30
    assert told["location"] == {"bin": "STAGE-IN", "lpn": LP1}
    await ledger_holds(world)


async def test_the_open_quantity_is_taken_when_the_plate_is_scanned_at_once(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    await receive(world, asn, MUG, LP1)
    assert await received(world, asn) == [48]


async def test_a_case_barcode_proposes_its_pieces(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    await receive(world, asn, build.gtin("MUG", "case"), LP1)
    assert await received(world, asn) == [12]


async def test_a_gs1_case_says_lot_date_and_count_itself(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("BEANS", 60))
    code = f"]C1 01{build.gtin('BEANS', 'case')}17270331 10L77\x1d3705".replace(" ", "")
    answer = await receive(world, asn, code, LP1)
    assert answer.say.startswith("30 × BEANS")  # 5 cases of 6
    [[lot, expires]] = await table(world, "SELECT code, expires_on::text FROM lot")
    assert (lot, expires) == ("L77", "2027-03-31")


async def test_a_new_plate_completes_the_last_one_and_makes_putaway_work(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48), ("TENT", 5))
    await receive(world, asn, MUG, "48", LP1)
    await receive(world, asn, TENT, "5", LP2)
    states = await table(world, "SELECT code, state FROM lpn WHERE warehouse_id = :w ORDER BY id")
    assert states == [(LP1, "closed"), (LP2, "open")]
    tours = await table(world, "SELECT kind, state FROM tour WHERE warehouse_id = :w")
    assert tours == [("putaway", "ready")]


async def test_a_complete_plate_is_opened_again_until_somebody_puts_it_away(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48), ("TENT", 5))
    await receive(world, asn, MUG, "40", LP1)
    await receive(world, asn, TENT, "5", LP2)
    await receive(world, asn, MUG, "4", LP1)
    tours = await table(world, "SELECT kind, state FROM tour WHERE warehouse_id = :w")
    assert tours == [("putaway", "cancelled")]
    await receive(world, asn, LP1, path="full")
    assert await claim(world, "PAUL", "putaway") is not None
    with pytest.raises(PlateUnusable, match="is being put away"):
        await receive(world, asn, MUG, "4", LP1)
    assert await received(world, asn) == [44, 5]


async def test_more_than_announced_is_refused_and_goes_to_clarification(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    with pytest.raises(OverReceipt, match="Only 48 × MUG"):
        await receive(world, asn, MUG, "60", LP1)
    assert await table(world, "SELECT 1 FROM movement") == []
    await receive(world, asn, MUG, "48", LP1)
    answer = await receive(world, asn, MUG, "12", LP2, path="over")
    assert answer.tone == "care"
    assert await build.on_hand(world, "MUG", "CLARIFY") == 12
    assert await received(world, asn) == [48]
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert (told["kind"], told["qty"]) == ("over", 12)
    held = await table(world, "SELECT status FROM balance WHERE lpn_id IS NOT NULL ORDER BY id")
    assert held == [("available",), ("hold",)]


async def test_within_the_tolerance_more_is_taken_and_told(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48), over_tolerance_pct=10)
    answer = await receive(world, asn, MUG, "50", LP1)
    assert (answer.tone, await received(world, asn)) == ("care", [50])
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert (told["kind"], told["qty"]) == ("over", 2)
    with pytest.raises(OverReceipt):
        await receive(world, asn, MUG, "3", LP1)


async def test_an_item_nobody_announced_goes_to_clarification(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    with pytest.raises(WrongScan):
        await receive(world, asn, TENT, "2", LP1)
    await receive(world, asn, TENT, "2", LP1, path="over")
    assert await build.on_hand(world, "TENT", "CLARIFY") == 2
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert told["kind"] == "unexpected_item"
    with pytest.raises(UnknownBarcode):
        await receive(world, asn, "4006381333931", "2", LP1, path="over")


async def test_an_unknown_code_is_described_and_is_no_stock(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    await receive(world, asn, "4006381333931", "red boxes", "3", LP1, path="unknown")
    assert await table(world, "SELECT 1 FROM movement") == []
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert told["kind"] == "unknown_item"
    assert "red boxes (code 4006381333931)" in told["reason"]["text"]


async def test_damaged_goods_count_for_the_line_but_not_as_available(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    await receive(world, asn, MUG, "3", "crushed", LP2, path="damaged")
    assert await received(world, asn) == [3]
    [[status, bin_id]] = await table(world, "SELECT status, bin_id FROM balance WHERE on_hand > 0")
    assert (status, bin_id) == ("damaged", world.bins["CLARIFY"])
    with pytest.raises(PlateUnusable, match="stands in CLARIFY"):
        await receive(world, asn, MUG, "3", LP2)


async def test_a_lot_has_one_date_for_ever(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("BEANS", 60))
    await receive(world, asn, BEANS, "L1", "2027-03-31", "10", LP1)
    with pytest.raises(LotExpiryDiffers):
        await receive(world, asn, BEANS, "L1", "2027-04-30", "10", LP1)
    assert await received(world, asn) == [10]


async def test_too_little_shelf_life_goes_on_hold_on_a_plate_of_its_own(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("BEANS", 60))
    await receive(world, asn, BEANS, "L1", "2027-03-31", "10", LP1)
    with pytest.raises(OwnPlateNeeded, match="30 are asked"):
        await receive(world, asn, BEANS, "L2", "2026-03-12", "6", LP1)
    answer = await receive(world, asn, BEANS, "L2", "260312", "6", LP2)
    assert "HOLD: best before in 10 days, 30 are asked" in answer.say
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert told["kind"] == "short_life"
    held = await table(
        world, "SELECT status, on_hand FROM balance WHERE bin_id = :bin", bin=world.bins["CLARIFY"]
    )
    assert held == [("hold", 6)]


async def test_a_second_scan_of_the_item_is_not_its_lot(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("BEANS", 60))
    with pytest.raises(Exception, match="another code, not the lot"):
        await receive(world, asn, BEANS, BEANS, "2027-03-31", "10", LP1)


async def test_each_serial_is_received_once(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("GPS", 3))
    await receive(world, asn, GPS, "SN1", LP1)
    with pytest.raises(SerialInHouse):
        await receive(world, asn, GPS, "SN1", LP1)
    await receive(world, asn, GPS, "SN2", LP1)
    assert await received(world, asn) == [2]
    await ledger_holds(world)


async def announce_plate(world: World, asn: dict, sscc: str) -> None:
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(f"UPDATE asn_line SET sscc = '{sscc}'")


async def test_an_announced_plate_is_in_after_its_second_scan(world: World) -> None:
    sscc = barcodes.sscc("9521234", 7)
    asn = await build.asn(world, "ASN-1", ("MUG", 48), ("TENT", 5))
    await announce_plate(world, asn, sscc)
    packet = await look(world, "RITA", receiving.packet, asn["id"])
    assert "48 × MUG, 5 × TENT" in [q.show for q in packet.steps[0].questions]
    answer = await receive(world, asn, "00" + sscc, sscc)
    assert answer.say == f"Plate {sscc} is in: 53 pieces"
    assert await received(world, asn) == [48, 5]
    assert await table(world, "SELECT state FROM lpn") == [("closed",)]
    assert await claim(world, "PAUL", "putaway") is not None
    with pytest.raises(WrongScan):
        await receive(world, asn, sscc, sscc)
    await ledger_holds(world)


async def test_closing_tells_what_is_short_and_makes_putaway_work(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48), ("TENT", 5))
    await receive(world, asn, MUG, "48", LP1)
    answer = await receive(world, asn, "yes", path="close")
    assert (answer.tone, answer.say) == ("task_done", "ASN-1 is closed: 5 short")
    [done] = await events(world, "receipt.completed")
    assert (done["received"], done["short"]) == (48, 5)
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert (told["kind"], told["qty"], told["line"]["sku"]) == ("short", 5, "TENT")
    assert await claim(world, "PAUL", "putaway") is not None
    with pytest.raises(DeliveryClosed):
        await receive(world, asn, TENT, "5", LP2)
    assert (await look(world, "RITA", receiving.packet, asn["id"])).steps == ()


async def test_nobody_closes_while_another_receives_and_goods_are_missing(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 48))
    await receive(world, asn, MUG, "40", LP1)
    with pytest.raises(StillReceiving, match="RITA"):
        await receive(world, asn, "yes", path="close", user="ADA")
    await receive(world, asn, MUG, "8", LP1)
    await receive(world, asn, "yes", path="close", user="ADA")


async def test_a_lot_other_than_announced_is_taken_and_told(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("BEANS", 60))
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE asn_line SET lot_code = 'L1', expires_on = '2027-01-31'")
    await receive(world, asn, BEANS, "L9", "2027-03-31", "10", LP1)
    [told] = await events(world, "receipt.discrepancy_recorded")
    assert (told["kind"], told["reason"]["text"]) == ("wrong_lot", "announced L1, came L9")
    await receive(world, asn, BEANS, "L1", "", LP1)  # date and rest are proposed
    assert await received(world, asn) == [60]
