"""Loading: scan the door, scan every carton onto the truck, take one off, let the truck go.

Any number of people load at one door; the one who holds the work departs. A carton of another
carrier, of a held or cancelled order, or not closed, is a hard stop; one that was stopped on the
truck comes off first, and scanning it takes it off. Departure is in departing.py.
Screens: load, take off, depart.
"""

import msgspec
from sqlalchemy import text

from wms.barcodes import OWN_KINDS, read
from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.events import catalog
from wms.events.groups import doc, who
from wms.events.outbox import emit
from wms.inventory import lpns, plates
from wms.outbound import loads
from wms.outbound.departing import depart_load
from wms.outbound.loads import Load
from wms.outbound.order_events import OrderHead, take_order
from wms.outbound.putback import create_putback
from wms.outbound.ship_steps import (
    AlreadyGone,
    Door,
    NotASeal,
    NotClosed,
    NotOnThisTruck,
    OrderStopped,
    Standing,
    WrongDoor,
    depart_step,
    door_packet,
    load_step,
)
from wms.outbound.shipment_told import tell_begun, tell_undone
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet, finished
from wms.tasks import engine, leases
from wms.tasks.rules import WorkTaken


class NoSuchLoad(NotFound):
    say = "That load has left or never was. Your next work is shown."


class UnknownCarton(NotFound):
    say = "No carton {carton} in this warehouse. Scan its label again."


class _Carton(msgspec.Struct, kw_only=True):
    lpn_id: int
    order_id: int
    carrier_id: int
    service: str
    sscc: str
    state: str
    load_id: int | None
    recalled: bool


class _Coming(msgspec.Struct):
    orders: int


class _Waiting(msgspec.Struct):
    cartons: int


# Served by balance_lpn_ix.
RECALLED = """
    EXISTS (SELECT 1 FROM balance b
              JOIN lot t ON t.warehouse_id = b.warehouse_id AND t.id = b.lot_id AND t.recalled
             WHERE b.warehouse_id = :warehouse_id AND b.lpn_id = s.lpn_id AND b.on_hand > 0)
"""
# Served by shipment_carton_waiting_ix and shipment_carton_load_ix.
STANDING = text(
    f"""
    SELECT s.lpn_id, s.order_id, o.external_id AS order_no, s.sscc, s.load_id IS NOT NULL AS loaded,
           CASE WHEN o.cancel_requested <> '' OR o.state = 'cancelled' THEN 'cancelled'
                WHEN o.hold_reason <> '' OR o.state = 'held' THEN 'held'
                WHEN {RECALLED} THEN 'recalled' ELSE '' END AS stopped,
           s.weight_g
      FROM (SELECT * FROM shipment_carton
             WHERE warehouse_id = :warehouse_id AND carrier_id = :carrier_id AND load_id IS NULL
            UNION ALL
            SELECT * FROM shipment_carton
             WHERE warehouse_id = :warehouse_id AND load_id = :load_id) s
      JOIN lpn l ON l.warehouse_id = :warehouse_id AND l.id = s.lpn_id
      JOIN outbound_order o ON o.warehouse_id = :warehouse_id AND o.id = s.order_id
     WHERE l.state IN ('closed', 'loaded')
     ORDER BY s.closed_at, s.lpn_id
    """
)
# Served by outbound_order_open_ix: what the crew works on for the cutoff of this load.
COMING = text(
    """
    SELECT count(*) AS orders FROM outbound_order
     WHERE warehouse_id = :warehouse_id AND carrier_id = :carrier_id
       AND state NOT IN ('shipped', 'shorted', 'cancelled')
       AND state IN ('released', 'picking', 'picked')
       AND hold_reason = '' AND cancel_requested = ''
       AND cutoff_at <= greatest(:at, coalesce((SELECT due_at FROM tour
             WHERE warehouse_id = :warehouse_id AND id = :tour_id), :at))
    """
)
CARTON = text(
    f"""
    SELECT s.lpn_id, s.order_id, s.carrier_id, o.service, s.sscc, l.state, s.load_id,
           {RECALLED} AS recalled
      FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id
      JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
     WHERE s.warehouse_id = :warehouse_id AND s.sscc = :sscc
    """
)
# Served by shipment_carton_waiting_ix.
WAITING = text(
    """
    SELECT count(*) AS cartons
      FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id
      JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
     WHERE s.warehouse_id = :warehouse_id AND s.carrier_id = :carrier_id AND s.load_id IS NULL
       AND l.state = 'closed' AND o.hold_reason = '' AND o.cancel_requested = ''
    """
)
SET_LOAD = text(
    """
    UPDATE shipment_carton SET load_id = :load_id
     WHERE warehouse_id = :warehouse_id AND lpn_id = :lpn_id
    """
)


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """What the door asks. Anybody may look and load; raises NoSuchLoad."""
    tour_id = int(ident) if ident.isdigit() else 0
    load = await loads.find_load_of_tour(tx, stamp, tour_id)
    if load is None or load.state != "open":
        raise NoSuchLoad()
    return door_packet(await look(tx, stamp, load), tour_id)


