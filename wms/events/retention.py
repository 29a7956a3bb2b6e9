"""The log is kept for a time and then dropped, whole weeks at once, never row by row.

A week older than the retention goes, unless an endpoint that is not suspended, or a consumer, has
not had it yet. After the longest time it goes anyway: who still needs it is suspended, and told.
What was dropped is known by `seal_state.first_pos`, so a gap at the beginning is no secret.
"""

from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, rows
from wms.events import endpoints, parking
from wms.events.catalog import ConsumerSuspended
from wms.events.outbox import emit
from wms.events.outcomes import system_stamp
from wms.events.parking import Place

ACTOR = "system:retention"
LOCK = 8424  # advisory: one process at a time drops


class Week(msgspec.Struct, kw_only=True):
    """A child of the log or of the attempts."""

    child: str
    parent: str
    ends_at: datetime


class _Last(msgspec.Struct):
    warehouse_id: int
    last: int


class _Endpoint(msgspec.Struct):
    id: int
    code: str


class _Consumer(msgspec.Struct):
    client: str
    name: str
    pos: int


class _Moved(msgspec.Struct):
    endpoint_id: int
    okey: str
    block_key: bool


# Children carry the first day of their week in their name (make_event_partition).
WEEKS = text(
    """
    SELECT c.relname AS child, p.relname AS parent,
           (to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')
             + interval '7 days' AS ends_at
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
      JOIN pg_class p ON p.oid = i.inhparent
     WHERE i.inhparent IN ('event_log'::regclass, 'attempt'::regclass)
     ORDER BY ends_at, parent
    """
)

# One probe of the child's primary key a warehouse.
LAST = """
    SELECT w.id AS warehouse_id, l.last
      FROM warehouse w
     CROSS JOIN LATERAL (SELECT max(pos) AS last FROM wms_part.{child}
                          WHERE warehouse_id = w.id) l
     WHERE l.last IS NOT NULL
"""

# Who is not suspended and has not had it all: by the cursor, or by a parked delivery that lives.
# An endpoint that never proved itself holds nothing.
ENDPOINTS = text(
    """
    SELECT e.id, e.code FROM endpoint e
     WHERE e.state IN ('active', 'paused', 'blocked')
       AND (EXISTS (SELECT 1 FROM delivery_cursor c
                     WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = e.id
                       AND c.pos < :last)
            OR EXISTS (SELECT 1 FROM parked p
                        WHERE p.warehouse_id = :warehouse_id AND p.endpoint_id = e.id
                          AND p.pos <= :last AND p.state <> 'dead'))
     ORDER BY e.id
    """
)
CONSUMERS = text(
    """
    SELECT client, name, pos FROM event_consumer
     WHERE warehouse_id = :warehouse_id AND pos < :last AND suspended_at IS NULL
     ORDER BY client, name
    """
)
SUSPEND = text("UPDATE endpoint SET state = 'suspended', last_class = 'retention' WHERE id = :id")
SUSPEND_CONSUMER = text(
    """
    UPDATE event_consumer SET suspended_at = now()
     WHERE warehouse_id = :warehouse_id AND client = :client AND name = :name
    """
)

# Deliveries whose event goes: they stay visible as given up.
MOVE = text(
    """
    WITH gone AS (
      DELETE FROM parked WHERE warehouse_id = :warehouse_id AND pos <= :last RETURNING *)
    INSERT INTO delivery_discarded AS d (warehouse_id, endpoint_id, pos, okey, event_id, type, n,
                                         first_failed_at, last_class, last_status, by, reason, at)
    SELECT warehouse_id, endpoint_id, pos, okey, event_id, type, n, first_failed_at, last_class,
           last_status, :by, 'The event is no longer kept.', now() FROM gone
    ON CONFLICT (warehouse_id, endpoint_id, pos) DO UPDATE SET at = excluded.at
    RETURNING endpoint_id, okey,
              (SELECT e.on_dead = 'block_key' FROM endpoint e WHERE e.id = d.endpoint_id)
                AS block_key
    """
)
FORGET = text("DELETE FROM event_receipt WHERE warehouse_id = :warehouse_id AND pos <= :last")
BEGIN_AT = text(
    """
    UPDATE seal_state SET first_pos = greatest(first_pos, :last + 1)
     WHERE warehouse_id = :warehouse_id
    """
)


