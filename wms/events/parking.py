"""Parked deliveries: events that failed, and the later ones of their key that wait behind them.

Rule: of each key with parked rows the lowest live one is `due` (or `inflight`); so a worker that
takes over finds all work by looking for due rows.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events.envelope import LogRow


class ParkedRow(LogRow, kw_only=True):
    """A parked delivery with its event; `key` is what it is kept in order by."""

    key: str
    n: int
    first_failed_at: datetime | None


class NewParked(msgspec.Struct, kw_only=True):
    """A row to park; `wait_s` counts from now and is None unless it is due."""

    okey: str
    pos: int
    lane: int
    event_id: UUID
    type: str
    state: str
    n: int = 0
    wait_s: float | None = None
    last_class: str = ""
    last_status: int = 0


class Changed(msgspec.Struct, kw_only=True):
    """What another attempt made of a parked row."""

    okey: str
    pos: int
    state: str
    n: int
    wait_s: float | None
    last_class: str
    last_status: int


class _Key(msgspec.Struct):
    okey: str


# Primary key. A row that is there already (a soft deadline before, a replay) takes the new state,
# but never goes back to waiting.
PARK = text(
    """
    INSERT INTO parked (warehouse_id, endpoint_id, okey, pos, lane, event_id, type, state, n,
                        next_at, first_failed_at, last_class, last_status)
    VALUES (:warehouse_id, :endpoint_id, :okey, :pos, :lane, CAST(:event_id AS uuid), :type, :state,
            CAST(:n AS int),
            now() + make_interval(secs => CAST(:wait_s AS float8)),
            CASE WHEN CAST(:n AS int) > 0 THEN now() END, :last_class, :last_status)
    ON CONFLICT (warehouse_id, endpoint_id, okey, pos) DO UPDATE
      SET state = excluded.state, n = excluded.n, next_at = excluded.next_at,
          first_failed_at = coalesce(parked.first_failed_at, excluded.first_failed_at),
          last_class = excluded.last_class, last_status = excluded.last_status
      WHERE excluded.state <> 'waiting'
    """
)

CHANGE = text(
    """
    UPDATE parked
       SET state = :state, n = :n,
           next_at = now() + make_interval(secs => CAST(:wait_s AS float8)),
           first_failed_at = coalesce(first_failed_at, now()),
           last_class = :last_class, last_status = :last_status
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
       AND okey = :okey AND pos = :pos
    """
)

REMOVE = text(
    """
    DELETE FROM parked
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
       AND (okey, pos) IN (SELECT * FROM unnest(CAST(:okeys AS text[]), CAST(:places AS bigint[])))
    """
)

# Keeps the rule above after rows were removed or died. With `block_key` a dead row stops its key.
PROMOTE = text(
    """
    UPDATE parked p SET state = 'due', next_at = now()
      FROM (SELECT DISTINCT ON (okey) okey, pos, state FROM parked
             WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
               AND okey = ANY (CAST(:okeys AS text[])) AND (:block_key OR state <> 'dead')
             ORDER BY okey, pos) first
     WHERE p.warehouse_id = :warehouse_id AND p.endpoint_id = :endpoint_id
       AND p.okey = first.okey AND p.pos = first.pos AND first.state = 'waiting'
    """
)

# Requests of an owner that is gone: nobody knows what came of them, so they are sent again.
RESUME = text(
    """
    UPDATE parked SET state = 'due', next_at = now()
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
       AND lane = ANY (CAST(:lanes AS int[])) AND state = 'inflight'
    """
)

BLOCKED_KEYS = text(
    """
    SELECT DISTINCT okey FROM parked
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
       AND lane = ANY (CAST(:lanes AS int[])) AND (:block_key OR state <> 'dead')
       AND (:some = false OR okey = ANY (CAST(:okeys AS text[])))
    """
)

# parked_state_ix.
DUE_KEYS = text(
    """
    SELECT okey FROM parked
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id AND state = 'due'
       AND next_at <= now() AND lane = ANY (CAST(:lanes AS int[]))
     ORDER BY next_at LIMIT :most
    """
)

NEXT_DUE = text(
    """
    SELECT extract(epoch FROM min(next_at) - now())::float8 FROM parked
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id AND state = 'due'
    """
)

# Primary keys of both; a key's rows in log order from its lowest live one.
LOAD = text(
    """
    SELECT p.pos, p.event_id, e.lane, p.type, p.okey AS key, e.okey, e.keyseq, e.subject, e.owner,
           e.occurred_at, e.recorded_at, e.actor, e.correlation_id, e.causation_id, e.data,
           e.traceparent, e.test,
           p.n, p.first_failed_at
      FROM unnest(CAST(:okeys AS text[])) k (okey)
      CROSS JOIN LATERAL (
        SELECT * FROM parked p
         WHERE p.warehouse_id = :warehouse_id AND p.endpoint_id = :endpoint_id
           AND p.okey = k.okey AND p.state IN ('due', 'waiting')
         ORDER BY p.pos LIMIT :each) p
      JOIN event_log e ON e.warehouse_id = p.warehouse_id AND e.pos = p.pos
     ORDER BY p.okey, p.pos
    """
)


class Place(msgspec.Struct, frozen=True):
    """Which endpoint in which warehouse, and the lanes (0..63) it holds there."""

    warehouse_id: int
    endpoint_id: int
    lanes: list[int]
    block_key: bool = False

    def values(self, **more: Any) -> dict[str, Any]:
        base = {"warehouse_id": self.warehouse_id, "endpoint_id": self.endpoint_id}
        return {**base, **more}


async def park(tx: Tx, place: Place, new: list[NewParked]) -> None:
    if new:
        facts = [place.values(**msgspec.structs.asdict(item)) for item in new]
        await tx.execute(PARK, facts)


async def change(tx: Tx, place: Place, changes: list[Changed]) -> None:
    if changes:
        facts = [place.values(**msgspec.structs.asdict(item)) for item in changes]
        await tx.execute(CHANGE, facts)


async def remove(tx: Tx, place: Place, gone: list[tuple[str, int]]) -> None:
    if gone:
        okeys, places = [okey for okey, _ in gone], [pos for _, pos in gone]
        await tx.execute(REMOVE, place.values(okeys=okeys, places=places))


async def promote(tx: Tx, place: Place, okeys: set[str]) -> None:
    """Make the lowest live row of these keys due, where it waits."""
    if okeys:
        await tx.execute(PROMOTE, place.values(okeys=sorted(okeys), block_key=place.block_key))


async def resume(tx: Tx, place: Place) -> set[str]:
    """On takeover: requests with unknown end are due; returns all keys with parked rows."""
    await tx.execute(RESUME, place.values(lanes=place.lanes))
    return await list_blocked(tx, place)


async def list_blocked(tx: Tx, place: Place, okeys: set[str] | None = None) -> set[str]:
    """Keys (of `okeys`, or all) whose later events must wait."""
    values = place.values(
        lanes=place.lanes, block_key=place.block_key, some=okeys is not None,
        okeys=sorted(okeys or ()),
    )  # fmt: skip
    return {found.okey for found in await rows(tx, BLOCKED_KEYS, _Key, **values)}


async def list_due(tx: Tx, place: Place, most: int) -> list[str]:
    values = place.values(lanes=place.lanes, most=most)
    return [found.okey for found in await rows(tx, DUE_KEYS, _Key, **values)]


async def next_due_s(tx: Tx, place: Place) -> float | None:
    """Seconds until the next parked row is due; None when there is none."""
    return (await tx.execute(NEXT_DUE, place.values())).scalar_one()


async def load(tx: Tx, place: Place, okeys: list[str], each: int = 50) -> list[ParkedRow]:
    """The first parked rows of each key with their events, in order."""
    return await rows(tx, LOAD, ParkedRow, **place.values(okeys=okeys, each=each))