async def look(tx: Tx, stamp: Stamp, load: Load) -> Door:
    """The door with the cartons of its carrier."""
    values = {"warehouse_id": stamp.warehouse_id, "carrier_id": load.carrier_id}
    cartons = await rows(tx, STANDING, Standing, **values, load_id=load.id)
    coming = await row(tx, COMING, _Coming, **values, at=stamp.at, tour_id=load.tour_id)
    tour = await engine.find_tour(tx, stamp, load.tour_id) if load.tour_id else None
    mine = tour is not None and tour.state == "claimed" and tour.claimed_by == stamp.user_id
    return Door(load=load, cartons=cartons, coming=coming.orders if coming else 0, mine=mine)


async def load(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """`load/<load id>`: one carton onto the truck, or off it, or the truck goes.

    Locks the load (shared; alone to depart), the order, then plate and stock. Raises NoSuchLoad,
    WrongDoor, OrderStopped, NotClosed, AlreadyGone, UnknownCarton. Emits load.package_loaded.
    """
    if act.path == "depart":
        return await depart(tx, stamp, act)
    found = await loads.share_load(tx, stamp, int(act.ref.partition("/")[2]))
    if found is None or found.state != "open" or found.tour_id is None:
        raise NoSuchLoad()
    # Any SSCC is judged below, so the step of an act needs no list of the cartons.
    facts = finished(load_step(Door(load=found, cartons=[], coming=0, mine=True)), act)
    if act.path == "later":
        return await _later(tx, stamp, found)
    if act.path == "off":
        return await _take_off(tx, stamp, found, facts["carton"])
    return await _load_one(tx, stamp, found, facts["carton"])


async def depart(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """`depart/<load id>`: the truck leaves with what is on it; what stays waits for the next.

    Locks the load alone, then its orders, plates and stock. Raises NoSuchLoad, WorkTaken,
    NothingLoaded, TakeOff. Emits load.departed, shipment.departed, order.shipped.
    """
    if act.path in ("more", "off", "later"):
        path = "" if act.path == "more" else act.path
        ref = f"load/{act.ref.partition('/')[2]}"
        return await load(tx, stamp, msgspec.structs.replace(act, ref=ref, path=path))
    found = await loads.take_load(tx, stamp, int(act.ref.partition("/")[2]))
    if found is None or found.state != "open" or found.tour_id is None:
        raise NoSuchLoad()
    door = await look(tx, stamp, found)
    if not door.mine:
        raise WorkTaken(why="another person answers for this truck")
    step = load_step(door) if act.path == "depart" else depart_step(door)
    seal = finished(step, act)["seal"]
    reading = read(seal)
    if reading.kind == "sscc":  # a late carton, scanned where the seal was asked for
        return await _load_one(tx, stamp, found, reading.code)
    if reading.kind in OWN_KINDS:
        raise NotASeal(label=OWN_KINDS[reading.kind])
    return await depart_load(tx, stamp, door, seal)


async def _load_one(tx: Tx, stamp: Stamp, found: Load, sscc: str) -> Answer:
    carton = await _get_carton(tx, stamp, sscc)
    if carton.carrier_id != found.carrier_id:
        lane = await loads.get_lane(tx, stamp, carton.carrier_id, carton.service)
        raise WrongDoor(carton=_short(sscc), carrier=lane.carrier, door=lane.dock)
    order = await take_order(tx, stamp, carton.order_id)
    carton = await _get_carton(tx, stamp, sscc)  # again: the order's row was waited for
    stopped = order.stopped or ("recalled" if carton.recalled else "")
    if carton.load_id == found.id and carton.state == "loaded":
        if stopped:
            return await _take_off(tx, stamp, found, sscc)
        return Answer(ok=True, say=f"{_short(sscc)} is on the truck already", tone="care")
    if stopped:
        raise OrderStopped(order=order.external_id, why=stopped, carton=_short(sscc))
    if carton.state != "closed":
        raise AlreadyGone(carton=_short(sscc))
    plate = await plates.take_plate(tx, stamp, carton.lpn_id)
    await lpns.relocate(tx, stamp, plate, found.dock_id, "load")
    await plates.set_state(tx, stamp, plate.id, "loaded")
    await _set_load(tx, stamp, plate.id, found.id)
    await _tell_loaded(tx, stamp, found, order, sscc)
    await tell_begun(tx, stamp, found, order, plate.id)
    left = await _count_waiting(tx, stamp, found.carrier_id)
    go = "" if left else f"/floor/load/{found.tour_id}"
    return Answer(ok=True, say=f"{_short(sscc)} loaded, {left} waiting", go=go,
                  tone="accepted" if left else "step_done")  # fmt: skip


async def _take_off(tx: Tx, stamp: Stamp, found: Load, sscc: str) -> Answer:
    """A carton comes off the truck; that of a cancelled order gets its way back."""
    carton = await _get_carton(tx, stamp, sscc)
    order = await take_order(tx, stamp, carton.order_id)
    carton = await _get_carton(tx, stamp, sscc)
    if carton.load_id != found.id or carton.state != "loaded":
        raise NotOnThisTruck(carton=_short(sscc))
    lane = await loads.get_lane(tx, stamp, carton.carrier_id, carton.service)
    plate = await plates.take_plate(tx, stamp, carton.lpn_id)
    await lpns.relocate(tx, stamp, plate, lane.stage_id, "move")
    await plates.set_state(tx, stamp, plate.id, "closed")
    await _set_load(tx, stamp, plate.id, None)
    await tell_undone(tx, stamp, found, order)
    if order.stopped == "cancelled":
        await create_putback(tx, stamp, order)
    return Answer(ok=True, say=f"{_short(sscc)} is off: bring it to {lane.stage}", tone="care",
                  go=f"/floor/load/{found.tour_id}")  # fmt: skip


async def _later(tx: Tx, stamp: Stamp, found: Load) -> Answer:
    assert found.tour_id is not None
    await leases.give_back(tx, stamp, found.tour_id)
    return Answer(ok=True, say="Given back", go="/floor")


async def _count_waiting(tx: Tx, stamp: Stamp, carrier_id: int) -> int:
    found = await row(tx, WAITING, _Waiting, warehouse_id=stamp.warehouse_id,
                      carrier_id=carrier_id)  # fmt: skip
    return found.cartons if found else 0


async def _get_carton(tx: Tx, stamp: Stamp, sscc: str) -> _Carton:
    """The closed carton of that label. Raises NotClosed, UnknownCarton."""
    found = await row(tx, CARTON, _Carton, warehouse_id=stamp.warehouse_id, sscc=sscc)
    if found is not None:
        return found
    if await lpns.find_lpn(tx, stamp, sscc) is not None:
        raise NotClosed(carton=_short(sscc))
    raise UnknownCarton(carton=sscc)


async def _set_load(tx: Tx, stamp: Stamp, lpn_id: int, load_id: int | None) -> None:
    values = {"warehouse_id": stamp.warehouse_id, "lpn_id": lpn_id, "load_id": load_id}
    await tx.execute(SET_LOAD, values)


async def _tell_loaded(tx: Tx, stamp: Stamp, found: Load, order: OrderHead, sscc: str) -> None:
    told = catalog.LoadPackageLoaded(
        load_id=str(found.id), package_id=sscc, lpn=sscc, sscc=sscc, who=who(stamp),
        order=doc("order", order.id, order.external_id, owner=order.owner, version=order.version,
                  status=order.state),
    )  # fmt: skip
    await emit(tx, stamp, "load.package_loaded", f"load/{found.id}", told, owner=order.owner,
               correlation_id=order.correlation_id)  # fmt: skip


def _short(sscc: str) -> str:
    return f"…{sscc[-6:]}"
