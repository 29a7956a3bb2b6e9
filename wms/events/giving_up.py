"""A person gives up dead deliveries: they leave the box with a name, a reason and a time.

Nothing leaves silently: the row moves to delivery_discarded, and later events of a key that it
blocked go on.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Invalid
from wms.events import parking
from wms.events.catalog import DeliveryDiscarded
from wms.events.envelope import public_id
from wms.events.outbox import emit_many, outbox_row
from wms.events.parking import Place
from wms.stamp import Stamp

REASON_MAX = 500


class ReasonMissing(Invalid):
    say = "Say why it is discarded: the reason is kept with it."


class _Gone(msgspec.Struct):
    okey: str
    event_id: UUID
    type: str
    n: int
    endpoint: str


# parked_state_ix. A delivery that died again after it was given up once keeps its first record's
# place with the newer words.
DISCARD = text(
    """
    WITH gone AS (
      DELETE FROM parked
       WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id AND state = 'dead'
         AND (CAST(:event_id AS uuid) IS NULL OR event_id = :event_id)
         AND (CAST(:event_id AS uuid) IS NOT NULL
              OR (last_class = :last_class AND last_status = :last_status AND type = :type))
      RETURNING *)
    INSERT INTO delivery_discarded (warehouse_id, endpoint_id, pos, okey, event_id, type, n,
                                    first_failed_at, last_class, last_status, by, reason, at)
    SELECT warehouse_id, endpoint_id, pos, okey, event_id, type, n, first_failed_at, last_class,
           last_status, :by, :reason, :at FROM gone
    ON CONFLICT (warehouse_id, endpoint_id, pos) DO UPDATE
      SET n = excluded.n, last_class = excluded.last_class, last_status = excluded.last_status,
          by = excluded.by, reason = excluded.reason, at = excluded.at
    RETURNING okey, event_id, type, n,
              (SELECT e.code FROM endpoint e WHERE e.id = endpoint_id) AS endpoint
    """
)


async def discard(
    tx: Tx,
    stamp: Stamp,
    endpoint_id: int,
    reason: str,
    *,
    event_id: UUID | None = None,
    last_class: str = "",
    last_status: int = 0,
    type: str = "",
) -> int:
    """Give up one dead delivery, or all of one cause; returns how many.

    Emits delivery.discarded for each. Raises ReasonMissing.
    """
    if not reason:
        raise ReasonMissing()
    values = {
        "warehouse_id": stamp.warehouse_id, "endpoint_id": endpoint_id, "event_id": event_id,
        "last_class": last_class, "last_status": last_status, "type": type, "by": stamp.actor,
        "reason": reason[:REASON_MAX], "at": stamp.at,
    }  # fmt: skip
    gone = await rows(tx, DISCARD, _Gone, **values)
    place = Place(stamp.warehouse_id, endpoint_id, [], block_key=True)
    await parking.promote(tx, place, {each.okey for each in gone})
    await emit_many(tx, [_discarded(stamp, each, reason) for each in gone])
    return len(gone)


def _discarded(stamp: Stamp, gone: _Gone, reason: str) -> dict[str, Any]:
    data = DeliveryDiscarded(
        endpoint_id=gone.endpoint, event_id=public_id(gone.event_id), type=gone.type,
        okey=gone.okey, attempts=gone.n, by=stamp.actor, reason=reason[:REASON_MAX],
    )  # fmt: skip
    return outbox_row(stamp, "delivery.discarded", f"endpoint/{gone.endpoint}", data)


class GivenUp(msgspec.Struct, kw_only=True):
    """Who gave a delivery up, when and why."""

    by: str
    reason: str
    at: datetime


FIND = text(
    """
    SELECT d.by, d.reason, d.at FROM delivery_discarded d
     WHERE d.warehouse_id = :warehouse_id AND d.endpoint_id = :endpoint_id AND d.pos = :pos
    """
)


async def find_given_up(
    tx: Tx, warehouse_id: int, endpoint_id: int, pos: int
) -> GivenUp | None:
    """The record of a discarded delivery, or None."""
    values = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "pos": pos}
    return await row(tx, FIND, GivenUp, **values)
