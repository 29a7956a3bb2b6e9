"""Which orders to release now, from which stock, in which batches and zone lists.

Problem: many orders wait, every item lies in several places and zones. Choose orders with at
least so many pieces, a stock piece for each, batches of whole orders, and per batch and zone one
list that a cart can hold; least total walk. Units: any whole length unit, volume units, pieces.
Guarantees: limits kept, a stock piece used once, enough pieces where the stock allows; same seed
and rounds, same plan; more rounds never longer. Lists are walked as combs: along the spine, into
each aisle and out again, or through to the back cross aisle where that is shorter.
Source: `release_search`; the problem is that of Abelli et al., arXiv 2401.04563.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from wms.planning import release_search as search
from wms.planning.comb import comb_walk
from wms.planning.release_suit import fill, suit
from wms.planning.stop import MaxRounds, StopRule

DEFAULT_STOP = MaxRounds(50)
MOVES, FIRST_CYCLE, LONGER = 5_000, 100, 2.0
HOT, COLD = 6.0, 0.5
TRIES = 300
SPARE_BATCHES = 1
RENEWED = 10


class StockPiece(Struct, frozen=True):
    """One piece in stock: `x` along the spine from the origin, `depth` into the aisle (signed)."""

    item: str
    zone: str
    x: int
    depth: int


class WaitingOrder(Struct, frozen=True):
    """An order that may be released; an item listed twice is wanted twice."""

    id: str
    items: tuple[str, ...]


class Limits(Struct, frozen=True):
    """How much to release, and how large batches and lists may be.

    `back_low` and `back_high` are the depths of the back cross aisles (None: there is none).
    """

    pieces_min: int
    orders_max: int
    volume_max: int
    back_low: int | None = None
    back_high: int | None = None

    def __post_init__(self) -> None:
        for name in ("pieces_min", "orders_max", "volume_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, not {getattr(self, name)}")


class PickList(Struct, frozen=True):
    """One walk in one zone: (order id, number of the stock piece) in walking order."""

    zone: str
    picks: tuple[tuple[str, int], ...]
    distance: int


class ReleaseBatch(Struct, frozen=True):
    """Orders that are picked together, as one list per zone."""

    orders: tuple[str, ...]
    lists: tuple[PickList, ...]


class Release(Struct, frozen=True):
    """The plan; `feasible` is False when the stock cannot give the wanted pieces."""

    batches: tuple[ReleaseBatch, ...]
    distance: int
    pieces: int
    stopped: str
    rounds: int
    feasible: bool


def plan_release(
    orders: Sequence[WaitingOrder],
    stock: Sequence[StockPiece],
    volumes: Mapping[str, int],
    limits: Limits,
    stop: StopRule = DEFAULT_STOP,
    seed: int = 0,
) -> Release:
    """Orders to release and their lists. Raises ValueError for repeated order ids."""
    if len({order.id for order in orders}) != len(orders):
        raise ValueError("order ids must be unique")
    watch = stop()
    by_item: dict[str, list[int]] = {}
    for number, piece in enumerate(stock):
        by_item.setdefault(piece.item, []).append(number)
    able = [order for order in orders if order.items and all(i in by_item for i in order.items)]
    if not able:
        return Release((), 0, 0, "nothing to do", 0, False)
    numbered = [number for numbers in by_item.values() for number in numbers]
    zones = sorted({piece.zone for piece in stock})
    store = _store(able, stock, numbered, by_item, zones, volumes, limits, seed)
    for batch in range(int(store[search.BATCHES])):
        fill(store, batch, TRIES)
    best_batch = np.zeros(len(able), np.int64)
    best_taken = np.zeros(sum(len(order.items) for order in able), np.int64)
    search.save(store, best_batch, best_taken)
    best = np.array([store[search.COST]])
    rounds, left, cycle, heat, cooling = 0, 0, FIRST_CYCLE, 0.0, 1.0
    enough = int(store[search.PIECES]) >= limits.pieces_min
    while (reason := watch(float(best[0]))) is None:
        if not store[search.CHOSEN_COUNT]:
            reason = "nothing fits"
            break
        if left == 0:
            search.reload(store, best_batch, best_taken)
            store[search.COST] = best[0]
            left, heat = cycle, HOT
            cooling = (COLD / HOT) ** (1 / (cycle * MOVES))
            cycle = int(cycle * LONGER)
        # Lists of what suits go out of date slowly: each batch's is made anew in its turn.
        worth = store[search.COST] / store[search.PIECES]
        for batch in range(rounds % RENEWED, int(store[search.BATCHES]), RENEWED):
            suit(store, batch, worth)
        rounds, left = rounds + 1, left - 1
        heat = search.anneal_release(store, best_batch, best_taken, best, MOVES, heat, cooling)
    batches = _batches(able, stock, numbered, best_batch, best_taken, limits)
    total = sum(walk.distance for batch in batches for walk in batch.lists)
    pieces = sum(len(walk.picks) for batch in batches for walk in batch.lists)
    return Release(batches, total, pieces, reason, rounds, enough)


def _store(
    able: list[WaitingOrder],
    stock: Sequence[StockPiece],
    numbered: list[int],
    by_item: dict[str, list[int]],
    zones: list[str],
    volumes: Mapping[str, int],
    limits: Limits,
    seed: int,
) -> np.ndarray:
    item_of = {item: number for number, item in enumerate(by_item)}
    zone_of = {zone: number for number, zone in enumerate(zones)}
    sizes = [len(order.items) for order in able]
    # Enough batches for the wanted pieces even if only the smallest orders were chosen.
    batches = SPARE_BATCHES + math.ceil(limits.pieces_min / (min(sizes) * limits.orders_max))
    nearest = [
        min(2 * abs(stock[n].depth) + abs(stock[n].x) for n in numbers)
        for numbers in by_item.values()
    ]
    alone = [sum(nearest[item_of[i]] for i in order.items) / len(order.items) for order in able]
    lists = np.zeros((batches, len(zones), search.LIST_SIZE), np.int64)
    lists[:, :, search.HEAD] = -1
    unset = np.full(max(sum(sizes), len(numbered)), -1, np.int64)
    return search.new_store(
        {
            search.LUCK: seed % 2147483646 + 1,
            search.PIECES_MIN: limits.pieces_min,
            search.ORDERS_MAX: limits.orders_max,
            search.VOLUME_MAX: limits.volume_max,
            search.ORDERS: len(able),
            search.BATCHES: batches,
            search.ZONES: len(zones),
        },
        {
            search.ORDER_PTR: np.cumsum([0, *sizes]),
            search.PIECE_ITEM: np.array([item_of[i] for order in able for i in order.items]),
            search.ITEM_PTR: np.cumsum([0, *(len(numbers) for numbers in by_item.values())]),
            search.STOCK_X: np.array([stock[n].x for n in numbered]),
            search.STOCK_DEPTH: np.array([abs(stock[n].depth) for n in numbered]),
            search.STOCK_ZONE: np.array([zone_of[stock[n].zone] for n in numbered]),
            search.ITEM_VOLUME: np.array([volumes.get(item, 0) for item in by_item]),
            search.RANK: np.argsort(np.array(alone), kind="stable"),
            search.BATCH: unset[: len(able)],
            search.RIDERS: np.zeros(batches),
            search.TAKEN: unset[: sum(sizes)],
            search.SUIT: np.zeros(batches * search.SUITED),
            search.USED: np.zeros(len(numbered)),
            search.LISTS: lists,
            search.BEFORE: unset[: len(numbered)],
            search.AFTER: unset[: len(numbered)],
            search.CHOSEN: np.zeros(len(able) + 1),
            search.PLACE: np.zeros(len(able)),
        },
    )


def _batches(
    able: list[WaitingOrder],
    stock: Sequence[StockPiece],
    numbered: list[int],
    batch_of: np.ndarray,
    taken: np.ndarray,
    limits: Limits,
) -> tuple[ReleaseBatch, ...]:
    """The plan with its lists in walking order."""
    starts = np.cumsum([0, *(len(order.items) for order in able)])
    found: list[ReleaseBatch] = []
    for batch in range(int(batch_of.max()) + 1):
        rows = [row for row in range(len(able)) if batch_of[row] == batch]
        by_zone: dict[str, list[tuple[str, int]]] = {}
        for row in rows:
            for at in range(starts[row], starts[row + 1]):
                number = numbered[taken[at]]
                by_zone.setdefault(stock[number].zone, []).append((able[row].id, number))
        lists = []
        for zone, picks in sorted(by_zone.items()):
            spots = [(stock[n].x, stock[n].depth) for _, n in picks]
            order, length = comb_walk(spots, limits.back_low, limits.back_high)
            lists.append(PickList(zone, tuple(picks[k] for k in order), length))
        if rows:
            found.append(ReleaseBatch(tuple(able[row].id for row in rows), tuple(lists)))
    return tuple(found)
