"""Receiving: the truck's goods onto license plates, scan by scan, against the announcement.

The receiver scans an announced plate twice, or an item, what is not known of it (lot, date, serial,
quantity), and the plate it stands on. Every act posts at once: the goods are stock when the scan is
answered. A plate that is complete (another one is begun, or the receiver says so, or the truck is
empty) becomes putaway work. What does not fit the announcement goes to the clarification bin on a
plate of its own and is told as a discrepancy. Screens: receive (one page that repeats).
"""

from datetime import date

from wms.db import Tx, row, rows
from wms.events import catalog
from wms.events.groups import doc, loc
from wms.events.outbox import emit
from wms.inbound import receive_sql as sql
from wms.inbound import rules
from wms.inbound.booking import Booking, book, close_plate, take_plate, tell_discrepancy
from wms.inbound.closing import close
from wms.inbound.receive_sql import Delivery, Head, read_delivery, read_head
from wms.inbound.receive_steps import (
    announced_plates,
    mark_of,
    packet_of,
    pieces,
    receive_step,
)
from wms.inbound.rules import Arrival, Line, Share
from wms.inventory.lots import Lot, find_or_create_lot
from wms.stamp import Stamp
from wms.steps import Act, Answer, Facts, Packet, WrongQuantity, finished


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The page of a delivery. Raises NoSuchDelivery."""
    head = await read_head(tx, stamp, ident, sql.LOOK)
    message = "" if head.state in ("open", "receiving") else f"This delivery is {head.state}."
    return packet_of(await read_delivery(tx, stamp, head), message=message)


async def confirm(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Receive: one act of the page `receive/<ASN id>`, normal or by one of its ways out.

    Locks the delivery (shared with other receivers), its lines of the item, the plate.
    Emits receipt.started, receipt.line_received, receipt.discrepancy_recorded, receipt.completed.
    Raises the refusals of rules and of steps.
    """
    if act.path == "close":
        return await close(tx, stamp, act)
    delivery = await _begin(tx, stamp, act.ref.partition("/")[2])
    stamp = stamp.along(delivery.head.correlation_id)
    facts = finished(receive_step(delivery), act)
    match act.path:
        case "full":
            await close_plate(tx, stamp, facts["lpn"])
            return Answer(ok=True, say=f"Plate {facts['lpn']} is complete", tone="step_done")
        case "over":
            return await _over(tx, stamp, delivery, facts)
        case "unknown":
            return await _unknown(tx, stamp, delivery, facts)
        case _ if facts["item"] == "plate":
            return await _whole_plate(tx, stamp, delivery, facts["plate"])
        case _:
            return await _item(tx, stamp, delivery, facts, act)


async def _begin(tx: Tx, stamp: Stamp, ident: str) -> Delivery:
    """The delivery, shared with other receivers; the first act on it starts the receipt."""
    values = {"warehouse_id": stamp.warehouse_id, "id": int(ident) if ident.isdigit() else 0}
    started = await row(tx, sql.START, sql.Id, **values, at=stamp.at)
    head = await read_head(tx, stamp, ident, sql.SHARE)
    if head.state != "receiving":
        raise rules.DeliveryClosed(delivery=head.external_id, state=head.state)
    if started is not None:
        await _tell_started(tx, stamp, head)
    return await read_delivery(tx, stamp, head)


async def _tell_started(tx: Tx, stamp: Stamp, head: Head) -> None:
    await emit(
        tx, stamp, "receipt.started", f"receipt/{head.id}",
        catalog.ReceiptStarted(
            receipt=doc("receipt", head.id, head.external_id, owner=head.owner_code,
                        status="receiving"),
            asn=doc("asn", head.id, head.external_id, owner=head.owner_code,
                    version=head.version, status="receiving"),
            dock=loc(head.dock_code) if head.dock_code else None,
        ),
        owner=head.owner_code, correlation_id=head.correlation_id,
    )  # fmt: skip


