"""The questions of a blind count: short where one kind of goods is, a list where more are."""

import msgspec

from tests.counting.test_rules import held
from wms import barcodes
from wms.counting.count_steps import CountFacts, Tallied, count_step, tally
from wms.counting.rules import Booked
from wms.steps import Act, finished, walk

BIN, PLATE = barcodes.label("BN", "A-1"), barcodes.label("LP", "P1")
FACTS = CountFacts(task_id=3, tour_id=2, version=1, count_id=1, round=1, state="requested",
                   cause="plan", bin_id=7, bin_code="A-1", check_digits="42")  # fmt: skip


def some(**changes: object) -> Booked:
    values = {"codes": ["00000000000017"], **changes}
    return msgspec.structs.replace(held("available", 30), **values)


def tallied(stock: list[Booked], *scans: str, path: str = "") -> list[Tallied]:
    step = count_step(FACTS, stock)
    facts = finished(step, Act(key="", ref=step.ref, version=1, scans=scans, path=path))
    return tally(facts, stock)


def test_one_kind_of_goods_is_one_number() -> None:
    assert tallied([some()], BIN, "28") == [Tallied(item_id=1, qty=28)]
    assert tallied([some()], "42", "0") == [Tallied(item_id=1, qty=0)]


def test_quantities_are_never_shown() -> None:
    encoded = msgspec.json.encode(count_step(FACTS, [some(), some(item_id=2, sku="CUP")]))
    assert b"30" not in encoded


def test_the_list_ends_with_the_bin_and_adds_what_is_scanned_twice() -> None:
    stock = [some(), some(item_id=2, sku="CUP", codes=["00000000000024"])]
    found = tallied(stock, BIN, "MUG", "5", "CUP", "1", "MUG", "2", BIN)
    assert [(each.item_id, each.qty) for each in found] == [(1, 5), (2, 1), (1, 2)]
    step = count_step(FACTS, stock)
    assert walk(step.questions, [BIN, "MUG", "5"]).open is not None


def test_lots_serials_and_plates() -> None:
    stock = [
        some(lot_id=4, lot_code="L1", lot_tracked=True),
        some(item_id=2, sku="GPS", serial="S1", serial_tracked=True, codes=[]),
        some(item_id=3, sku="CUP", lpn_id=9, lpn_code=PLATE, codes=[]),
    ]
    found = tallied(stock, BIN, "MUG", "]C110L1", "5", "GPS", "S1", PLATE, BIN)
    assert found == [
        Tallied(item_id=1, lot="L1", qty=5), Tallied(item_id=2, serial="S1", qty=1),
        Tallied(plate=PLATE),
    ]  # fmt: skip


def test_what_is_not_booked_here_may_be_scanned_too() -> None:
    found = tallied([some()], BIN, "4006381333931", "", "", "2", BIN, path="list")
    assert found == [Tallied(code="04006381333931", qty=2)]


def test_a_code_of_two_items_in_the_bin_is_taken_as_a_code() -> None:
    stock = [some(), some(item_id=2, sku="CUP")]
    found = tallied(stock, BIN, "00000000000017", "", "", "2", BIN)
    assert found == [Tallied(code="00000000000017", qty=2)]
