"""Booking what arrived: the plate it stands on, the movement from the supplier, the lines, events.

A plate carries goods of one owner and one status. Good ones stand on the stage, others in the
clarification bin.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from wms.db import Tx, insert_many, row, rows
from wms.events import catalog
from wms.events.groups import Line as EventLine
from wms.events.groups import line, loc, reason, stk, who
from wms.events.outbox import emit
from wms.inbound import putaway
from wms.inbound import receive_sql as sql
from wms.inbound.receive_sql import Head
from wms.inbound.rules import (
    Arrival,
    Line,
    NoPlace,
    OwnPlateNeeded,
    PlateUnusable,
    SerialInHouse,
    Share,
    judge_plate,
)
from wms.inbound.tables import receipt_line
from wms.inventory import ledger, lpns, plates
from wms.inventory.ledger import Goods, Place
from wms.inventory.lpns import Lpn
from wms.stamp import Stamp
from wms.tasks import leases


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """Goods of one act: one item, lot and serial, in the status they arrived in."""

    item: Line
    qty: int
    arrival: Arrival
    owner_id: int
    owner_code: str
    lot_id: int | None = None
    lot_code: str = ""
    serial: str = ""
    expires_on: date | None = None
    condition: str = "good"


async def take_plate(
    tx: Tx, stamp: Stamp, head: Head, code: str, arrived: Arrival, owner_id: int
) -> tuple[Lpn, bool]:
    """The plate for goods of that status, locked, in stage or clarification; True when it is new.

    A complete plate is opened again while nobody has come to put it away.
    Locks its waiting putaway work, then the plate. Raises PlateUnusable, OwnPlateNeeded, NoPlace.
    """
    good = arrived.status == "available"
    bin_id = head.stage_id if good else head.clarify_id
    if bin_id is None:
        raise NoPlace(kind="stage_in" if good else "clarify")
    known = await lpns.find_lpn(tx, stamp, code)
    if known is not None and not good and known.bin_id == head.stage_id and known.state != "free":
        raise OwnPlateNeeded(status=arrived.status, why=arrived.why, bin=head.clarify_code)
    if known is not None and known.state == "closed" and known.bin_id == bin_id:
        await _withdraw_putaway(tx, stamp, known)
    plate = await lpns.take_or_create_lpn(tx, stamp, code, "pallet", bin_id, owner_id=owner_id)
    judge_plate(plate, owner_id, bin_id)
    values = {"warehouse_id": stamp.warehouse_id, "lpn_id": plate.id}
    for held in await rows(tx, sql.STATUSES_ON, sql.Status, **values):
        if held.status != arrived.status:
            raise PlateUnusable(plate=plate.code, why=f"holds {held.status} goods")
    if plate.state != "open" or plate.owner_id is None:
        await tx.execute(
            sql.STAND, {"warehouse_id": stamp.warehouse_id, "id": plate.id, "bin_id": bin_id}
        )
        await plates.set_state(tx, stamp, plate.id, "open", owner_id=owner_id)
        plate = msgspec.structs.replace(plate, state="open", bin_id=bin_id)
    return plate, known is None


async def _withdraw_putaway(tx: Tx, stamp: Stamp, plate: Lpn) -> None:
    waiting = await rows(
        tx, sql.WAITING, sql.Waiting, warehouse_id=stamp.warehouse_id, code=plate.code
    )
    if any(task.tour_state != "ready" for task in waiting):
        raise PlateUnusable(plate=plate.code, why="is being put away")
    await leases.cancel_tasks(tx, stamp, [task.id for task in waiting], "plate opened again")
    await leases.cancel_empty_tours(tx, stamp, sorted({task.tour_id for task in waiting}))


async def book(
    tx: Tx, stamp: Stamp, head: Head, booking: Booking, shares: Sequence[Share], plate: Lpn
) -> None:
    """Goods from the supplier onto a taken plate, and what that means for the delivery's lines.

    The lines of `shares` are locked by the caller; none means that no line announced the goods.
    Emits receipt.line_received, receipt.discrepancy_recorded. Raises SerialInHouse.
    """
    await _require_new_serial(tx, stamp, booking)
    goods = Goods(
        owner_id=booking.owner_id, item_id=booking.item.item_id, qty=booking.qty,
        lot_id=booking.lot_id, serial=booking.serial, status=booking.arrival.status,
    )  # fmt: skip
    supplier = await ledger.virtual_place(tx, stamp, "supplier")
    target = Place(plate.bin_id, plate.id)
    await ledger.move(tx, stamp, "receipt", goods, supplier, target, reason=booking.condition)
    parts = [(share.line.id, share.qty) for share in shares] or [(None, booking.qty)]
    await insert_many(
        tx, receipt_line,
        [_receipt_line(stamp, head, booking, plate, line_id, qty) for line_id, qty in parts],
    )  # fmt: skip
    if shares:
        ids, qtys = [share.line.id for share in shares], [share.qty for share in shares]
        values = {"warehouse_id": stamp.warehouse_id, "ids": ids, "qtys": qtys}
        await tx.execute(sql.BOOK, values)
    await _tell(tx, stamp, head, booking, shares, plate)


async def _require_new_serial(tx: Tx, stamp: Stamp, booking: Booking) -> None:
    if not booking.serial:
        return
    values = {"warehouse_id": stamp.warehouse_id, "owner_id": booking.owner_id,
              "item_id": booking.item.item_id, "serial": booking.serial}  # fmt: skip
    if await row(tx, sql.SERIAL, sql.Id, **values) is not None:
        raise SerialInHouse(serial=booking.serial, sku=booking.item.sku)


def _receipt_line(
    stamp: Stamp, head: Head, booking: Booking, plate: Lpn, line_id: int | None, qty: int
) -> dict[str, object]:
    return {
        "warehouse_id": stamp.warehouse_id,
        "asn_id": head.id,
        "asn_line_id": line_id,
        "at": stamp.at,
        "user_id": stamp.user_id,
        "owner_id": booking.owner_id,
        "item_id": booking.item.item_id,
        "lot_id": booking.lot_id,
        "lpn_id": plate.id,
        "qty": qty,
        "condition": booking.condition,
        "scan_key": stamp.key,
    }


async def _tell(
    tx: Tx, stamp: Stamp, head: Head, booking: Booking, shares: Sequence[Share], plate: Lpn
) -> None:
    place = loc(head.stage_code if plate.bin_id == head.stage_id else head.clarify_code,
                lpn=plate.code)  # fmt: skip
    for share in shares or [None]:
        about = None if share is None else event_line(share.line, share.qty)
        qty = booking.qty if share is None else share.qty
        stock = stk(booking.item.sku, booking.owner_code, qty, lot=booking.lot_code,
                    best_before=booking.expires_on, serial=booking.serial,
                    status=booking.arrival.status)  # fmt: skip
        await emit(
            tx, stamp, "receipt.line_received", f"receipt/{head.id}",
            catalog.ReceiptLineReceived(
                receipt_id=str(head.id), stock=stock, location=place, line=about,
                expected=0 if share is None else share.line.open, condition=booking.condition,
                who=who(stamp),
            ),
            owner=booking.owner_code, correlation_id=head.correlation_id,
        )  # fmt: skip
    for kind, qty, why, share in discrepancies(booking, shares):
        about = None if share is None else event_line(share.line, share.qty)
        await tell_discrepancy(tx, stamp, head, kind, qty, why, about=about, booking=booking)


def event_line(announced: Line, received_now: int) -> EventLine:
    """A line with what was booked on it, this act included."""
    return line(announced.id, announced.sku, external_line_id=announced.line_no,
                ordered=announced.qty, done=announced.received + received_now)  # fmt: skip


def discrepancies(
    booking: Booking, shares: Sequence[Share]
) -> list[tuple[str, int, str, Share | None]]:
    """How what came differs from what was announced: (kind, quantity, why, line)."""
    first = shares[0] if shares else None
    found: list[tuple[str, int, str, Share | None]] = []
    if booking.arrival.kind:
        found.append((booking.arrival.kind, booking.qty, booking.arrival.why, first))
    for share in shares:
        if share.over:
            found.append(("over", share.over, "within tolerance", share))
        if share.line.lot_code not in ("", booking.lot_code):
            why = f"announced {share.line.lot_code}, came {booking.lot_code}"
            found.append(("wrong_lot", share.qty, why, share))
    return found


async def tell_discrepancy(
    tx: Tx,
    stamp: Stamp,
    head: Head,
    kind: str,
    qty: int,
    why: str,
    *,
    about: EventLine | None = None,
    booking: Booking | None = None,
) -> None:
    """Record that what came is not what was announced. Emits receipt.discrepancy_recorded."""
    stock = None
    if booking is not None:
        stock = stk(booking.item.sku, booking.owner_code, qty, lot=booking.lot_code,
                    best_before=booking.expires_on, serial=booking.serial,
                    status=booking.arrival.status)  # fmt: skip
    await emit(
        tx, stamp, "receipt.discrepancy_recorded", f"receipt/{head.id}",
        catalog.ReceiptDiscrepancyRecorded(
            receipt_id=str(head.id), kind=kind, qty=qty, line=about, stock=stock,
            reason=reason(kind, why), who=who(stamp),
        ),
        owner=head.owner_code, correlation_id=head.correlation_id,
    )  # fmt: skip


async def close_plate(tx: Tx, stamp: Stamp, code: str) -> None:
    """A complete plate becomes putaway work when its goods are good. Locks the plate, then bins."""
    plate = await lpns.take_lpn(tx, stamp, code)
    if plate.state == "open":
        await plates.set_state(tx, stamp, plate.id, "closed")
        await putaway.direct(tx, stamp, plate)