async def _item(tx: Tx, stamp: Stamp, delivery: Delivery, facts: Facts, act: Act) -> Answer:
    """Goods of one item onto a plate: to the stage, or to clarification when they are not good."""
    head = delivery.head
    item = next(each for each in delivery.lines if str(each.item_id) == facts["item"])
    damaged = act.path == "damaged"
    lot = await _lot(tx, stamp, delivery, item, facts)
    arrived = arrival_of(head, item, lot)
    if damaged:
        arrived = Arrival("damaged", "damaged", dict(rules.DAMAGES)[facts["why"]])
    booking = Booking(
        item=item,
        qty=1 if item.serial_tracked else pieces(delivery, facts, act.scans),
        arrival=arrived,
        owner_id=head.owner_id,
        owner_code=head.owner_code,
        lot_id=lot.id if lot else None,
        lot_code=lot.code if lot else "",
        serial=mark_of(delivery, facts, "serial"),
        expires_on=lot.expires_on if lot else None,
        condition="damaged" if damaged else "good",
    )
    lines = await rows(tx, sql.TAKE_LINES, Line, warehouse_id=stamp.warehouse_id, asn_id=head.id,
                       item_ids=[item.item_id])  # fmt: skip
    shares = rules.spread(lines, booking.qty, booking.lot_code, head.over_tolerance_pct)
    plate, is_new = await take_plate(tx, stamp, head, facts["lpn"], arrived, head.owner_id)
    await book(tx, stamp, head, booking, shares, plate)
    if is_new and arrived.status == "available":
        await _close_my_other_plate(tx, stamp, head, plate.id)
    return _booked(booking, shares, lines, plate.code)


def _booked(booking: Booking, shares: list[Share], lines: list[Line], plate: str) -> Answer:
    came = sum(each.received for each in lines) + booking.qty
    announced = sum(each.qty for each in lines)
    say = f"{booking.qty} × {booking.item.sku} on {plate}, {came} of {announced}"
    over = sum(share.over for share in shares)
    if over:
        say += f", {over} more than announced"
    if booking.arrival.status != "available":
        say += f". {booking.arrival.status.upper()}: {booking.arrival.why}"
    care = over or booking.arrival.status != "available"
    return Answer(ok=True, say=say, tone="care" if care else "step_done")


def arrival_of(head: Head, item: Line, lot: Lot | None) -> Arrival:
    """The status in which goods of a lot arrive today."""
    if lot is None:
        return Arrival()
    days = item.min_days_receipt
    return rules.arrival(lot.expires_on, head.today, days, recalled=lot.recalled)


async def _lot(tx: Tx, stamp: Stamp, delivery: Delivery, item: Line, facts: Facts) -> Lot | None:
    """The lot of what was scanned, made when new. Raises LotExpiryDiffers."""
    if not item.lot_tracked:
        return None
    code = mark_of(delivery, facts, "lot")
    expires_on = date.fromisoformat(facts["expiry"]) if "expiry" in facts else None
    return await find_or_create_lot(
        tx, stamp, delivery.head.owner_id, item.item_id, code, expires_on
    )


async def _whole_plate(tx: Tx, stamp: Stamp, delivery: Delivery, sscc: str) -> Answer:
    """An announced plate, taken as it was announced: every line of it, straight to putaway."""
    head = delivery.head
    announced = announced_plates(delivery)[sscc]
    lots = [
        await find_or_create_lot(tx, stamp, head.owner_id, each.item_id, each.lot_code,
                                 each.expires_on) if each.lot_tracked else None
        for each in announced
    ]  # fmt: skip
    arrivals = [arrival_of(head, each, lot) for each, lot in zip(announced, lots, strict=True)]
    arrived = next((each for each in arrivals if each.status != "available"), Arrival())
    taken = await rows(tx, sql.TAKE_LINES, Line, warehouse_id=stamp.warehouse_id, asn_id=head.id,
                       item_ids=[each.item_id for each in announced])  # fmt: skip
    if any(each.sscc == sscc and each.received for each in taken):
        raise rules.PlateOpened(plate=sscc)
    plate, _new = await take_plate(tx, stamp, head, sscc, arrived, head.owner_id)
    for each, lot in zip(announced, lots, strict=True):
        booking = Booking(
            item=each, qty=each.qty, arrival=arrived, owner_id=head.owner_id,
            owner_code=head.owner_code, lot_id=lot.id if lot else None,
            lot_code=lot.code if lot else "", expires_on=lot.expires_on if lot else None,
        )  # fmt: skip
        await book(tx, stamp, head, booking, [Share(each, each.qty)], plate)
    await close_plate(tx, stamp, plate.code)
    say = f"Plate {sscc} is in: {sum(each.qty for each in announced)} pieces"
    if arrived.status == "available":
        return Answer(ok=True, say=say, tone="step_done")
    say += f". {arrived.status.upper()}: {arrived.why}. Bring it to {head.clarify_code}"
    return Answer(ok=True, say=say, tone="care")


