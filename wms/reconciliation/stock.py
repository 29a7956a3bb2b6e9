"""The trial balance: stock in the house by item, owner and status, at a position of the event log.

Rule: the totals are exactly what all events up to that position have made of the stock. Movements
whose events are committed and have no position yet are taken out again; both are read in one
statement, so in one snapshot. A hash over sorted lines lets a partner find the first difference.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Busy, NotFound
from wms.events.catalog import InventorySnapshotPublished
from wms.events.outbox import emit_many, outbox_row
from wms.stamp import Stamp

LINES_MAX = 200  # a bucket of so many lines or fewer is answered line by line
KEPT_DAYS = 35


class NoSuchSnapshot(NotFound):
    say = "There is no stored trial balance at position {pos}; the nearest is at {nearest}."


class Totals(msgspec.Struct, kw_only=True):
    """An owner, or a bucket of an owner's items: lines, units by status, hash.

    `key` is the owner's code, or the first letters of SHA-256 of the item's SKU in hexadecimal.
    `hash` is SHA-256 over the lines `owner TAB sku TAB status TAB qty LF`, in the order of the
    bytes of SKU and status.
    """

    key: str
    lines: int
    units: dict[str, int]
    hash: str


class StockLine(msgspec.Struct, kw_only=True):
    """Units of one item in one status, wherever in the house."""

    owner: str
    sku: str
    status: str
    qty: int


class Balance(msgspec.Struct, kw_only=True):
    """Totals at a position."""

    as_of_pos: int
    totals: list[Totals]


class Snapshot(msgspec.Struct, kw_only=True):
    """A trial balance that was stored and published."""

    id: str
    as_of_pos: int
    at: datetime
    by: str
    lines: int
    units: int


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Whose stock, which bucket, and at which stored position (None: now)."""

    owner: str = ""
    prefix: str = ""
    owner_ids: Sequence[int] = ()
    as_of_pos: int | None = None

    def values(self, stamp: Stamp) -> dict[str, Any]:
        return {
            "warehouse_id": stamp.warehouse_id, "owner": self.owner, "prefix": self.prefix,
            "owner_ids": list(self.owner_ids), "deeper": len(self.prefix) + 1,
            **({} if self.as_of_pos is None else {"pos": self.as_of_pos}),
        }  # fmt: skip


