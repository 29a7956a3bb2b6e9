"""Picking into totes: bind and drop (the ways out of a pick are in pick_exceptions.py).

The picker stands at the bin, scans it, scans the item, takes the quantity, scans the tote. The
confirming scan is one statement on the raw pool (pick_confirm.py): it is the hottest act of the
warehouse. Everything else runs in the ordinary transaction.
"""

import msgspec

from wms.db import Tx, row, rows
from wms.errors import NotFound, Refused
from wms.inventory import lpns, plates
from wms.outbound import pick_sql as sql
from wms.outbound.cancelling import putback_needed
from wms.outbound.pick_steps import (
    PickFacts,
    SlotFacts,
    bind_step,
    drop_step,
    tour_packet,
)
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet, finished
from wms.tasks import engine, leases
from wms.tasks.rules import StaleStep, WorkTaken


class NoSuchTour(NotFound):
    say = "There is no such pick tour. Your next work is shown."


class ToteNotFree(Refused):
    say = "Tote {tote} is not free: it {why}. Take an empty tote."


class NotAllPicked(Refused):
    say = "{open} picks are still open. Pick or short them, then drop."


class NoStation(NotFound):
    say = "This warehouse has no open pack station. Call your lead."


class _Station(msgspec.Struct):
    id: int
    code: str
    check_digits: str


class _Slot(msgspec.Struct):
    id: int
    order_id: int
    lpn_id: int | None


class _Id(msgspec.Struct):
    id: int


class _Tote(msgspec.Struct):
    lpn_id: int
    code: str
    order_id: int


class _PackWork(msgspec.Struct):
    id: int
    state: str
    cutoff_at: object
    priority: int
    cancel_requested: str
    totes: list[int]
    in_hand: bool


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The tour's packet. Raises NoSuchTour, or WorkTaken when another person holds it."""
    tour = await engine.find_tour(tx, stamp, int(ident)) if ident.isdigit() else None
    if tour is None or tour.kind != "pick":
        raise NoSuchTour()
    if tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="the tour is finished or was given to somebody else")
    values = {"warehouse_id": stamp.warehouse_id, "tour_id": tour.id}
    return tour_packet(
        tour.id,
        await rows(tx, sql.SLOTS, SlotFacts, **values),
        await rows(tx, sql.LOAD_PICKS, PickFacts, **values),
        await list_stations(tx, stamp),
        goods_in_hand=tour.goods_in_hand,
    )


async def list_stations(tx: Tx, stamp: Stamp) -> list[tuple[int, str, str]]:
    """(bin id, code, check digits) of the open pack stations. Raises NoStation."""
    found = await rows(tx, sql.STATIONS, _Station, warehouse_id=stamp.warehouse_id)
    if not found:
        raise NoStation()
    return [(station.id, station.code, station.check_digits) for station in found]


async def bind(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Bind an empty tote to a place of the cart; the tote is then in the picker's hands.

    Locks the slot, then the tote. Raises ToteNotFree, WorkTaken.
    """
    tour_id, _, slot_no = act.ref.partition("/")[2].partition(".")
    if act.path == "later":
        await leases.give_back(tx, stamp, int(tour_id))
        return Answer(ok=True, say="Given back", go="/floor")
    await require_mine(tx, stamp, int(tour_id))
    slot = await row(tx, sql.TAKE_SLOT, _Slot, warehouse_id=stamp.warehouse_id,
                     tour_id=int(tour_id), slot=int(slot_no))  # fmt: skip
    if slot is None or slot.lpn_id is not None:
        raise StaleStep()
    facts = finished(bind_step(int(tour_id), SlotFacts(slot=int(slot_no), order_no="",
                                                       tote_code="")), act)  # fmt: skip
    await bind_tote(tx, stamp, facts["tote"], slot.id, slot.order_id)
    return Answer(ok=True, say=f"Tote {facts['tote']} bound", tone="step_done")


async def bind_tote(tx: Tx, stamp: Stamp, code: str, slot_id: int, order_id: int) -> int:
    """Bind a free tote to a slot and an order; returns the tote's id. Raises ToteNotFree."""
    hand = await plates.hand_bin(tx, stamp)
    tote = await lpns.take_or_create_lpn(tx, stamp, code, "tote", hand, state="free")
    if tote.kind != "tote" or tote.state != "free" or tote.order_id is not None:
        raise ToteNotFree(tote=code, why="holds another order" if tote.order_id else "is in use")
    values = {"warehouse_id": stamp.warehouse_id, "id": tote.id}
    await tx.execute(sql.BIND_LPN, {**values, "order_id": order_id, "bin_id": hand})
    await tx.execute(sql.BIND_SLOT, {"warehouse_id": stamp.warehouse_id, "id": slot_id,
                                     "lpn_id": tote.id})  # fmt: skip
    return tote.id


async def require_mine(tx: Tx, stamp: Stamp, tour_id: int) -> engine.Tour:
    """The tour, when this person holds it. Raises WorkTaken."""
    tour = await engine.find_tour(tx, stamp, tour_id)
    if tour is None or tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="the tour is finished or was given to somebody else")
    return tour


async def drop(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Drop every tote of the tour at a pack station; complete orders become pack work, and what
    was cancelled meanwhile its way back.

    Locks the totes, then each order in turn. Raises NotAllPicked, WorkTaken.
    """
    tour_id = int(act.ref.partition("/")[2])
    await require_mine(tx, stamp, tour_id)
    stations = await list_stations(tx, stamp)
    facts = finished(drop_step(tour_id, stations, 1), act)
    left = [t for t in await engine.list_tasks(tx, stamp, tour_id) if t.state == "open"]
    if left:
        raise NotAllPicked(open=len(left))
    station = int(facts["bin"])
    totes = await rows(tx, sql.TOUR_TOTES, _Tote, warehouse_id=stamp.warehouse_id, tour_id=tour_id)
    for tote in totes:
        plate = await lpns.take_lpn(tx, stamp, tote.code)
        held = await lpns.relocate(tx, stamp, plate, station, "drop")
        if not held:
            await row(tx, sql.FREE_EMPTY, _Id, warehouse_id=stamp.warehouse_id, id=tote.lpn_id)
    for order_id in sorted({tote.order_id for tote in totes}):
        if await putback_needed(tx, stamp, order_id) is None:
            await make_pack_work(tx, stamp, order_id, station)
    await engine.close_tour(tx, stamp, tour_id, station)
    dropped = "1 tote" if len(totes) == 1 else f"{len(totes)} totes"
    return Answer(ok=True, say=f"{dropped} dropped", tone="task_done", go="/floor/next")


async def make_pack_work(tx: Tx, stamp: Stamp, order_id: int, station: int) -> None:
    """Create the order's pack tour when it is picked and none of its totes is in hand."""
    order = await row(tx, sql.READY_TO_PACK, _PackWork, warehouse_id=stamp.warehouse_id,
                      id=order_id)  # fmt: skip
    if order is None or order.state != "picked" or order.in_hand or not order.totes:
        return
    await engine.create_tour(
        tx, stamp, "pack",
        [engine.NewTask(order_id=order_id, lpn_id=tote, from_bin_id=station)
         for tote in order.totes],
        due_at=order.cutoff_at, priority=order.priority, bin_id=station,  # type: ignore[arg-type]
    )  # fmt: skip
