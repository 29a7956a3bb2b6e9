"""Which zone holds which item, so that zones that work in parallel are equally busy every day.

Problem: put equally many items into each zone; the busiest zone of a later day should have little
more lines than the mean. Two things make zones uneven: items whose demand shifts (so demand is
balanced over several horizons at once) and items bought together (so these are spread).
Units: order lines. Guarantees: zones differ by at most one item, deterministic, same rounds same
plan, the balance on the past orders never worse than dealing items out by popularity.
Not guaranteed: balance on later days, which also vary by chance.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from wms.planning.compiled import draw, ready, seed_state
from wms.planning.jit import kernel
from wms.planning.stop import StopRule

# Half-lives of demand as shares of the whole past: what is bought now, lately, and always.
HORIZONS = (0.05, 0.2, 0.9)
# Items are exchanged with items of about the same popularity.
TIER = 60
STEPS = 5_000


class ZonePlan(Struct, frozen=True):
    """Zone number of each item, and the unevenness of the past orders before and after."""

    zone: dict[str, int]
    uneven_before: float
    uneven_after: float
    stopped_because: str


@kernel
def exchange_items(order, zone, pair_sum, together, demand, load, day_orders, steps, state):
    """Exchange items between zones where that evens them out; return the change."""
    n = order.shape[0]
    horizons = demand.shape[1]
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
        for h in range(horizons):
            shift = demand[b, h] - demand[a, h]
            gain = 2 * shift * (load[p, h] - load[q, h] + shift)
            change += day_orders * day_orders * gain / horizons
        if change >= -1e-12:
            continue
        total += change
        for k in range(n):
            step = together[k, b] - together[k, a]
            pair_sum[k, p] += step
            pair_sum[k, q] -= step
        for h in range(horizons):
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
    demand = weigh_demand(lines, len(items))
    together = np.zeros((len(items), len(items)))
    for held in lines:
        together[np.ix_(held, held)] += 1 / len(lines)
    np.fill_diagonal(together, 0)
    order = np.argsort(-demand.mean(axis=1), kind="stable")
    zone = deal_out(order, zones)
    pair_sum = np.stack([together[:, zone == z].sum(axis=1) for z in range(zones)], axis=1)
    load = np.stack([demand[zone == z].sum(axis=0) for z in range(zones)])
    uneven = orders_per_day * float(pair_sum[np.arange(len(items)), zone].sum())
    uneven += orders_per_day**2 * float(((load - load.mean(axis=0)) ** 2).sum() / len(HORIZONS))
    before = uneven
    state = np.array([seed_state(seed)])
    watch = stop()
    reason = watch(uneven)
    while reason is None and len(items) > 1:
        uneven += ready(exchange_items)(
            order, zone, pair_sum, together, demand, load, float(orders_per_day), STEPS, state
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


def deal_out(order: np.ndarray, zones: int) -> np.ndarray:
    """Return zones dealt there and back by popularity, like cards."""
    turn, seat = np.divmod(np.arange(len(order)), zones)
    zone = np.empty(len(order), np.int64)
    zone[order] = np.where(turn % 2 == 0, seat, zones - 1 - seat)
    return zone
