"""Receipts: what a subscriber's own system did with an event, hours after it took it.

Delivered is not processed. One receipt for each event and source (an endpoint, or a consumer that
pulls); the last verdict counts and those before it are kept with it. A rejection is an event.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events.catalog import ReceiptRejected
from wms.events.envelope import LogRow, public_id
from wms.events.outbox import emit
from wms.events.queries import COLUMNS
from wms.stamp import Stamp

HISTORY_MAX = 20
REJECTED = "receipt_verdict.rejected"


class Logged(LogRow, kw_only=True):
    """An event and the warehouse it is of."""

    warehouse_id: int


class Before(msgspec.Struct, kw_only=True):
    """A verdict that another one replaced."""

    verdict: str
    code: str = ""
    detail: str = ""
    at: datetime
    by: str = ""


class Receipt(msgspec.Struct, kw_only=True):
    """The last verdict of one source about one event, and those before it, newest last."""

    event_id: str
    source: str
    verdict: str
    code: str
    detail: str
    at: datetime
    by: str
    first_at: datetime
    history: list[Before]


class Count(msgspec.Struct, kw_only=True):
    """How many receipts of one verdict."""

    verdict: str
    n: int


# event_log_event_ix, warehouse by warehouse.
FIND = text(
    f"""
    SELECT warehouse_id, {COLUMNS} FROM event_log
     WHERE warehouse_id = ANY (CAST(:warehouses AS int[])) AND event_id = :event_id
     LIMIT 1
    """
)

# Primary key. The same words again change nothing, so a repeated receipt has no effect.
RECORD = text(
    """
    INSERT INTO event_receipt AS r (warehouse_id, source, event_id, endpoint_id, type, okey, pos,
                                    verdict, code, detail, at, by, first_at)
    VALUES (:warehouse_id, :source, :event_id, CAST(:endpoint_id AS bigint), :type, :okey, :pos,
            :verdict, :code, :detail, :at, :by, :at)
    ON CONFLICT (warehouse_id, source, event_id) DO UPDATE
      SET verdict = excluded.verdict, code = excluded.code, detail = excluded.detail,
          at = excluded.at, by = excluded.by,
          history = CASE WHEN jsonb_array_length(r.history) >= :history_max THEN r.history - 0
                         ELSE r.history END
                    || jsonb_build_array(jsonb_build_object(
                         'verdict', r.verdict, 'code', r.code, 'detail', r.detail,
                         'at', r.at, 'by', r.by))
      WHERE (r.verdict, r.code, r.detail) IS DISTINCT FROM
            (excluded.verdict, excluded.code, excluded.detail)
    """
)

READ = text(
    """
    SELECT 'evt_' || replace(event_id::text, '-', '') AS event_id, source, verdict, code, detail,
           at, by, first_at, history
      FROM event_receipt
     WHERE warehouse_id = :warehouse_id AND event_id = :event_id
       AND (CAST(:source AS text) IS NULL OR source = :source)
       AND (CAST(:by AS text) IS NULL OR by = :by)
     ORDER BY source
    """
)

# event_receipt_source_ix.
COUNTS = text(
    """
    SELECT verdict, count(*) AS n FROM event_receipt
     WHERE warehouse_id = ANY (CAST(:warehouses AS int[])) AND source = :source AND at > :since
     GROUP BY verdict ORDER BY verdict
    """
)


async def find_logged(tx: Tx, warehouses: tuple[int, ...], event_id: UUID) -> Logged | None:
    """The event, in whichever of these warehouses it was logged."""
    return await row(tx, FIND, Logged, warehouses=list(warehouses), event_id=event_id)


async def record(
    tx: Tx,
    stamp: Stamp,
    event: Logged,
    source: str,
    verdict: str,
    *,
    endpoint_id: int | None = None,
    code: str = "",
    detail: str = "",
) -> tuple[Receipt, bool]:
    """Keep a verdict; answers the receipt and whether anything changed.

    Locks: the receipt. Emits receipt_verdict.rejected.
    """
    values: dict[str, Any] = {
        "warehouse_id": event.warehouse_id, "source": source, "event_id": event.event_id,
        "endpoint_id": endpoint_id, "type": event.type, "okey": event.okey, "pos": event.pos,
        "verdict": verdict, "code": code, "detail": detail, "at": stamp.at, "by": stamp.actor,
    }  # fmt: skip
    changed = (await tx.execute(RECORD, {**values, "history_max": HISTORY_MAX})).rowcount > 0
    kept = await list_receipts(tx, event.warehouse_id, event.event_id, source=source)
    if changed and verdict == "rejected" and event.type != REJECTED:
        endpoint = source.removeprefix("endpoint/") if endpoint_id else ""
        await emit(
            tx, stamp, REJECTED, source,
            ReceiptRejected(
                source=source, event_id=public_id(event.event_id), type=event.type,
                okey=event.okey, endpoint_id=endpoint, code=code, detail=detail,
                by=stamp.actor,
            ),
            owner=event.owner, correlation_id=event.correlation_id, causation=event.event_id,
        )  # fmt: skip
    return kept[0], changed


async def list_receipts(
    tx: Tx,
    warehouse_id: int,
    event_id: UUID,
    *,
    source: str | None = None,
    by: str | None = None,
) -> list[Receipt]:
    """Receipts of one event: of one source, or those that one partner gave."""
    values = {"warehouse_id": warehouse_id, "event_id": event_id, "source": source, "by": by}
    return await rows(tx, READ, Receipt, **values)


async def count_verdicts(
    tx: Tx, warehouses: list[int], source: str, since: datetime
) -> dict[str, int]:
    """Receipts of a source by verdict, given since a time."""
    values = {"warehouses": warehouses, "source": source, "since": since}
    return {each.verdict: each.n for each in await rows(tx, COUNTS, Count, **values)}