# Committed events without a position are found as the sealer finds them (outbox_pkey); their
# movements carry the same transaction id, and are among the newest of the ledger.
_PLACE = """
    place AS MATERIALIZED (
      SELECT coalesce(s.pos, 0) AS pos, CAST(coalesce(s.snap, '3:3:') AS pg_snapshot) AS snap
        FROM warehouse w LEFT JOIN seal_state s ON s.warehouse_id = w.id
       WHERE w.id = :warehouse_id
    ), pending AS MATERIALIZED (
      SELECT o.xid FROM place, outbox o
       WHERE o.warehouse_id = :warehouse_id AND o.xid >= pg_snapshot_xmax(place.snap)
       UNION
      SELECT o.xid FROM place, pg_snapshot_xip(place.snap) x
        JOIN outbox o ON o.warehouse_id = :warehouse_id AND o.xid = x
    ), late AS MATERIALIZED (
      SELECT m.* FROM movement m
       WHERE m.warehouse_id = :warehouse_id AND EXISTS (SELECT 1 FROM pending)
         AND m.id > (SELECT max(id) - 100000 FROM movement WHERE warehouse_id = :warehouse_id)
         AND CAST(CAST(m.xmin AS text) AS bigint) IN (
               SELECT CAST(CAST(p.xid AS text) AS numeric) % 4294967296 FROM pending p)
    )
"""
_OUTSIDE = "('supplier', 'customer', 'adjustment', 'scrap')"
_NOW = f"""
    {_PLACE}, part AS (
      SELECT owner_id, item_id, status, on_hand AS qty FROM balance
       WHERE warehouse_id = :warehouse_id AND on_hand > 0
       UNION ALL
      SELECT m.owner_id, m.item_id, m.to_status, -m.qty FROM late m
        JOIN bin b ON b.warehouse_id = m.warehouse_id AND b.id = m.to_bin_id
         AND b.kind NOT IN {_OUTSIDE}
       UNION ALL
      SELECT m.owner_id, m.item_id, m.from_status, m.qty FROM late m
        JOIN bin b ON b.warehouse_id = m.warehouse_id AND b.id = m.from_bin_id
         AND b.kind NOT IN {_OUTSIDE}
    ), line AS MATERIALIZED (
      SELECT w.code AS owner, i.sku, p.status, CAST(sum(p.qty) AS bigint) AS qty
        FROM part p JOIN item i ON i.id = p.item_id JOIN owner w ON w.id = p.owner_id
       WHERE (CAST(:owner AS text) = '' OR w.code = :owner)
         AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
              OR p.owner_id = ANY (CAST(:owner_ids AS bigint[])))
         AND encode(sha256(convert_to(i.sku, 'UTF8')), 'hex') LIKE CAST(:prefix AS text) || '%'
       GROUP BY w.code, i.sku, p.status HAVING sum(p.qty) <> 0
    )
"""
_THEN = """
    place AS MATERIALIZED (
      SELECT id, as_of_pos AS pos FROM stock_snapshot
       WHERE warehouse_id = :warehouse_id AND as_of_pos = :pos
    ), line AS MATERIALIZED (
      SELECT l.owner, l.sku, l.status, l.qty
        FROM place JOIN stock_snapshot_line l
          ON l.warehouse_id = :warehouse_id AND l.snapshot_id = place.id
       WHERE (CAST(:owner AS text) = '' OR l.owner = :owner)
         AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
              OR l.owner IN (SELECT code FROM owner WHERE id = ANY (CAST(:owner_ids AS bigint[]))))
         AND encode(sha256(convert_to(l.sku, 'UTF8')), 'hex') LIKE CAST(:prefix AS text) || '%'
    )
"""
_SUMS = """
    , units AS (
      SELECT key, jsonb_object_agg(status, qty) AS units
        FROM (SELECT {key} AS key, status, sum(qty) AS qty FROM line GROUP BY 1, 2) x GROUP BY key
    ), sums AS (
      SELECT {key} AS key, count(*) AS lines, encode(sha256(string_agg(
               convert_to(concat_ws(E'\\t', owner, sku, status, qty) || E'\\n', 'UTF8'), ''
               ORDER BY owner COLLATE "C", sku COLLATE "C", status COLLATE "C")), 'hex') AS hash
        FROM line GROUP BY 1
    )
    SELECT place.pos AS as_of_pos, coalesce(s.key, '') AS key, coalesce(s.lines, 0) AS lines,
           coalesce(u.units, '{{}}') AS units, coalesce(s.hash, '') AS hash
      FROM place LEFT JOIN (sums s JOIN units u ON u.key = s.key) ON true
     ORDER BY s.key
"""
_BUCKET = "left(encode(sha256(convert_to(sku, 'UTF8')), 'hex'), :deeper)"
_SOURCES = {False: _NOW, True: _THEN}
OWNERS = {then: text(f"WITH {src} {_SUMS.format(key='owner')}") for then, src in _SOURCES.items()}
BUCKETS = {then: text(f"WITH {src} {_SUMS.format(key=_BUCKET)}") for then, src in _SOURCES.items()}
LINES = {
    then: text(
        f"""
        WITH {src}
        SELECT owner, sku, status, qty FROM line
         ORDER BY owner COLLATE "C", sku COLLATE "C", status COLLATE "C" LIMIT {LINES_MAX + 1}
        """
    )
    for then, src in _SOURCES.items()
}
# While a long backlog is sealed in bites, a transaction's events may be half in and half out.
BITES = text(
    "SELECT snap_next FROM seal_state WHERE warehouse_id = :warehouse_id AND snap_next IS NOT NULL"
)
NEAREST = text(
    """
    SELECT as_of_pos FROM stock_snapshot WHERE warehouse_id = :warehouse_id
     ORDER BY abs(as_of_pos - :pos) LIMIT 1
    """
)


class _Sum(Totals, kw_only=True):
    as_of_pos: int


async def by_owner(tx: Tx, stamp: Stamp, which: Which) -> Balance:
    """Totals of each owner. Raises Busy, NoSuchSnapshot."""
    return await _balance(tx, stamp, which, OWNERS)


async def by_bucket(tx: Tx, stamp: Stamp, which: Which) -> Balance:
    """Totals of the buckets below `which.prefix`. Raises Busy, NoSuchSnapshot."""
    return await _balance(tx, stamp, which, BUCKETS)


async def _balance(tx: Tx, stamp: Stamp, which: Which, statements: dict[bool, Any]) -> Balance:
    then = which.as_of_pos is not None
    if not then:
        await refuse_half_sealed(tx, stamp)
    found = await rows(tx, statements[then], _Sum, **which.values(stamp))
    if not found:
        values = {"warehouse_id": stamp.warehouse_id, "pos": which.as_of_pos}
        nearest = (await tx.execute(NEAREST, values)).scalar()
        raise NoSuchSnapshot(pos=which.as_of_pos, nearest="none" if nearest is None else nearest)
    totals = [
        Totals(key=each.key, lines=each.lines, units=each.units, hash=each.hash)
        for each in found if each.lines
    ]  # fmt: skip
    return Balance(as_of_pos=found[0].as_of_pos, totals=totals)


async def list_lines(tx: Tx, stamp: Stamp, which: Which) -> list[StockLine]:
    """The lines of a bucket when there are at most LINES_MAX, else none."""
    statement = LINES[which.as_of_pos is not None]
    found = await rows(tx, statement, StockLine, **which.values(stamp))
    return found if len(found) <= LINES_MAX else []


async def refuse_half_sealed(tx: Tx, stamp: Stamp) -> None:
    """Raises Busy."""
    if (await tx.execute(BITES, {"warehouse_id": stamp.warehouse_id})).first() is not None:
        raise Busy()


