"""Reads and judges `batching_zalando`: order selection, mixed shelves, zones.

The checker recomputes every list from the set's own definition of distance.
"""

from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader, number, read_instances, read_known
from wms.planning.release import Limits, Release, StockPiece, WaitingOrder, plan_release
from wms.planning.stop import MaxSeconds


def between(one: tuple[int, int], two: tuple[int, int], first_row: int, last_row: int) -> int:
    """Walk between two places (row, aisle): by the middle, or by the end cross aisle."""
    middle = abs(one[0]) + abs(two[0])
    if one[0] * two[0] > 0:
        end = abs(first_row) if one[0] < 0 else last_row
        middle = min(middle, 2 * end - middle)
    return middle + abs(one[1] - two[1])


def judge(row: dict[str, Any], plan: Release) -> tuple[str, int]:
    """What is wrong with a plan (empty: nothing), and its total distance."""
    limits = row["parameters"]
    used: set[int] = set()
    seen: set[str] = set()
    total = pieces = 0
    for batch in plan.batches:
        if len(batch.orders) > limits["max_orders_per_batch"] or seen & set(batch.orders):
            return "too many orders in a batch, or an order twice", total
        seen |= set(batch.orders)
        given: dict[str, list[int]] = {order: [] for order in batch.orders}
        for walk in batch.lists:
            stops = [row["items"][piece] for _, piece in walk.picks]
            if any(str(zone) != walk.zone for *_, zone in stops):
                return "a list leaves its zone", total
            if sum(row["articles"][stop[0]] for stop in stops) > limits["max_container_volume"]:
                return "a list is overloaded", total
            here = (0, 0)
            for place in [*((stop[1], stop[2]) for stop in stops), (0, 0)]:
                total += between(here, place, limits["first_row"], limits["last_row"])
                here = place
            for order, piece in walk.picks:
                if piece in used:
                    return "a stock piece is used twice", total
                used.add(piece)
                given[order].append(row["items"][piece][0])
        for order, items in given.items():
            if sorted(items) != sorted(row["orders"][int(order)]):
                return "an order does not get what it wants", total
            pieces += len(items)
    if pieces < limits["min_number_requested_items"]:
        return "too few pieces", total
    return ("states less than it walks" if total > plan.distance else ""), total


def _case(row: dict[str, Any], best: float | None) -> Case:
    orders = [
        WaitingOrder(str(k), tuple(str(article) for article in articles))
        for k, articles in enumerate(row["orders"])
    ]
    stock = [StockPiece(str(art), str(zone), aisle, r) for art, r, aisle, zone in row["items"]]
    volumes = {str(k): volume for k, volume in enumerate(row["articles"])}
    given = row["parameters"]
    limits = Limits(
        given["min_number_requested_items"],
        given["max_orders_per_batch"],
        given["max_container_volume"],
        given["first_row"],
        given["last_row"],
    )

    def solve(seconds: float) -> Outcome:
        plan = plan_release(orders, stock, volumes, limits, MaxSeconds(seconds), seed=1)
        fault, total = judge(row, plan)
        return Outcome(not fault, total, fault)

    return Case(row["id"], solve, best)


def read_release(folder: Path) -> list[Case]:
    """One case per instance; compared with the authors' greedy plan."""
    known = read_known(folder)
    return [
        _case(row, number(known.get(row["id"]), "dga_distance")) for row in read_instances(folder)
    ]


READERS: dict[str, Reader] = {"batching_zalando": read_release}