async def drop_old(db: Db, keep: timedelta, keep_most: timedelta) -> list[str]:
    """Drop what is older than `keep` and needed by nobody, and all that is older than `keep_most`.

    A week at a time, each in a transaction of its own; returns the children that went. Raises Busy
    when somebody uses a child for too long: the next time finds the same work.
    """
    now = datetime.now(UTC)
    async with db.reading() as tx:
        old = [week for week in await rows(tx, WEEKS, Week) if week.ends_at < now - keep]
    dropped: list[str] = []
    held = False
    for week in old:
        if week.parent == "event_log" and held:
            continue  # what comes before it is still needed
        async with db.transaction() as tx:
            gone = await _drop(tx, week, final=week.ends_at < now - max(keep, keep_most))
        if gone:
            dropped.append(week.child)
        else:
            held = held or week.parent == "event_log"
    return dropped


async def _drop(tx: Tx, week: Week, *, final: bool) -> bool:
    """Locks: endpoints, stream states, then the child and its parent for a moment."""
    await tx.execute(text("SET LOCAL lock_timeout = '2s'"))
    if not (await tx.execute(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": LOCK})).scalar():
        return False
    if week.parent == "event_log" and not await _let_go(tx, week, final=final):
        return False
    await tx.execute(text(f"DROP TABLE IF EXISTS wms_part.{week.child}"))
    return True


async def _let_go(tx: Tx, week: Week, *, final: bool) -> bool:
    """Whether nobody needs the week any more; when it is `final`, who does is suspended."""
    if (await tx.execute(text("SELECT to_regclass(:name)"), {"name": f"wms_part.{week.child}"})
        ).scalar() is None:  # fmt: skip
        return False
    lasts = await rows(tx, text(LAST.format(child=week.child)), _Last)
    for each in lasts:
        place = {"warehouse_id": each.warehouse_id, "last": each.last}
        behind = await rows(tx, ENDPOINTS, _Endpoint, **place)
        asleep = await rows(tx, CONSUMERS, _Consumer, **place)
        if (behind or asleep) and not final:
            return False
        for endpoint in behind:
            await tx.execute(SUSPEND, {"id": endpoint.id})
            cause = f"events up to {each.last} were not taken and are no longer kept"
            await endpoints.tell(tx, endpoint.code, "suspended", ACTOR, datetime.now(UTC), cause)
        for consumer in asleep:
            await _suspend(tx, each, consumer)
    for each in lasts:
        await _forget(tx, each)
    return True


async def _suspend(tx: Tx, last: _Last, consumer: _Consumer) -> None:
    names = {"client": consumer.client, "name": consumer.name}
    await tx.execute(SUSPEND_CONSUMER, {"warehouse_id": last.warehouse_id, **names})
    told = ConsumerSuspended(**names, pos=consumer.pos, first_pos=last.last + 1)
    key = f"consumer/{consumer.client}/{consumer.name}"
    await emit(tx, system_stamp(last.warehouse_id), "consumer.suspended", key, told)


async def _forget(tx: Tx, last: _Last) -> None:
    """What hangs on the events that go."""
    place = {"warehouse_id": last.warehouse_id, "last": last.last}
    moved = await rows(tx, MOVE, _Moved, **place, by=ACTOR)
    for endpoint_id in sorted({each.endpoint_id for each in moved}):
        mine = [each for each in moved if each.endpoint_id == endpoint_id]
        where = Place(last.warehouse_id, endpoint_id, [], mine[0].block_key)
        await parking.promote(tx, where, {each.okey for each in mine})
    await tx.execute(FORGET, place)
    await tx.execute(BEGIN_AT, place)