# The sum and its lines are one statement, so they are of one position.
PUBLISH = text(
    f"""
    WITH {_NOW}, head AS (
      INSERT INTO stock_snapshot (warehouse_id, as_of_pos, at, by, lines, units)
      SELECT :warehouse_id, place.pos, :at, :actor, (SELECT count(*) FROM line),
             (SELECT coalesce(sum(qty), 0) FROM line)
        FROM place
      ON CONFLICT (warehouse_id, as_of_pos) DO NOTHING
      RETURNING id, as_of_pos
    ), lines AS (
      INSERT INTO stock_snapshot_line (warehouse_id, snapshot_id, owner, sku, status, qty)
      SELECT :warehouse_id, head.id, line.owner, line.sku, line.status, line.qty FROM head, line
    )
    SELECT place.pos AS as_of_pos, EXISTS (SELECT 1 FROM head) AS made FROM place
    """
)
_SNAPSHOT = "CAST(id AS text) AS id, as_of_pos, at, by, lines, units FROM stock_snapshot"
AT = text(f"SELECT {_SNAPSHOT} WHERE warehouse_id = :warehouse_id AND as_of_pos = :pos")
LAST = text(
    f"SELECT {_SNAPSHOT} WHERE warehouse_id = :warehouse_id ORDER BY at DESC, id DESC LIMIT :limit"
)
# Of some owners: their lines by stock_snapshot_line_once.
LAST_OF = text(
    """
    SELECT CAST(s.id AS text) AS id, s.as_of_pos, s.at, s.by, mine.lines, mine.units
      FROM stock_snapshot s, LATERAL (
        SELECT count(*) AS lines, CAST(coalesce(sum(l.qty), 0) AS bigint) AS units
          FROM owner w JOIN stock_snapshot_line l
            ON l.warehouse_id = s.warehouse_id AND l.snapshot_id = s.id AND l.owner = w.code
         WHERE w.id = ANY (CAST(:owner_ids AS bigint[]))) mine
     WHERE s.warehouse_id = :warehouse_id ORDER BY s.at DESC, s.id DESC LIMIT :limit
    """
)
FORGET = text(
    f"""
    DELETE FROM stock_snapshot
     WHERE warehouse_id = :warehouse_id AND at < CAST(:at AS timestamptz) - interval '{KEPT_DAYS} days'
    """  # noqa: E501
)
# The day begins where the warehouse is; three o'clock is a quiet hour.
DUE = text(
    """
    SELECT 1 FROM warehouse w
     WHERE w.id = :warehouse_id
       AND extract(hour FROM CAST(:at AS timestamptz) AT TIME ZONE w.timezone) >= 3
       AND NOT EXISTS (
             SELECT 1 FROM stock_snapshot s
              WHERE s.warehouse_id = w.id
                AND CAST(s.at AT TIME ZONE w.timezone AS date)
                    = CAST(CAST(:at AS timestamptz) AT TIME ZONE w.timezone AS date))
    """
)


class _Published(msgspec.Struct):
    as_of_pos: int
    made: bool


async def publish(tx: Tx, stamp: Stamp) -> tuple[Snapshot, bool]:
    """Store the trial balance of now and tell every owner theirs; False when it was there already.

    Emits inventory.snapshot_published, one an owner. Raises Busy.
    """
    await refuse_half_sealed(tx, stamp)
    here = {"warehouse_id": stamp.warehouse_id}
    done = await row(
        tx, PUBLISH, _Published, owner="", prefix="", owner_ids=[], at=stamp.at,
        actor=stamp.actor, **here,
    )  # fmt: skip
    assert done is not None, "every warehouse has a place in the log"
    made = await row(tx, AT, Snapshot, pos=done.as_of_pos, **here)
    if made is None:
        raise Busy()  # another process is storing the same one
    if done.made:
        told = await by_owner(tx, stamp, Which(as_of_pos=made.as_of_pos))
        await emit_many(tx, [_event(stamp, made, each) for each in told.totals])
        await tx.execute(FORGET, {**here, "at": stamp.at})
    return made, done.made


async def is_due(tx: Tx, stamp: Stamp) -> bool:
    """Whether the warehouse's night has passed without a trial balance."""
    values = {"warehouse_id": stamp.warehouse_id, "at": stamp.at}
    return (await tx.execute(DUE, values)).first() is not None


async def list_snapshots(
    tx: Tx, stamp: Stamp, limit: int = 10, owner_ids: Sequence[int] = ()
) -> list[Snapshot]:
    """Newest first; with `owner_ids`, lines and units are of these owners."""
    here = {"warehouse_id": stamp.warehouse_id, "limit": limit}
    if owner_ids:
        return await rows(tx, LAST_OF, Snapshot, owner_ids=list(owner_ids), **here)
    return await rows(tx, LAST, Snapshot, **here)


def _event(stamp: Stamp, made: Snapshot, each: Totals) -> dict[str, Any]:
    data = InventorySnapshotPublished(
        snapshot_id=made.id, as_of_pos=made.as_of_pos, owner=each.key, lines=each.lines,
        units=each.units, hash=each.hash,
    )  # fmt: skip
    key = f"snapshot/{each.key}"
    return outbox_row(stamp, "inventory.snapshot_published", key, data, owner=each.key)
