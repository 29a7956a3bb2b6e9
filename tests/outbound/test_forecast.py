"""The floor run ahead: when each truck's orders are packed, who misses it, and who is needed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.outbound.forecast import Done, Due, Pace, People, Trip, measure, predict, run_ahead

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PACE = Pace(pack_s=60)
ONE = People(pickers=(1,), packers=1)


def due(order_id: int, minutes: float, carrier: str = "DPD", **changes: bool) -> Due:
    return Due(order_id=order_id, external_id=f"SO-{order_id}", carrier_id=1, carrier=carrier,
               cutoff_at=NOW + timedelta(minutes=minutes), **changes)  # fmt: skip


def trip(rank: float, minutes: float, *orders: int, by: int | None = None) -> Trip:
    return Trip(rank=rank, work_s=60 * minutes, orders=orders, by=by)


def test_a_truck_is_kept_with_what_is_to_spare() -> None:
    found = predict(NOW, [trip(1, 10, 1), trip(2, 10, 2)], [due(1, 60), due(2, 60)], ONE, PACE)
    (cutoff,) = found.cutoffs
    assert (cutoff.done_at, cutoff.spare_s, cutoff.late) == (
        NOW + timedelta(minutes=21), 39 * 60, ()
    )  # fmt: skip
    assert (found.late, found.more_pickers, found.more_packers) == (0, 0, 0)


def test_late_orders_are_named_and_the_people_they_need_are_counted() -> None:
    trips = [trip(n, 10, n) for n in (1, 2, 3, 4)]
    found = predict(NOW, trips, [due(n, 25) for n in (1, 2, 3, 4)], ONE, PACE)
    assert [late.external_id for late in found.cutoffs[0].late] == ["SO-4", "SO-3"]
    assert found.cutoffs[0].late[0].by_s == 16 * 60
    assert (found.more_pickers, found.more_packers, found.enough) == (1, 0, True)


def test_the_urgent_tour_is_taken_first_and_a_begun_one_is_ended_by_its_person() -> None:
    trips = [trip(9, 10, 1), trip(1, 10, 2), trip(5, 5, 3, by=1)]
    ends = run_ahead(trips, [due(n, 60) for n in (1, 2, 3)], ONE, PACE)
    assert ends == {3: 6 * 60, 2: 16 * 60, 1: 26 * 60}


def test_a_queue_at_the_bench_needs_packers_not_pickers() -> None:
    dues = [due(n, 5) for n in range(1, 9)]
    found = predict(NOW, [], dues, People(pickers=(1, 2), packers=1), PACE)
    assert found.late == 3
    assert (found.more_pickers, found.more_packers) == (0, 1)


def test_what_no_number_of_people_can_do_is_not_promised() -> None:
    found = predict(NOW, [trip(1, 30, 1)], [due(1, 20)], ONE, PACE)
    assert (found.late, found.enough) == (1, False)


def test_a_truck_that_is_gone_calls_for_nobody() -> None:
    found = predict(NOW, [trip(1, 30, 1)], [due(1, -5)], ONE, PACE)
    assert (found.cutoffs[0].missed, found.late, found.more_pickers) == (1, 0, 0)


def test_packed_orders_are_counted_and_a_finished_truck_is_not_shown() -> None:
    dues = [due(1, 60, packed=True), due(2, 60), due(3, 90, "UPS", packed=True)]
    found = predict(NOW, [trip(1, 5, 2)], dues, ONE, PACE)
    assert [(each.carrier, each.orders, each.packed) for each in found.cutoffs] == [("DPD", 1, 1)]


def test_the_pace_is_what_the_scans_say_once_there_are_enough_of_them() -> None:
    slow = Done(kind="pick", took_s=2 * PACE.tour_s(100, 10), metres=100, tasks=10)
    assert measure([]).slower == 1
    assert measure([slow]).slower == pytest.approx(7 / 6)
    assert measure([slow] * 95).slower == pytest.approx(1.95)
    packs = [Done(kind="pack", took_s=30, metres=0, tasks=1)] * 45
    assert measure(packs).pack_s == pytest.approx(34.5)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), max_size=12), st.integers(1, 4))
def test_every_order_ends_after_its_tour_and_nobody_works_two_tours_at_once(
    tours: list[tuple[int, int]], pickers: int
) -> None:
    trips = [trip(rank, minutes, n) for n, (rank, minutes) in enumerate(tours)]
    people = People(pickers=tuple(range(pickers)), packers=3)
    ends = run_ahead(trips, [due(n, 60) for n in range(len(tours))], people, PACE)
    assert sorted(ends) == list(range(len(tours)))
    assert all(ends[n] >= 60 * minutes + PACE.pack_s for n, (_, minutes) in enumerate(tours))
    work = sum(60 * minutes for _, minutes in tours)
    assert max(ends.values(), default=0) >= work / pickers
