"""The forecast of the floor as it is, and of a release that has not been pressed yet.

Reads only. A release is planned as it would be (stock chosen without a lock, tours by the planner,
in the time a person waits for a page); where the planner has no time, its walks are guessed.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, rows
from wms.inventory import allocations
from wms.inventory.allocations import Stock, Take
from wms.masterdata.floor_plan import load_layout, walks_on
from wms.outbound import rules, wave_sql
from wms.outbound.allocation import Line
from wms.outbound.floor_work import Floor, load_floor, shift_of
from wms.outbound.forecast import Forecast, Trip, predict
from wms.outbound.orders import standing
from wms.outbound.rules import Demand
from wms.outbound.wave_parts import Offer, Pick, Problem, WaveOrder, WavePlan
from wms.outbound.wave_plan import first_rank, plan_simply, plan_tours
from wms.outbound.wave_problem import get_setting
from wms.planning.pool import PlanFailed, PlanTimeout, offload
from wms.stamp import Stamp

LOOK_S = 1.0  # of planning, for a page
PATIENCE_S = 4.0
KEPT = 8  # plans of pages that are looked at again


class Previewed(msgspec.Struct, frozen=True):
    """A planned release: trips with their metres and tasks, for any pace."""

    tours: tuple[tuple[float, int, int, tuple[int, ...]], ...]  # rank, metres, tasks, orders
    rough: bool


class PreviewMemory:
    """The last planned releases, so that a page that asks again does not plan again."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, frozenset[int]], Previewed] = {}

    def keep(self, key: tuple[int, frozenset[int]], made: Previewed) -> None:
        self.known[key] = made
        while len(self.known) > KEPT:
            self.known.pop(next(iter(self.known)))


class _Sizes(msgspec.Struct, frozen=True):
    item_id: int
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int


ORDERS = text(
    """
    SELECT id AS order_id, CAST(extract(epoch FROM cutoff_at) AS bigint) AS due_s, priority
      FROM outbound_order
     WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[]))
     ORDER BY priority DESC, cutoff_at, id
    """
)
SIZES = text(
    """
    SELECT item_id, coalesce(length_mm, 0) AS length_mm, coalesce(width_mm, 0) AS width_mm,
           coalesce(height_mm, 0) AS height_mm, coalesce(weight_g, 0) AS weight_g
      FROM pack_level WHERE level = 'each' AND item_id = ANY (CAST(:item_ids AS bigint[]))
    """
)


async def look_ahead(tx: Tx, stamp: Stamp) -> Forecast:
    """The forecast of what is on the floor."""
    floor = await load_floor(tx, stamp)
    return predict(stamp.at, floor.trips, floor.dues, floor.crew.people, floor.crew.pace)


async def preview(db: Db, stamp: Stamp, order_ids: Sequence[int]) -> Forecast:
    """The forecast if these orders were released now. Opens its own reading transaction."""
    memory = db.memory(PreviewMemory)
    key = (stamp.warehouse_id, frozenset(order_ids))
    known = memory.known.get(key)
    async with db.reading() as tx:
        floor = await load_floor(tx, stamp, order_ids)
        problem = None if known else await _problem(tx, stamp, order_ids, floor)
    if known is None:
        assert problem is not None
        known = await _planned(problem)
        if not known.rough:
            memory.keep(key, known)
    pace, served = floor.crew.pace, {order for *_, orders in known.tours for order in orders}
    new = [Trip(rank=rank, work_s=pace.tour_s(metres, tasks), orders=orders)
           for rank, metres, tasks, orders in known.tours]  # fmt: skip
    waiting = set(order_ids) - served
    dues = [due for due in floor.dues if due.order_id not in waiting]
    return predict(stamp.at, [*floor.trips, *new], dues, floor.crew.people, pace,
                   rough=known.rough)  # fmt: skip


async def _planned(problem: Problem) -> Previewed:
    """By the planner in the time of a page, else by the simple rule."""
    rough = False
    try:
        plan = await offload(plan_tours, problem, timeout_s=PATIENCE_S)
    except (PlanTimeout, PlanFailed, ValueError):
        plan, rough = await asyncio.to_thread(plan_simply, problem), True
    return Previewed(_tours(problem, plan), rough)


