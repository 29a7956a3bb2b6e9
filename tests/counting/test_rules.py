"""Counting, decided: who believes what, and what a posted count makes of the stock."""

from hypothesis import given
from hypothesis import strategies as st

from wms.counting.rules import Booked, Line, compare, settle, verdict, within_own_limit

KEY = (1, None, None, "")


def held(status: str, on_hand: int, id: int = 1, allocated: int = 0) -> Booked:
    return Booked(
        id=id, owner_id=1, owner_code="ACME", item_id=1, sku="MUG", description="", lot_id=None,
        lot_code="", lpn_id=None, lpn_code="", serial="", status=status, on_hand=on_hand,
        allocated=allocated, lot_tracked=False, serial_tracked=False,
    )  # fmt: skip


def line(booked: int, counted: int, disputed: int = 0) -> Line:
    return Line(key=KEY, booked=booked, counted=counted, disputed=disputed)


def test_small_differences_are_the_counters_own() -> None:
    assert within_own_limit(line(30, 28))
    assert not within_own_limit(line(30, 27))
    assert within_own_limit(line(1000, 980))
    assert not within_own_limit(line(1000, 979))


def test_a_count_that_confirms_a_short_is_the_second_look() -> None:
    assert within_own_limit(line(30, 18, disputed=12))
    assert within_own_limit(line(30, 17, disputed=12))
    assert not within_own_limit(line(30, 10, disputed=12))


def test_serials_and_plates_are_looked_at_twice() -> None:
    assert not within_own_limit(Line(key=(1, None, None, "SN1"), booked=1, counted=0))
    assert not within_own_limit(Line(key=(1, None, 4, ""), booked=1, counted=0))


def test_two_equal_counts_are_the_truth() -> None:
    assert verdict(1, [line(30, 20)], {}) == "recount"
    assert verdict(2, [line(30, 20)], {KEY: -10}) == "post"
    assert verdict(2, [line(25, 15)], {KEY: -10}) == "post"  # five were picked in between
    assert verdict(2, [line(30, 21)], {KEY: -10}) == "review"
    assert verdict(2, [line(30, 30)], {KEY: -10}) == "post"  # the first counter was wrong


def test_everything_booked_or_counted_is_compared() -> None:
    other = (2, None, None, "")
    found = compare([held("available", 5), held("disputed", 3, 2)], {other: 4})
    assert [(x.key, x.booked, x.counted, x.disputed) for x in found] == [
        (KEY, 8, 0, 3), (other, 0, 4, 0),
    ]  # fmt: skip


statuses = st.sampled_from(["available", "disputed", "hold", "damaged", "quarantine"])


@given(st.dictionaries(statuses, st.integers(1, 30), max_size=4), st.integers(0, 60))
def test_a_posted_count_makes_the_stock_what_was_counted(
    stock: dict[str, int], counted: int
) -> None:
    balances = [held(status, qty, n) for n, (status, qty) in enumerate(stock.items())]
    after = {each.status: each.on_hand for each in balances}
    for change in settle(balances, counted):
        assert change.qty > 0
        if change.kind == "found":
            after["available"] = after.get("available", 0) + change.qty
            continue
        assert change.balance is not None
        after[change.balance.status] -= change.qty
        if change.kind == "status":
            after["available"] = after.get("available", 0) + change.qty
    assert sum(after.values()) == counted
    assert after.get("disputed", 0) == 0
    assert all(qty >= 0 for qty in after.values())


def test_disputed_goods_are_lost_first_and_the_rest_is_available_again() -> None:
    changes = settle([held("available", 18), held("disputed", 12, 2)], 25)
    assert [(x.kind, x.balance.status if x.balance else "", x.qty) for x in changes] == [
        ("lost", "disputed", 5), ("status", "disputed", 7),
    ]  # fmt: skip
