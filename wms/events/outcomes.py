"""What a delivery has learned since it last wrote: one batch, one transaction.

Rule: parked rows commit together with the cursors, under the fence of the lease; attempts may come
before. A crash before the commit repeats deliveries under the same id; it never loses one.
"""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx
from wms.events import parking
from wms.events.catalog import DeliveryExhausted
from wms.events.envelope import LogRow, public_id
from wms.events.outbox import emit_many, outbox_row
from wms.events.parking import Changed, NewParked, Place
from wms.events.rules import OK
from wms.events.webhooks import Outcome
from wms.events.window import Item
from wms.ids import uuid7
from wms.stamp import Stamp

ADD_ATTEMPT = text(
    """
    INSERT INTO attempt (warehouse_id, at, endpoint_id, pos, event_id, type, okey, n, trigger,
                         status, class, detail, ip, dns_ms, connect_ms, ttfb_ms, total_ms, head,
                         body, kids, batch_id)
    SELECT :warehouse_id, to_timestamp(at), :endpoint_id, pos, event_id, type, okey, n, trigger,
           status, class, detail, ip, dns_ms, connect_ms, ttfb_ms, total_ms, head,
           body, kids, batch_id
      FROM jsonb_to_recordset(CAST(:attempts AS jsonb)) AS a (
           at float8, pos bigint, event_id uuid, type text, okey text, n smallint, trigger text,
           status int, class text, detail text, ip text, dns_ms int, connect_ms int, ttfb_ms int,
           total_ms int, head jsonb, body text, kids text[], batch_id text)
    """
)


class Batch(msgspec.Struct, kw_only=True):
    """Outcomes waiting to be written. Lists keep their order; applying them in it is safe."""

    attempts: list[dict[str, Any]] = msgspec.field(default_factory=list)
    parks: list[NewParked] = msgspec.field(default_factory=list)
    changes: list[Changed] = msgspec.field(default_factory=list)
    removals: list[tuple[str, int]] = msgspec.field(default_factory=list)
    promotes: set[str] = msgspec.field(default_factory=set)
    dead: list[tuple[Item, Outcome]] = msgspec.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.attempts or self.parks or self.changes or self.removals or self.promotes)

    @property
    def parked(self) -> bool:
        """True when parked rows change, which every held lane must vouch for."""
        return bool(self.parks or self.changes or self.removals or self.promotes)

    def absorb(self, later: "Batch") -> None:
        """Take in what came while this batch failed to be written."""
        self.attempts += later.attempts
        self.parks += later.parks
        self.changes += later.changes
        self.removals += later.removals
        self.promotes |= later.promotes
        self.dead += later.dead

    def log(self, item: Item, outcome: Outcome, batch_id: str = "") -> None:
        """Note one attempt; what a whole batch was thanked with is not kept for each event."""
        row = item.row
        thanks = bool(batch_id) and outcome.outcome == OK
        self.attempts.append(
            {
                "at": outcome.at,
                "pos": row.pos,
                "event_id": str(row.event_id),
                "type": row.type,
                "okey": row.okey,
                "n": item.n + 1,
                "trigger": item.trigger,
                "status": outcome.status,
                "class": outcome.outcome,
                "detail": outcome.detail,
                "ip": outcome.ip,
                "dns_ms": outcome.dns_ms,
                "connect_ms": outcome.connect_ms,
                "ttfb_ms": outcome.ttfb_ms,
                "total_ms": outcome.total_ms,
                "head": outcome.head or None,
                "body": "" if thanks else outcome.body,
                "kids": outcome.kids,
                "batch_id": batch_id,
            }
        )

    def park(self, item: Item, state: str, outcome: Outcome | None, wait_s: float | None) -> None:
        """Give an event of the window a row, or change the row it has."""
        n = item.n + 1 if outcome is not None else item.n
        last_class = outcome.outcome if outcome else ""
        last_status = outcome.status if outcome else 0
        if item.parked:
            self.changes.append(
                Changed(
                    okey=item.key, pos=item.row.pos, state=state, n=n, wait_s=wait_s,
                    last_class=last_class, last_status=last_status,
                )
            )  # fmt: skip
            return
        item.parked = True
        self.parks.append(
            NewParked(
                okey=item.key, pos=item.row.pos, lane=item.row.lane, event_id=item.row.event_id,
                type=item.row.type, state=state, n=n, wait_s=wait_s, last_class=last_class,
                last_status=last_status,
            )
        )  # fmt: skip

    def unpark(self, item: Item) -> None:
        """It was delivered: its row goes, the next of its key becomes due."""
        self.removals.append((item.key, item.row.pos))
        self.promotes.add(item.key)


async def write(tx: Tx, place: Place, batch: Batch, endpoint_code: str) -> None:
    """Write a batch inside the caller's fenced transaction. Emits delivery.exhausted."""
    await parking.park(tx, place, batch.parks)
    await parking.change(tx, place, batch.changes)
    await parking.remove(tx, place, batch.removals)
    waiting = {new.okey for new in batch.parks if new.state == "waiting"}
    await parking.promote(tx, place, batch.promotes | waiting)
    if batch.attempts:
        facts = place.values(attempts=json.dumps(batch.attempts))
        await tx.execute(ADD_ATTEMPT, facts)
    await emit_many(tx, [_exhausted(place, code=endpoint_code, dead=dead) for dead in batch.dead])


def system_stamp(warehouse_id: int) -> Stamp:
    """Attribution of what the event engine does by itself."""
    return Stamp(
        warehouse_id=warehouse_id, at=datetime.now(UTC), key=uuid7(), actor="system:events"
    )


def _exhausted(place: Place, code: str, dead: tuple[Item, Outcome]) -> dict[str, Any]:
    item, outcome = dead
    row: LogRow = item.row
    return outbox_row(
        system_stamp(place.warehouse_id),
        "delivery.exhausted",
        f"endpoint/{code}",
        DeliveryExhausted(
            endpoint_id=code,
            event_id=public_id(row.event_id),
            type=row.type,
            okey=row.okey,
            attempts=item.n + 1,
            last_class=outcome.outcome,
            last_status=outcome.status,
        ),
        correlation_id=row.correlation_id,
    )
