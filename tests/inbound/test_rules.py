"""Receiving, decided: who takes how much, in which status, on which plate."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.inbound.rules import (
    Line,
    OverReceipt,
    PlateUnusable,
    arrival,
    judge_plate,
    left_to_receive,
    spread,
)
from wms.inventory.lpns import Lpn

TODAY = date(2026, 3, 2)


def line(id: int, qty: int, received: int = 0, lot: str = "", sscc: str = "") -> Line:
    return Line(
        id=id, line_no=str(id), item_id=1, qty=qty, received=received, lot_code=lot, sscc=sscc,
        sku="MUG",
    )  # fmt: skip


def plate(**changes: object) -> Lpn:
    values = {"id": 1, "code": "LP-1-X", "kind": "pallet", "state": "open", "bin_id": 7,
              "bin_code": "STAGE-IN", "owner_id": 1, "order_id": None}  # fmt: skip
    return Lpn(**values | changes)  # type: ignore[arg-type]


def test_the_line_of_the_same_lot_is_filled_first_and_loose_before_plates() -> None:
    lines = [line(1, 10, sscc="S"), line(2, 10), line(3, 10, lot="L1"), line(4, 10, lot="L2")]
    shares = [(share.line.id, share.qty) for share in spread(lines, 25, "L1", 0)]
    assert shares == [(3, 10), (2, 10), (1, 5)]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 60)), min_size=1, max_size=6),
    st.integers(1, 300),
    st.integers(0, 30),
)
def test_every_piece_is_booked_and_never_more_than_the_tolerance(
    lines: list[tuple[int, int]], qty: int, tolerance: int
) -> None:
    announced = [line(n, asked, received) for n, (asked, received) in enumerate(lines)]
    left = left_to_receive(announced, tolerance)
    if qty > left:
        with pytest.raises(OverReceipt):
            spread(announced, qty, "", tolerance)
        return
    shares = spread(announced, qty, "", tolerance)
    assert sum(share.qty for share in shares) == qty
    assert all(share.qty - share.over <= share.line.open for share in shares)
    total = sum(x.received for x in announced) + qty
    assert total <= sum(x.qty for x in announced) * (100 + tolerance) // 100
    assert len({share.line.id for share in shares}) == len(shares)


@pytest.mark.parametrize(
    ("expires", "recalled", "status", "kind"),
    [
        (None, False, "available", ""),
        (date(2026, 4, 1), False, "available", ""),
        (date(2026, 3, 31), False, "hold", "short_life"),
        (date(2026, 3, 1), False, "hold", "expired"),
        (date(2027, 3, 1), True, "hold", "recalled_lot"),
    ],
)
def test_the_status_on_arrival(
    expires: date | None, recalled: bool, status: str, kind: str
) -> None:
    arrived = arrival(expires, TODAY, 30, recalled=recalled)
    assert (arrived.status, arrived.kind) == (status, kind)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "void"}, "is void"),
        ({"state": "shipped"}, "is shipped"),
        ({"order_id": 4}, "serves an order"),
        ({"kind": "carton"}, "is a carton"),
        ({"owner_id": 2}, "carries goods of another owner"),
        ({"bin_id": 8, "bin_code": "R-01"}, "stands in R-01"),
    ],
)
def test_a_plate_that_is_something_else_takes_no_goods(
    changes: dict[str, object], why: str
) -> None:
    with pytest.raises(PlateUnusable, match=why):
        judge_plate(plate(**changes), 1, 7)


def test_an_open_plate_here_and_a_free_one_anywhere_take_goods() -> None:
    judge_plate(plate(), 1, 7)
    judge_plate(plate(owner_id=None), 1, 7)
    judge_plate(plate(state="free", kind="tote", bin_id=9, owner_id=None), 1, 7)
