"""Scattered storage: demand met from what lies there, and as short as the best of all choices."""

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.worlds import hall
from wms.planning.route import plan_route
from wms.planning.scattered import Demand, Stock, plan_scattered
from wms.planning.stop import MaxRounds

LAYOUT = hall(4, 8, (4,))
cells = st.tuples(st.integers(0, 3), st.integers(0, 7))
shelves = st.lists(st.tuples(cells, st.integers(1, 3)), min_size=1, max_size=5)


def best_by_trying(wanted, stock):
    """Shortest tour over every choice of bins that covers the demand."""
    choices = []
    for item, qty in wanted.items():
        rows = [row for row in stock if row.item == item]
        choices.append(
            [
                {row.spot for row in some}
                for size in range(1, len(rows) + 1)
                for some in combinations(rows, size)
                if sum(row.qty for row in some) >= qty
            ]
        )
    return min(
        plan_route(LAYOUT, sorted(set().union(*some)), "depot", "depot").distance_mm
        for some in product(*choices)
    )


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 5), shelves), min_size=1, max_size=3))
def test_the_choice_is_as_short_as_the_best_and_meets_the_demand(rows):
    stock, wanted = [], {}
    for number, (qty, found) in enumerate(rows):
        item = f"i{number}"
        spots = {f"{a}-{k}": units for (a, k), units in found}
        stock += [Stock(item, spot, units) for spot, units in spots.items()]
        wanted[item] = min(qty, sum(spots.values()))
    demand = [Demand(item, qty) for item, qty in wanted.items()]
    plan = plan_scattered(LAYOUT, demand, stock, "depot", "depot", MaxRounds(10))
    there = {(row.item, row.spot): row.qty for row in stock}
    taken = dict.fromkeys(wanted, 0)
    for pick in plan.picks:
        assert 0 < pick.qty <= there[pick.item, pick.spot]
        taken[pick.item] += pick.qty
    assert taken == wanted
    assert plan.feasible
    assert sorted(plan.route.order) == sorted({pick.spot for pick in plan.picks})
    assert plan.route.distance_mm == best_by_trying(wanted, stock)
    assert plan == plan_scattered(LAYOUT, demand, stock, "depot", "depot", MaxRounds(10))


def test_missing_stock_is_named_and_the_rest_is_picked():
    stock = [Stock("a", "1-1", 2), Stock("b", "2-2", 5)]
    plan = plan_scattered(LAYOUT, [Demand("a", 3), Demand("b", 1)], stock, "depot", "depot")
    assert plan.short == (("a", 1),)
    assert not plan.feasible
    assert {(p.item, p.qty) for p in plan.picks} == {("a", 2), ("b", 1)}


def test_bad_demand_is_named():
    with pytest.raises(ValueError, match="qty must be >= 1"):
        Demand("a", 0)
    with pytest.raises(ValueError, match="items of the demand must be unique"):
        plan_scattered(LAYOUT, [Demand("a", 1), Demand("a", 2)], [], "depot", "depot")
