"""Waves: complete, within carts and zones, on time where possible, levelled, repeatable."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.worlds import hall
from wms.planning.batch import BatchLine, BatchOrder, Cart
from wms.planning.route import plan_route
from wms.planning.stop import MaxRounds
from wms.planning.wave import Picker, Wave, Work, plan_wave

quick = settings(max_examples=15, deadline=None, derandomize=True)
LAYOUT = hall(4, 8)
CART = Cart(4, units_max=8)
WORK = Work(setup_s=30, per_line_s=5, walk_mm_s=1000, zone_walk_mm_s={"B": 500})


@st.composite
def waves(draw):
    rows = draw(
        st.lists(
            st.tuples(
                st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=3),
                st.sampled_from([None, 200, 400, 900]),
                st.sampled_from(["A", "B"]),
            ),
            min_size=1,
            max_size=9,
        )
    )
    return [
        BatchOrder(
            f"o{k}",
            tuple(BatchLine(f"{k}.{n}", f"{a}-{c}", 1) for n, (a, c) in enumerate(cells)),
            due,
            zone=zone,
        )
        for k, (cells, due, zone) in enumerate(rows)
    ]


def plan(orders, pickers, rounds=3, **more) -> Wave:
    return plan_wave(
        LAYOUT, orders, CART, pickers, WORK, "depot", "depot", MaxRounds(rounds), 1, **more
    )


@quick
@given(waves(), st.integers(1, 3))
def test_every_order_once_within_the_cart_and_times_add_up(orders, people):
    pickers = [Picker(f"p{k}", 10 * k) for k in range(people)]
    wave = plan(orders, pickers)
    by_id = {order.id: order for order in orders}
    assert sorted(s.order for tour in wave.tours for s in tour.orders) == sorted(by_id)
    free = {picker.id: picker.ready_s for picker in pickers}
    late = 0.0
    for tour in wave.tours:
        riders = [by_id[stowed.order] for stowed in tour.orders]
        assert len({order.zone for order in riders}) == 1
        assert sum(line.qty for order in riders for line in order.lines) <= 8
        assert len(riders) <= 4
        spots = [line.spot for order in riders for line in order.lines]
        route = plan_route(LAYOUT, spots, "depot", "depot")
        speed = 500 if riders[0].zone == "B" else 1000
        time = 30 + 5 * len(spots) + route.distance_mm / speed
        assert tour.start_s == pytest.approx(free[tour.picker])
        assert tour.finish_s == pytest.approx(tour.start_s + time)
        free[tour.picker] = tour.finish_s
        late += sum(max(0, tour.finish_s - o.due_s) for o in riders if o.due_s is not None)
    assert wave.late_s == pytest.approx(late)
    assert wave.feasible == (late == 0)
    assert dict(wave.busy_s) == pytest.approx({p.id: free[p.id] - p.ready_s for p in pickers})


@quick
@given(waves())
def test_same_seed_same_wave_and_more_rounds_are_never_worse(orders):
    pickers = [Picker("a"), Picker("b")]
    some, more = plan(orders, pickers, 2), plan(orders, pickers, 4)
    assert some == plan(orders, pickers, 2)
    assert more.feasible >= some.feasible
    if more.feasible and some.feasible:
        assert more.work_s <= some.work_s + 1e-6


def partitions(rows):
    """All ways to put rows into groups."""
    if not rows:
        yield []
        return
    for groups in partitions(rows[1:]):
        yield [[rows[0]], *groups]
        for k, group in enumerate(groups):
            yield [*groups[:k], [rows[0], *group], *groups[k + 1 :]]


@settings(max_examples=6, deadline=None, derandomize=True)
@given(waves())
def test_tiny_waves_take_as_little_work_as_the_best_of_all_groupings(orders):
    orders = [BatchOrder(o.id, o.lines, zone=o.zone) for o in orders[:5]]

    def work_of(group):
        spots = [line.spot for order in group for line in order.lines]
        walk = plan_route(LAYOUT, spots, "depot", "depot").distance_mm
        return 30 + 5 * len(spots) + walk / (500 if group[0].zone == "B" else 1000)

    best = min(
        sum(work_of(group) for group in groups)
        for groups in partitions(orders)
        if all(len({o.zone for o in g}) == 1 for g in groups)
        and all(len(g) <= 4 and sum(len(o.lines) for o in g) <= 8 for g in groups)
    )
    assert plan(orders, [Picker("a")], 4).work_s == pytest.approx(best)


def test_a_due_time_that_can_be_kept_is_kept_though_the_walk_is_longer():
    def order(name, spot, due):
        return BatchOrder(name, (BatchLine(name, spot, 1),), due)

    orders = [order("far", "3-7", 2000), order("hot", "0-0", 40), order("mid", "3-6", 2000)]
    wave = plan(orders, [Picker("a")])
    assert wave.feasible
    assert [tuple(s.order for s in tour.orders) for tour in wave.tours] == [
        ("hot",),
        ("far", "mid"),
    ]
    assert [(c.due_s, c.orders, c.late) for c in wave.cutoffs] == [(40, 1, 0), (2000, 2, 0)]


def test_soft_due_times_trade_lateness_for_walking():
    orders = [
        BatchOrder("hot", (BatchLine("1", "0-0", 1),), 35),
        BatchOrder("next", (BatchLine("2", "0-1", 1),), 900),
    ]
    hard = plan(orders, [Picker("a")])
    soft = plan(orders, [Picker("a")], late_weight=1)
    assert hard.work_s >= soft.work_s
    assert len(soft.tours) == 1


def test_pickers_keep_to_their_zones_and_work_is_levelled():
    orders = [
        BatchOrder(f"{zone}{k}", (BatchLine(f"{zone}{k}", f"{k % 4}-7", 4),), zone=zone)
        for zone in "AB"
        for k in range(4)
    ]
    wave = plan(orders, [Picker("a", zones=("A",)), Picker("b", zones=("B",))])
    assert {(tour.picker, tour.orders[0].order[0]) for tour in wave.tours} == {
        ("a", "A"),
        ("b", "B"),
    }
    shared = plan([o for o in orders if o.zone == "A"], [Picker("a"), Picker("b")])
    assert sum(busy > 0 for _, busy in shared.busy_s) == min(2, len(shared.tours))


def test_bad_input_is_named():
    orders = [BatchOrder("a", (BatchLine("1", "0-0", 1),), zone="A")]
    with pytest.raises(ValueError, match="zone must be allowed"):
        plan(orders, [Picker("b", zones=("B",))])
    with pytest.raises(ValueError, match="pickers must be"):
        plan(orders, [])
    with pytest.raises(ValueError, match="walk_mm_s"):
        Work(walk_mm_s=0)


def one_by_one(*orders):
    """A picker alone with carts for one order each: who is served, in sequence, and the plan."""
    wave = plan_wave(
        LAYOUT, [BatchOrder(name, (BatchLine(name, "3-7", 1),), due, priority)
                 for name, due, priority in orders],
        Cart(1), [Picker("a")], WORK, "depot", "depot", MaxRounds(10), 1,
    )  # fmt: skip
    return [tour.orders[0].order for tour in wave.tours], wave


def test_urgent_orders_come_first_where_nobody_is_late_for_it():
    turns, wave = one_by_one(("low", 3000, 0), ("high", 3600, 30), ("none", None, 0))
    assert (turns, wave.feasible) == (["high", "low", "none"], True)
    _, tight = one_by_one(("low", 90, 0), ("high", 1000, 60))
    assert (tight.feasible, tight.tours[0].orders[0].order) == (True, "low")


def test_an_order_of_higher_priority_is_not_late_for_one_of_lower():
    alone = one_by_one(("only", None, 0))[1].work_s
    soon, later = round(1.5 * alone), round(1.9 * alone)
    for low, high in ((soon, later), (soon, soon), (later, soon)):
        wave = one_by_one(("low", low, 0), ("high", high, 1), ("low too", low, 0))[1]
        late = {tour.orders[0].order for tour in wave.tours if tour.finish_s > tour.due_s}
        assert late == {"low", "low too"}
