"""The questions of a delivery: what a scan proves, what is proposed, what is no lot."""

from datetime import date

import pytest

from wms import barcodes
from wms.inbound.receive_sql import Code, Delivery, Head
from wms.inbound.receive_steps import (
    announced_plates,
    mark_of,
    packet_of,
    pieces,
    receive_step,
)
from wms.inbound.rules import Line, NotOnLabel
from wms.steps import Act, finished, walk

EACH, CASE = "09521234000020", "19521234000027"
SSCC = barcodes.sscc("9521234", 7)
LP = barcodes.label("LP", "1")


def line(id: int, **changes: object) -> Line:
    values = {"id": id, "line_no": str(id), "item_id": 1, "qty": 48, "received": 0, "sku": "MUG"}
    return Line(**values | changes)  # type: ignore[arg-type]


def delivery(
    *lines: Line, codes: list[Code] | None = None, plates: tuple[str, ...] = ()
) -> Delivery:
    head = Head(
        id=5, external_id="ASN-5", owner_id=1, owner_code="ACME", supplier="Mill", state="open",
        version=1, over_tolerance_pct=0, correlation_id="", started_at=None,
        today=date(2026, 3, 2), dock_code="", stage_id=7, stage_code="STAGE-IN", clarify_id=8,
        clarify_code="CLARIFY",
    )  # fmt: skip
    known = codes or [Code(value=EACH, item_id=1, level="each", qty=1),
                      Code(value=CASE, item_id=1, level="case", qty=12)]  # fmt: skip
    return Delivery(head=head, lines=list(lines), codes=known, open_plates=list(plates))


def facts(of: Delivery, *scans: str, path: str = "") -> dict[str, str]:
    step = receive_step(of)
    return finished(step, Act(key="", ref=step.ref, version=1, scans=scans, path=path))


def test_item_then_plate_takes_what_is_open() -> None:
    assert facts(delivery(line(1, received=8)), EACH, LP)["qty"] == "40"
    assert facts(delivery(line(1)), CASE, LP)["qty"] == "12"
    assert facts(delivery(line(1)), "MUG", "3", LP)["qty"] == "3"


def test_when_nothing_is_open_the_quantity_is_asked() -> None:
    step = receive_step(delivery(line(1, received=48)))
    walked = walk(step.questions, [EACH, LP])
    assert walked.open is not None
    assert walked.open.fact == "qty"


def test_a_gs1_count_counts_the_units_of_its_gtin() -> None:
    of = delivery(line(1))
    code = f"]C102{CASE}3703"
    proved = facts(of, code, LP)
    assert pieces(of, proved, (code, LP)) == 36
    assert pieces(of, facts(of, CASE, "3", LP), (CASE, "3", LP)) == 3


def test_a_code_of_two_items_proves_neither() -> None:
    twice = [Code(value=EACH, item_id=n, level="each", qty=1) for n in (1, 2)]
    of = delivery(line(1), line(2, item_id=2, sku="CUP"), codes=twice)
    assert walk(receive_step(of).questions, [EACH]).facts == {}
    assert facts(of, "CUP", "2", LP)["item"] == "2"


def test_a_plate_is_taken_whole_only_when_all_of_it_is_known_and_untouched() -> None:
    known = line(1, sscc=SSCC)
    assert list(announced_plates(delivery(known))) == [SSCC]
    for changes in (
        {"received": 1}, {"serial_tracked": True}, {"lot_tracked": True},
        {"lot_tracked": True, "lot_code": "L1", "expiry_tracked": True},
    ):  # fmt: skip
        assert announced_plates(delivery(line(1, sscc=SSCC, **changes))) == {}
    assert facts(delivery(known), SSCC, SSCC) == {"item": "plate", "plate": SSCC, "all": SSCC}


def test_each_plate_is_confirmed_by_itself_only() -> None:
    other = barcodes.sscc("9521234", 8)
    of = delivery(line(1, sscc=SSCC), line(2, sscc=other))
    walked = walk(receive_step(of).questions, [SSCC, other])
    assert walked.open is not None
    assert len(walked.misses) == 1


@pytest.mark.parametrize("scan", [EACH, CASE, SSCC, LP, barcodes.label("BN", "A-1")])
def test_other_codes_are_no_lot(scan: str) -> None:
    with pytest.raises(NotOnLabel):
        mark_of(delivery(line(1)), {"lot": scan}, "lot")


@pytest.mark.parametrize(
    ("scan", "lot"),
    [("L1", "L1"), ("20260300", "20260300"), ("]C110L77", "L77"), (f"]C101{EACH}10L9", "L9")],
)
def test_a_lot_is_keyed_or_scanned_plain_or_in_gs1(scan: str, lot: str) -> None:
    assert mark_of(delivery(line(1)), {"lot": scan}, "lot") == lot


def test_the_page_shows_what_is_still_to_come_and_ends_with_the_delivery() -> None:
    page = packet_of(delivery(line(1, received=8)))
    assert (page.done, page.total, page.steps[0].qty) == (8, 48, "40 to come")
    assert {path.code for path in page.steps[0].paths} == {"damaged", "over", "unknown", "close"}
    with_plate = receive_step(delivery(line(1), plates=(LP,)))
    assert "full" in {path.code for path in with_plate.paths}
