"""Which zone holds which item, so that zones that work in parallel are equally busy every day.

Problem: put equally many items into each zone; the busiest zone of a later day should have little
more lines than the mean. Three things make zones uneven: items whose demand shifts (so demand is
balanced over many spans of the past at once), items bought together (so these are spread), and
what nobody can know yet: how each item's demand will change. Items that lie side by side in the
catalogue are often of one family and change together, so neighbours are spread too.
Units: order lines. Guarantees: zones differ by at most one item, deterministic, same rounds same
plan, the balance on the past orders never worse than dealing items out by popularity.
Not guaranteed: balance on later days, which also vary by chance.
"""

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from wms.planning.compiled import draw, seed_state
from wms.planning.jit import kernel
from wms.planning.stop import StopRule

# Half-lives of demand as shares of the whole past: what is bought now, lately, and always.
HORIZONS = (0.03, 0.1, 0.3, 0.9)
# Equal spans of the past, each as likely as the others to be like what comes.
SPANS = 36
# How much an item's demand changes, as a share of it and of the mean demand, and how many places
# in the catalogue away such a change is still shared by most.
DRIFT, DRIFT_OF_MEAN, FAMILY = 0.87, 0.26, 6
# Items are exchanged with items of about the same popularity.
TIER = 100
STEPS = 5_000


class ZonePlan(Struct, frozen=True):
    """Zone number of each item, and the unevenness of the past orders before and after."""

    zone: dict[str, int]
    uneven_before: float
    uneven_after: float
    stopped_because: str


@kernel
def exchange_items(order, zone, pair_sum, together, demand, share, load, day_orders, steps, state):
    """Exchange items between zones where that evens them out; return the change."""
    n = order.shape[0]
    spans = demand.shape[1]
    total = 0.0
    for _ in range(steps):
        i = draw(state, n)
        j = i + draw(state, 2 * TIER + 1) - TIER
        if j < 0 or j >= n:
            continue
        a, b = order[i], order[j]
        p, q = zone[a], zone[b]
        if p == q:
            continue
        pairs = pair_sum[a, q] - pair_sum[a, p] + pair_sum[b, p] - pair_sum[b, q]
        change = 2 * day_orders * (pairs - 2 * together[a, b])
        for h in range(spans):
            shift = demand[b, h] - demand[a, h]
            gain = 2 * shift * (load[p, h] - load[q, h] + shift)
            change += day_orders * day_orders * gain * share[h]
        if change >= -1e-12:
            continue
        total += change
        for k in range(n):
            step = together[k, b] - together[k, a]
            pair_sum[k, p] += step
            pair_sum[k, q] -= step
        for h in range(spans):
            shift = demand[b, h] - demand[a, h]
            load[p, h] += shift
            load[q, h] -= shift
        zone[a], zone[b] = q, p
    return total


def plan_zones(
    items: Sequence[str],
    orders: Sequence[Sequence[str]],
    zones: int,
    orders_per_day: float,
    stop: StopRule,
    seed: int = 1,
) -> ZonePlan:
    """Spread items over zones; orders are in the sequence in which they came, oldest first."""
    if zones < 1 or orders_per_day <= 0:
        raise ValueError("zones must be >= 1 and orders_per_day > 0")
    if len(set(items)) < len(items):
        raise ValueError("items must be named once each")
    number = {ref: at for at, ref in enumerate(items)}
    lines = [np.array(sorted({number[r] for r in o if r in number}), np.int64) for o in orders]
    demand = np.hstack((weigh_demand(lines, len(items)), demand_by_span(lines, len(items))))
    share = np.repeat((0.5 / len(HORIZONS), 0.5 / SPANS), (len(HORIZONS), SPANS))
    popular = demand[:, : len(HORIZONS)].mean(axis=1)
    together = count_together(lines, len(items))
    spread_families(together, items, popular, orders_per_day)
    order = np.argsort(-popular, kind="stable")
    zone = deal_out(order, zones)
    pair_sum = np.stack([together[:, zone == z].sum(axis=1) for z in range(zones)], axis=1)
    load = np.stack([demand[zone == z].sum(axis=0) for z in range(zones)])
    uneven = orders_per_day * float(pair_sum[np.arange(len(items)), zone].sum())
    uneven += orders_per_day**2 * float((((load - load.mean(axis=0)) ** 2) @ share).sum())
    before = uneven
    state = np.array([seed_state(seed)])
    watch = stop()
    reason = watch(uneven)
    while reason is None and len(items) > 1:
        uneven += exchange_items(
            order,
            zone,
            pair_sum,
            together,
            demand,
            share,
            load,
            float(orders_per_day),
            STEPS,
            state,
        )
        reason = watch(uneven)
    plan = {ref: int(zone[at]) for ref, at in number.items()}
    return ZonePlan(plan, before, uneven, reason or "one item")


def weigh_demand(lines: list[np.ndarray], items: int) -> np.ndarray:
    """Return the expected lines of an order for each item, by each horizon."""
    demand = np.zeros((items, len(HORIZONS)))
    age = np.arange(len(lines))[::-1] / max(1, len(lines))
    for h, half_life in enumerate(HORIZONS):
        share = 0.5 ** (age / half_life)
        for held, weight in zip(lines, share / max(share.sum(), 1e-9), strict=True):
            demand[held, h] += weight
    return demand


def demand_by_span(lines: list[np.ndarray], items: int) -> np.ndarray:
    """Return the lines of an order for each item, in each span of the past."""
    demand = np.zeros((items, SPANS))
    for at, held in enumerate(lines):
        demand[held, at * SPANS // len(lines)] += SPANS / len(lines)
    return demand


def count_together(lines: list[np.ndarray], items: int) -> np.ndarray:
    """Return for each pair of items the share of orders that hold both."""
    together = np.zeros((items, items))
    for held in lines:
        together[np.ix_(held, held)] += 1 / len(lines)
    np.fill_diagonal(together, 0)
    return together


def spread_families(
    together: np.ndarray, items: Sequence[str], popular: np.ndarray, orders_per_day: float
) -> None:
    """Add to `together` the change of demand that neighbours in the catalogue will share."""
    shelf = np.array(sorted(range(len(items)), key=lambda at: in_catalogue(items[at])), np.int64)
    change = DRIFT * popular + DRIFT_OF_MEAN * popular.mean()
    for away in range(1, min(5 * FAMILY, len(items))):
        one, two = shelf[:-away], shelf[away:]
        shared = orders_per_day * change[one] * change[two] * np.exp(-away / FAMILY)
        together[one, two] += shared
        together[two, one] += shared


def in_catalogue(ref: str) -> list[tuple[int, int, str]]:
    """Return the key that sorts references as people do, "A9" before "A10"."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", ref)
        if part
    ]


def deal_out(order: np.ndarray, zones: int) -> np.ndarray:
    """Return zones dealt there and back by popularity, like cards."""
    turn, seat = np.divmod(np.arange(len(order)), zones)
    zone = np.empty(len(order), np.int64)
    zone[order] = np.where(turn % 2 == 0, seat, zones - 1 - seat)
    return zone
