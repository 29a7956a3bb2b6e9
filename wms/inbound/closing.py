"""Closing a delivery: the truck is empty, what did not come is short, every plate is complete."""

from datetime import timedelta

from wms.db import Tx, row, rows
from wms.events import catalog
from wms.events.groups import doc, line
from wms.events.outbox import emit
from wms.inbound import receive_sql as sql
from wms.inbound import rules
from wms.inbound.booking import close_plate, tell_discrepancy
from wms.inbound.receive_sql import Delivery, read_delivery, read_head
from wms.inbound.receive_steps import receive_step
from wms.stamp import Stamp
from wms.steps import Act, Answer, finished

QUIET = timedelta(seconds=60)  # while goods are missing, nobody else may have received so recently


async def close(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Close the delivery of `receive/<ASN id>`; its plates become putaway work.

    Locks the delivery alone (waits for every receiving act), then its plates and their bins.
    Emits receipt.discrepancy_recorded, receipt.completed. Raises DeliveryClosed, StillReceiving.
    """
    head = await read_head(tx, stamp, act.ref.partition("/")[2], sql.CLOSE_TAKE)
    if head.state not in ("open", "receiving"):
        raise rules.DeliveryClosed(delivery=head.external_id, state=head.state)
    delivery = await read_delivery(tx, stamp, head)
    finished(receive_step(delivery), act)
    missing = sum(each.open for each in delivery.lines)
    if missing:
        await _require_quiet(tx, stamp, head.id)
    await tx.execute(sql.CLOSE, {"warehouse_id": stamp.warehouse_id, "id": head.id, "at": stamp.at})
    for plate in delivery.open_plates:
        await close_plate(tx, stamp, plate)
    await _tell_completed(tx, stamp, delivery)
    say = f"{head.external_id} is closed: {missing} short" if missing else "All is in: closed"
    return Answer(ok=True, say=say, tone="task_done", go="/floor/next")


async def _require_quiet(tx: Tx, stamp: Stamp, asn_id: int) -> None:
    """Raises StillReceiving when another person received here just now."""
    values = {"warehouse_id": stamp.warehouse_id, "asn_id": asn_id, "user_id": stamp.user_id}
    other = await row(tx, sql.RECENT, sql.Recent, **values, since=stamp.at - QUIET)
    if other is not None:
        raise rules.StillReceiving(user=other.user_code)


async def _tell_completed(tx: Tx, stamp: Stamp, delivery: Delivery) -> None:
    head = delivery.head
    lines = [
        line(each.id, each.sku, external_line_id=each.line_no, ordered=each.qty,
             done=each.received, short=each.open, short_reason="not_arrived" if each.open else "")
        for each in delivery.lines
    ]  # fmt: skip
    for each, about in zip(delivery.lines, lines, strict=True):
        if each.open:
            kind = "plate_not_arrived" if each.sscc and not each.received else "short"
            why = each.sscc if each.sscc else "not on the truck"
            await tell_discrepancy(tx, stamp, head, kind, each.open, why, about=about)
    sums = await rows(tx, sql.SUMS, sql.Sums, warehouse_id=stamp.warehouse_id, asn_id=head.id)
    tolerated = sum(max(each.received - each.qty, 0) for each in delivery.lines)
    await emit(
        tx, stamp, "receipt.completed", f"receipt/{head.id}",
        catalog.ReceiptCompleted(
            receipt=doc("receipt", head.id, head.external_id, owner=head.owner_code,
                        status="closed"),
            asn=doc("asn", head.id, head.external_id, owner=head.owner_code,
                    version=head.version, status="closed"),
            lines=lines,
            received=sum(each.received for each in delivery.lines),
            damaged=sums[0].damaged,
            short=sum(each.open for each in delivery.lines),
            over=sums[0].over + tolerated,
            started_at=head.started_at or stamp.at,
            closed_at=stamp.at,
        ),
        owner=head.owner_code, correlation_id=head.correlation_id,
    )  # fmt: skip
