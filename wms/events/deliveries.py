"""Deliveries that did not simply arrive: failed, waiting behind a failed one, dead, given up."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.errors import Invalid
from wms.events.tables import PARKED_STATES

STATES = (*PARKED_STATES, "discarded")


class BadFilter(Invalid):
    say = "{name} is wrong: one of {known}."


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; what is empty does not narrow. Without a state all but the discarded."""

    state: str = ""
    type: str = ""
    okey: str = ""
    event_id: UUID | None = None
    last_class: str = ""
    since: datetime | None = None


class DeliveryView(msgspec.Struct, kw_only=True):
    """One delivery. `n` attempts were made; `last_class` and `last_status` are of the last one."""

    warehouse: str
    pos: int
    event_id: str
    type: str
    okey: str
    state: str
    n: int
    next_at: datetime | None
    first_failed_at: datetime | None
    last_class: str
    last_status: int
    discarded_by: str
    discarded_at: datetime | None
    reason: str


WHERE = """d.endpoint_id = :endpoint_id
       AND (d.warehouse_id, d.pos) > (CAST(:after_warehouse AS int), CAST(:after_pos AS bigint))
       AND (CAST(:type AS text) IS NULL OR d.type = :type)
       AND (CAST(:okey AS text) IS NULL OR d.okey = :okey)
       AND (CAST(:event_id AS uuid) IS NULL OR d.event_id = :event_id)
       AND (CAST(:last_class AS text) IS NULL OR d.last_class = :last_class)
       AND (CAST(:since AS timestamptz) IS NULL OR d.first_failed_at >= :since)"""

# Few rows by design; one warehouse after the other.
DELIVERIES = text(
    f"""
    SELECT w.code AS warehouse, d.pos, 'evt_' || replace(d.event_id::text, '-', '') AS event_id,
           d.type, d.okey, d.state, d.n, d.next_at, d.first_failed_at, d.last_class, d.last_status,
           d.discarded_by, d.discarded_at, d.reason
      FROM (SELECT d.warehouse_id, d.pos, d.event_id, d.type, d.okey, d.state, d.n, d.next_at,
                   d.first_failed_at, d.last_class, d.last_status,
                   '' AS discarded_by, CAST(NULL AS timestamptz) AS discarded_at, '' AS reason
              FROM parked d
             WHERE {WHERE} AND :state <> 'discarded' AND (:state = '' OR d.state = :state)
            UNION ALL
            SELECT d.warehouse_id, d.pos, d.event_id, d.type, d.okey, 'discarded', d.n, NULL,
                   d.first_failed_at, d.last_class, d.last_status, d.by, d.at, d.reason
              FROM delivery_discarded d
             WHERE {WHERE} AND :state = 'discarded') d
      JOIN warehouse w ON w.id = d.warehouse_id
     ORDER BY d.warehouse_id, d.pos LIMIT :limit
    """
)


async def list_deliveries(
    tx: Tx, endpoint_id: int, which: Filter, after: tuple[str, int] | None, limit: int
) -> list[DeliveryView]:
    """In log order per warehouse, after (warehouse code, position). Raises BadFilter."""
    if which.state and which.state not in STATES:
        raise BadFilter(name="state", known=", ".join(STATES))
    values: dict[str, Any] = msgspec.structs.asdict(which)
    for name in ("type", "okey", "last_class"):
        values[name] = values[name] or None
    values |= {"endpoint_id": endpoint_id, "limit": limit, "after_warehouse": 0, "after_pos": 0}
    if after is not None:
        found = await tx.execute(PLACE, {"code": after[0]})
        values |= {"after_warehouse": found.scalar() or 0, "after_pos": after[1]}
    return await rows(tx, DELIVERIES, DeliveryView, **values)


PLACE = text("SELECT id FROM warehouse WHERE code = :code")

# A retry asked for by a person: dead or not, it is due now and may fail its full schedule again.
RETRY = text(
    """
    UPDATE parked SET state = 'due', next_at = now(), n = 0
     WHERE endpoint_id = :endpoint_id AND state IN ('dead', 'due')
       AND (CAST(:ids AS uuid[]) IS NULL OR event_id = ANY (CAST(:ids AS uuid[])))
       AND (CAST(:type AS text) IS NULL OR type = :type)
       AND (CAST(:okey AS text) IS NULL OR okey = :okey)
       AND (CAST(:last_class AS text) IS NULL OR last_class = :last_class)
    """
)


async def retry(
    tx: Tx, endpoint_id: int, ids: list[UUID] | None, type: str, okey: str, last_class: str
) -> int:
    """Try parked deliveries again now: those named, or all that fit; returns how many."""
    values = {
        "endpoint_id": endpoint_id, "ids": ids, "type": type or None, "okey": okey or None,
        "last_class": last_class or None,
    }  # fmt: skip
    return (await tx.execute(RETRY, values)).rowcount