async def _over(tx: Tx, stamp: Stamp, delivery: Delivery, facts: Facts) -> Answer:
    """What nobody announced, or more than was: on hold, on a plate in clarification."""
    head = delivery.head
    announced = next((x for x in delivery.lines if str(x.item_id) == facts["item"]), None)
    qty, lot = int(facts["qty"]), None
    if announced is not None:
        owner_id, owner_code, item = head.owner_id, head.owner_code, announced
        lot = await _lot(tx, stamp, delivery, announced, facts)
        if announced.serial_tracked and qty != 1:
            raise WrongQuantity(scanned=facts["qty"], least=1, most=1)
    else:
        found = await row(tx, sql.ITEM_OF_CODE, sql.Item, code=facts["item"],
                          owner_id=head.owner_id)  # fmt: skip
        if found is None:
            raise rules.UnknownBarcode(scanned=facts["item"])
        owner_id, owner_code = found.owner_id, found.owner_code
        item = Line(id=0, line_no="", item_id=found.id, qty=qty, received=0, sku=found.sku)
    arrived = Arrival("hold", "over" if announced else "unexpected_item", "not announced")
    booking = Booking(
        item=item, qty=qty, arrival=arrived, owner_id=owner_id, owner_code=owner_code,
        lot_id=lot.id if lot else None, lot_code=lot.code if lot else "",
        serial=mark_of(delivery, facts, "serial"), expires_on=lot.expires_on if lot else None,
        condition="over",
    )  # fmt: skip
    plate, _new = await take_plate(tx, stamp, head, facts["lpn"], arrived, owner_id)
    await book(tx, stamp, head, booking, [], plate)
    say = f"{qty} × {item.sku} on {plate.code}: bring it to {head.clarify_code}"
    return Answer(ok=True, say=say, tone="care")


async def _unknown(tx: Tx, stamp: Stamp, delivery: Delivery, facts: Facts) -> Answer:
    """No item has that code: a described plate in clarification, no stock until it has a name."""
    head = delivery.head
    arrived = Arrival("hold", "unknown_item", facts["what"])
    plate, _new = await take_plate(tx, stamp, head, facts["lpn"], arrived, head.owner_id)
    detail = f"{facts['what']} (code {facts['code']}) on {plate.code}"
    await tell_discrepancy(tx, stamp, head, "unknown_item", int(facts["qty"]), detail)
    say = f"Bring {plate.code} to {head.clarify_code}: your lead finds out what it is"
    return Answer(ok=True, say=say, tone="care")


async def _close_my_other_plate(tx: Tx, stamp: Stamp, head: Head, lpn_id: int) -> None:
    """Who begins a new plate has completed the last one."""
    values = {"warehouse_id": stamp.warehouse_id, "asn_id": head.id, "user_id": stamp.user_id}
    mine = await row(tx, sql.MY_OTHER_PLATE, sql.Plate, **values, bin_id=head.stage_id,
                     lpn_id=lpn_id)  # fmt: skip
    if mine is not None:
        await close_plate(tx, stamp, mine.code)
