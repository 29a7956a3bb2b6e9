"""Deliveries as partners and supervisors read them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp

PAGE_MAX = 500


class AsnRow(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery with how far it is; quantities in base units over all its lines."""

    id: int
    owner: str
    external_id: str
    supplier: str
    state: str
    version: int
    expected_at: datetime
    started_at: datetime | None
    closed_at: datetime | None
    lines: int
    qty: int
    received: int
    damaged: int
    over: int


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiving act brought."""

    at: datetime
    user: str
    sku: str
    lot: str
    lpn: str
    qty: int
    condition: str


# asn_open_ix for those in work (no state asked), the primary key for the rest.
LIST = text(
    """
    SELECT a.id, o.code AS owner, a.external_id, a.supplier, a.state, a.version, a.expected_at,
           a.started_at, a.closed_at, l.lines, l.qty, l.received, r.damaged, r.over
      FROM (SELECT * FROM asn
             WHERE warehouse_id = :warehouse_id
               AND (:state = '' AND state IN ('open', 'receiving') OR state = :state)
               AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
                    OR owner_id = ANY (CAST(:owner_ids AS bigint[])))
               AND (expected_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
             ORDER BY expected_at, id LIMIT :limit) a
      JOIN owner o ON o.id = a.owner_id
     CROSS JOIN LATERAL (
       SELECT count(*) AS lines, coalesce(sum(x.qty), 0) AS qty,
              coalesce(sum(x.received), 0) AS received
         FROM asn_line x WHERE x.warehouse_id = a.warehouse_id AND x.asn_id = a.id) l
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(x.qty) FILTER (WHERE x.condition = 'damaged'), 0) AS damaged,
              coalesce(sum(x.qty) FILTER (WHERE x.condition = 'over'), 0) AS over
         FROM receipt_line x WHERE x.warehouse_id = a.warehouse_id AND x.asn_id = a.id) r
     ORDER BY a.expected_at, a.id
    """
)
# receipt_line_asn_ix
RECEIPTS = text(
    """
    SELECT r.at, coalesce(u.code, '') AS "user", i.sku, coalesce(l.code, '') AS lot,
           p.code AS lpn, r.qty, r.condition
      FROM receipt_line r
      JOIN item i ON i.id = r.item_id
      JOIN lpn p ON p.warehouse_id = r.warehouse_id AND p.id = r.lpn_id
      LEFT JOIN lot l ON l.warehouse_id = r.warehouse_id AND l.id = r.lot_id
      LEFT JOIN app_user u ON u.id = r.user_id
     WHERE r.warehouse_id = :warehouse_id AND r.asn_id = :asn_id
     ORDER BY r.id LIMIT 500
    """
)


async def list_asns(
    tx: Tx, stamp: Stamp, *, state: str = "", after: tuple[datetime, int] | None = None,
    owner_ids: Sequence[int] = (), limit: int = 50,
) -> list[AsnRow]:  # fmt: skip
    """Deliveries by expected time, page by page; without `state` those that may be received."""
    at, id = after or (datetime.fromisoformat("0001-01-02T00:00:00+00:00"), 0)
    return await rows(
        tx, LIST, AsnRow, warehouse_id=stamp.warehouse_id, state=state, after_at=at, after_id=id,
        owner_ids=list(owner_ids), limit=min(limit, PAGE_MAX),
    )  # fmt: skip


async def list_receipts(tx: Tx, stamp: Stamp, asn_id: int) -> list[ReceiptRow]:
    """What came on a delivery, act by act; the first 500."""
    return await rows(tx, RECEIPTS, ReceiptRow, warehouse_id=stamp.warehouse_id, asn_id=asn_id)
