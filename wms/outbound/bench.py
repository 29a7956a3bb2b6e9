"""The pack bench as the database sees it: the order of a pack tour, its totes, its open carton.

What must stay true: an act at the bench holds the order's row from its first look to its end, so
two acts on one order never see the same unit.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.outbound.contents import list_contents
from wms.outbound.order_events import OrderHead, find_order, take_order
from wms.outbound.pack_rules import Bench, CartonChoice, OpenCarton, Tote
from wms.stamp import Stamp
from wms.tasks.rules import LEASE, WorkTaken


class NoSuchPackWork(NotFound):
    say = "There is no such pack work. Your next work is shown."


class PackTour(msgspec.Struct, kw_only=True):
    """A pack tour and the order it packs."""

    id: int
    state: str
    claimed_by: int | None
    order_id: int
    carrier_id: int
    bin_id: int | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What an act at the bench stands on: the tour, the order (locked) and the bench."""

    tour: PackTour
    order: OrderHead
    bench: Bench


class _Container(msgspec.Struct, kw_only=True):
    id: int
    code: str
    kind: str
    bin_id: int
    carton_type_id: int | None
    task_id: int | None


class _Summary(msgspec.Struct):
    closed: int
    packed: int
    planned: str


_TOUR = """
    SELECT u.id, u.state, u.claimed_by, t.order_id, o.carrier_id, u.bin_id
      FROM tour u
      JOIN task t ON t.warehouse_id = u.warehouse_id AND t.tour_id = u.id
      JOIN outbound_order o ON o.warehouse_id = t.warehouse_id AND o.id = t.order_id
"""
TOUR = text(
    f"{_TOUR} WHERE u.warehouse_id = :warehouse_id AND u.id = :id AND u.kind = 'pack' LIMIT 1"
)
# Served by the plate's key and task_order_open_ix.
TOUR_OF_CARTON = text(
    f"""{_TOUR}
      JOIN lpn l ON l.warehouse_id = t.warehouse_id AND l.order_id = t.order_id
     WHERE l.warehouse_id = :warehouse_id AND l.id = :id AND t.kind = 'pack' AND t.state = 'open'
     ORDER BY u.id LIMIT 1
    """
)
# Served by lpn_warehouse_id_order_id_ix: totes of this tour that are still the order's, and the
# open carton.
CONTAINERS = text(
    """
    SELECT l.id, l.code, l.kind, l.bin_id, l.carton_type_id, t.id AS task_id
      FROM lpn l
      LEFT JOIN task t ON t.warehouse_id = l.warehouse_id AND t.tour_id = :tour_id
                      AND t.lpn_id = l.id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = :order_id AND l.state = 'open'
       AND (l.kind = 'carton' OR t.id IS NOT NULL)
     ORDER BY t.seq, l.id
    """
)
SUMMARY = text(
    """
    SELECT c.closed,
           (SELECT coalesce(sum(l.packed + l.shipped), 0) FROM order_line l
             WHERE l.warehouse_id = :warehouse_id AND l.order_id = :order_id) AS packed,
           coalesce((SELECT k.code FROM planned_carton p JOIN carton_type k
                         ON k.id = p.carton_type_id
                      WHERE p.warehouse_id = :warehouse_id AND p.order_id = :order_id
                        AND p.number = c.closed + 1), '') AS planned
      FROM (SELECT count(*) AS closed FROM lpn
             WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND kind = 'carton'
               AND state IN ('closed', 'loaded', 'shipped')) c
    """
)
TYPES = text(
    """
    SELECT id, code, ARRAY[inner_length_mm, inner_width_mm, inner_height_mm] AS inner_mm, tare_g,
           gross_max_g
      FROM carton_type ORDER BY code
    """
)
# Fresh lease for work that goes on, once it is half gone: the tour's row stays quiet.
KEEP_LEASE = text(
    """
    UPDATE tour SET lease_until = :until, device = :device
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'claimed' AND lease_until < :soon
    """
)


async def get_tour(tx: Tx, stamp: Stamp, ident: str) -> PackTour:
    """The pack tour, held by the person of the stamp. Raises NoSuchPackWork, WorkTaken."""
    tour = None
    if ident.isdigit():
        tour = await row(tx, TOUR, PackTour, warehouse_id=stamp.warehouse_id, id=int(ident))
    if tour is None:
        raise NoSuchPackWork()
    return _mine(stamp, tour)


async def get_tour_of_carton(tx: Tx, stamp: Stamp, lpn_id: int) -> PackTour:
    """The pack tour whose open carton this is. Raises NoSuchPackWork, WorkTaken."""
    tour = await row(tx, TOUR_OF_CARTON, PackTour, warehouse_id=stamp.warehouse_id, id=lpn_id)
    if tour is None:
        raise NoSuchPackWork()
    return _mine(stamp, tour)


def _mine(stamp: Stamp, tour: PackTour) -> PackTour:
    if tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="the order is packed, or was given to somebody else")
    return tour


async def look(tx: Tx, stamp: Stamp, tour: PackTour) -> Bench:
    """The bench without any lock, for the page."""
    order = await find_order(tx, stamp, tour.order_id)
    if order is None:
        raise NoSuchPackWork()
    return await _read(tx, stamp, tour, order)


async def take(tx: Tx, stamp: Stamp, tour: PackTour) -> Seen:
    """The bench with the order's row locked; the lease of the work is renewed."""
    order = await take_order(tx, stamp, tour.order_id)
    await tx.execute(
        KEEP_LEASE,
        {"warehouse_id": stamp.warehouse_id, "id": tour.id, "device": stamp.device,
         "until": stamp.at + LEASE, "soon": stamp.at + LEASE / 2},
    )  # fmt: skip
    return Seen(tour=tour, order=order, bench=await _read(tx, stamp, tour, order))


async def look_again(tx: Tx, stamp: Stamp, seen: Seen) -> Bench:
    """The bench after the act moved something."""
    return await _read(tx, stamp, seen.tour, seen.order)


async def _read(tx: Tx, stamp: Stamp, tour: PackTour, order: OrderHead) -> Bench:
    values = {"warehouse_id": stamp.warehouse_id, "order_id": order.id}
    containers = await rows(tx, CONTAINERS, _Container, **values, tour_id=tour.id)
    summary = await row(tx, SUMMARY, _Summary, **values)
    assert summary is not None
    types = await rows(tx, TYPES, CartonChoice)
    contents = await list_contents(tx, stamp, [each.id for each in containers])
    box = next((each for each in containers if each.kind == "carton"), None)
    kind = next((each for each in types if box and each.id == box.carton_type_id), None)
    carton = None
    if box is not None and kind is not None:
        carton = OpenCarton(lpn_id=box.id, sscc=box.code, bin_id=box.bin_id, type=kind)
    return Bench(
        tour_id=tour.id,
        order_id=order.id,
        order_no=order.external_id,
        stopped=order.stopped,
        totes=[
            Tote(lpn_id=each.id, code=each.code, task_id=each.task_id)
            for each in containers
            if each.kind == "tote" and each.task_id is not None
        ],
        inside=[content for content in contents if content.lpn_kind == "tote"],
        carton=carton,
        boxed=[content for content in contents if content.lpn_kind == "carton"],
        types=types,
        planned=summary.planned,
        closed=summary.closed,
        packed=summary.packed,
    )