def _tours(
    problem: Problem, plan: WavePlan
) -> tuple[tuple[float, int, int, tuple[int, ...]], ...]:
    due = {order.order_id: order.due_s for order in problem.orders}
    return tuple(
        (min(due[order] for _, order in tour.slots) - 60.0 * tour.priority, tour.metres,
         len(tour.tasks), tuple({order for _, order in tour.slots}))
        for tour in plan.tours
    )  # fmt: skip


async def _problem(tx: Tx, stamp: Stamp, order_ids: Sequence[int], floor: Floor) -> Problem:
    """The planning problem of a release, its stock chosen by the rule but neither locked nor
    promised."""
    here = {"warehouse_id": stamp.warehouse_id}
    lines = await rows(tx, wave_sql.DEMANDS, Line, **here, ids=list(order_ids))
    needs: dict[int, int] = {}
    for line in lines:
        needs[line.item_id] = needs.get(line.item_id, 0) + line.qty
    stand = await standing(tx, stamp, sorted(needs))
    stocks = await allocations.look_at_stock(tx, stamp, needs)
    demands = [
        Demand(order_id=line.order_id, order_line_id=line.order_line_id, item_id=line.item_id,
               qty=line.qty, promised=line.promised, whole=line.whole)
        for line in lines
    ]  # fmt: skip
    spare = {item_id: each.spare for item_id, each in stand.items()}
    bin_ids = sorted({stock.bin_id for stock in stocks})
    layout, depot = await load_layout(tx, stamp, bin_ids)
    walks = walks_on(layout, depot, bin_ids)
    takes = rules.choose(demands, stocks, spare, walks).takes
    order_of = {line.order_line_id: line.order_id for line in lines}
    stock_of = {stock.balance_id: stock for stock in stocks}
    sizes = {each.item_id: each for each in await rows(tx, SIZES, _Sizes, item_ids=sorted(needs))}
    picks = []
    for number, take in enumerate(takes, 1):
        stock = stock_of[take.balance_id]
        size = sizes.get(stock.item_id, _Sizes(stock.item_id, 0, 0, 0, 0))
        picks.append(Pick(
            allocation_id=number, order_id=order_of[take.order_line_id],
            order_line_id=take.order_line_id, bin_id=stock.bin_id, balance_id=stock.balance_id,
            lot_id=stock.lot_id, lpn_id=stock.lpn_id, pick_sequence=stock.pick_sequence,
            qty=take.qty,
            **msgspec.structs.asdict(size),
        ))  # fmt: skip
    setting = await get_setting(tx, stamp)
    going = {pick.order_id for pick in picks}
    orders = await rows(tx, ORDERS, WaveOrder, **here, ids=sorted(going))
    return Problem(
        orders=tuple(orders), picks=tuple(picks), layout=layout, depot=depot,
        cart_slots=setting.cart_slots, tote_mm3=setting.tote_mm3, tote_g=setting.tote_g,
        seconds=min(LOOK_S, setting.plan_seconds),
        shift=shift_of(stamp.at.timestamp(), floor, first_rank(orders)),
        offers=_offers(stocks, takes),
    )  # fmt: skip


def _offers(stocks: Sequence[Stock], takes: Sequence[Take]) -> tuple[Offer, ...]:
    """What tours may choose from: stock that rotation holds equal to what was taken."""
    taken = Counter[int]()
    for take in takes:
        taken[take.balance_id] += take.qty
    kinds: dict[tuple[int, int | None, rules.Rank], list[Stock]] = {}
    for stock in stocks:
        kinds.setdefault((stock.item_id, stock.lot_id, rules.rank(stock)), []).append(stock)
    chosen = [mates for mates in kinds.values() if any(taken[each.balance_id] for each in mates)]
    return tuple(
        Offer(balance_id=each.balance_id, kind=kind, bin_id=each.bin_id, lpn_id=each.lpn_id,
              pick_sequence=each.pick_sequence, free=each.free - taken[each.balance_id])
        for kind, mates in enumerate(chosen) if len(mates) > 1
        for each in mates
    )  # fmt: skip
