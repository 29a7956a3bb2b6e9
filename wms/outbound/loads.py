"""Loads as they come into being: one open load for each carrier, its work, its door, its lane.

Lock order of shipping: load, then orders, then containers and stock. Whoever closes a carton or
loads one shares the load's row; departure takes it alone, so no carton slips between two loads.
"""

from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.events import catalog
from wms.events.groups import Carr, loc
from wms.events.outbox import emit
from wms.outbound.order_events import OrderHead
from wms.stamp import Stamp
from wms.tasks import engine


class NoDoor(NotFound):
    say = "Carrier {carrier} has no dock and no outbound lane in this warehouse. Call your lead."


class Load(msgspec.Struct, kw_only=True):
    """A load with its carrier and door. `due_at` is the cutoff its work is due at."""

    id: int
    carrier_id: int
    carrier: str
    carrier_name: str
    state: str
    tour_id: int | None
    dock_id: int
    dock: str
    check_digits: str


class Lane(msgspec.Struct, kw_only=True):
    """Where a carrier's cartons wait, and the door they leave by."""

    stage_id: int
    stage: str
    dock_id: int
    dock: str
    carrier: str


_LOAD = """
    SELECT l.id, l.carrier_id, c.code AS carrier, c.name AS carrier_name, l.state, l.tour_id,
           l.dock_id, d.code AS dock, d.check_digits
      FROM load l
      JOIN carrier c ON c.id = l.carrier_id
      JOIN bin d ON d.warehouse_id = l.warehouse_id AND d.id = l.dock_id
"""
FIND_BY_ID = text(f"{_LOAD} WHERE l.warehouse_id = :warehouse_id AND l.id = :id")
FIND_BY_TOUR = text(f"{_LOAD} WHERE l.warehouse_id = :warehouse_id AND l.tour_id = :id")
SHARE = text(f"{_LOAD} WHERE l.warehouse_id = :warehouse_id AND l.id = :id FOR SHARE OF l")
TAKE = text(f"{_LOAD} WHERE l.warehouse_id = :warehouse_id AND l.id = :id FOR UPDATE OF l")
# Served by load_one_open_per_carrier. Waits for a departure and then finds nothing.
SHARE_OPEN = text(
    f"{_LOAD} WHERE l.warehouse_id = :warehouse_id AND l.carrier_id = :id AND l.state = 'open'"
    " FOR SHARE OF l"
)
# load_one_open_per_carrier makes two first cartons one load; the loser waits for the winner.
OPEN = text(
    """
    INSERT INTO load (warehouse_id, carrier_id, dock_id, opened_at)
    VALUES (:warehouse_id, :carrier_id, :dock_id, :at)
    ON CONFLICT (warehouse_id, carrier_id) WHERE state = 'open' DO NOTHING
    RETURNING id
    """
)
SET_TOUR = text(
    "UPDATE load SET tour_id = :tour_id WHERE warehouse_id = :warehouse_id AND id = :id"
)
# The door of the carrier's cutoff for that service, else of any; the lane named after the carrier,
# else the one nearest to the door. Both fall back to the first of their kind.
LANE = text(
    """
    WITH door AS (
      SELECT d.id, d.code, d.x_mm, d.y_mm
        FROM bin d
        LEFT JOIN cutoff k ON k.warehouse_id = d.warehouse_id AND k.dock_id = d.id
                          AND k.carrier_id = :carrier_id
       WHERE d.warehouse_id = :warehouse_id AND d.kind = 'dock'
       ORDER BY k.id IS NULL, k.service <> :service, d.blocked, d.code LIMIT 1
    )
    SELECT s.id AS stage_id, s.code AS stage, d.id AS dock_id, d.code AS dock, c.code AS carrier
      FROM carrier c
      JOIN door d ON true
      JOIN bin s ON s.warehouse_id = :warehouse_id AND s.kind = 'stage_out'
     WHERE c.id = :carrier_id
     ORDER BY s.blocked, right(s.code, length(c.code) + 1) <> '-' || c.code,
              abs(s.x_mm - d.x_mm) + abs(s.y_mm - d.y_mm), s.id
     LIMIT 1
    """
)


class _Id(msgspec.Struct):
    id: int


async def find_load(tx: Tx, stamp: Stamp, load_id: int) -> Load | None:
    return await row(tx, FIND_BY_ID, Load, warehouse_id=stamp.warehouse_id, id=load_id)


async def find_load_of_tour(tx: Tx, stamp: Stamp, tour_id: int) -> Load | None:
    return await row(tx, FIND_BY_TOUR, Load, warehouse_id=stamp.warehouse_id, id=tour_id)


async def share_load(tx: Tx, stamp: Stamp, load_id: int) -> Load | None:
    """The load, kept from departing until the act ends; loaders do not wait for each other."""
    return await row(tx, SHARE, Load, warehouse_id=stamp.warehouse_id, id=load_id)


async def take_load(tx: Tx, stamp: Stamp, load_id: int) -> Load | None:
    """The load, alone: waits for every act that shares it."""
    return await row(tx, TAKE, Load, warehouse_id=stamp.warehouse_id, id=load_id)


async def share_open_load(tx: Tx, stamp: Stamp, carrier_id: int) -> Load | None:
    """The carrier's open load, shared, or None. Call it before locking any order."""
    found = await rows(tx, SHARE_OPEN, Load, warehouse_id=stamp.warehouse_id, id=carrier_id)
    return found[0] if found else None


async def get_lane(tx: Tx, stamp: Stamp, carrier_id: int, service: str) -> Lane:
    """Where the carrier's cartons stand and leave. Raises NoDoor."""
    lane = await row(tx, LANE, Lane, warehouse_id=stamp.warehouse_id, carrier_id=carrier_id,
                     service=service)  # fmt: skip
    if lane is None:
        raise NoDoor(carrier=carrier_id)
    return lane


async def open_load(
    tx: Tx, stamp: Stamp, carrier_id: int, lane: Lane, service: str, due_at: datetime
) -> None:
    """Open the carrier's load with the work of loading it, unless somebody just did.

    Emits load.opened.
    """
    made = await row(tx, OPEN, _Id, warehouse_id=stamp.warehouse_id, carrier_id=carrier_id,
                     dock_id=lane.dock_id, at=stamp.at)  # fmt: skip
    if made is None:
        return
    tour_id = await engine.create_tour(
        tx, stamp, "load",
        [engine.NewTask(from_bin_id=lane.stage_id, to_bin_id=lane.dock_id, reason="load")],
        due_at=due_at, bin_id=lane.dock_id, cause="cartons_wait",
    )  # fmt: skip
    await tx.execute(
        SET_TOUR, {"warehouse_id": stamp.warehouse_id, "id": made.id, "tour_id": tour_id}
    )
    await emit(
        tx, stamp, "load.opened", f"load/{made.id}",
        catalog.LoadOpened(load_id=str(made.id), dock=loc(lane.dock),
                           carrier=Carr(carrier=lane.carrier, service=service)),
    )  # fmt: skip


async def open_load_for(tx: Tx, stamp: Stamp, order: OrderHead, lane: Lane) -> None:
    """The load that will take this order's cartons."""
    await open_load(tx, stamp, order.carrier_id, lane, order.service, order.cutoff_at)
