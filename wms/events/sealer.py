"""The sealer numbers committed events: outbox -> event_log with a gapless `pos` per warehouse.

Rules that must stay true: one sealer a stream at a time (advisory lock), rows are taken by the
difference of two snapshots and numbered in the order of the outbox identity, and log, position and
snapshot commit together. So a crash anywhere leaves nothing half done.
"""

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows
from wms.events import blocks

BITE = 50_000  # events one transaction seals at most
BLOCKS_MAX = 50  # blocks closed at once
LOCK_CLASS = 8421  # advisory locks (LOCK_CLASS, warehouse_id): who seals this stream


class SealState(msgspec.Struct, kw_only=True):
    """Where a stream stands: every outbox row visible in `snap` is sealed.

    While a backlog is sealed in bites, `snap_next` is fixed and rows up to `after_id` are done.
    """

    warehouse_id: int
    snap: str
    snap_next: str | None
    after_id: int
    pos: int
    block_no: int
    block_pos: int
    block_hash: bytes


class _Snapshots(msgspec.Struct):
    since: str
    upto: str
    since_xmax: str
    since_xip: list[str]
    upto_xmax: str


class _Sealed(msgspec.Struct):
    n: int
    last_id: int


# Streams with something to seal. One index probe of outbox_pkey a stream and open transaction;
# rows sealed already lie before snap's xmax and are not read, however long a snapshot is held.
PENDING = """
    SELECT w.id
      FROM warehouse w LEFT JOIN seal_state s ON s.warehouse_id = w.id
     WHERE s.warehouse_id IS NULL OR s.snap_next IS NOT NULL
        OR EXISTS (SELECT 1 FROM outbox o
                    WHERE o.warehouse_id = w.id
                      AND o.xid >= pg_snapshot_xmax(CAST(s.snap AS pg_snapshot)))
        OR EXISTS (SELECT 1 FROM pg_snapshot_xip(CAST(s.snap AS pg_snapshot)) x
                     JOIN outbox o ON o.warehouse_id = w.id AND o.xid = x)
     ORDER BY w.id
"""

# Under the stream's lock too, or a second sealer would wait for the first one's insert.
BEGIN_STREAM = text(
    """
    INSERT INTO seal_state (warehouse_id)
    SELECT CAST(:warehouse_id AS int)
     WHERE pg_try_advisory_xact_lock(:lock_class, CAST(:warehouse_id AS int))
    ON CONFLICT DO NOTHING
    """
)

# Lock order: advisory, then the row. FOR UPDATE reads the newest version of the row, so a sealer
# that got the lock late never works from a position that another one has moved.
STATE = "warehouse_id, snap, snap_next, after_id, pos, block_no, block_pos, block_hash"
TAKE_STREAM = text(
    f"""
    SELECT {STATE}
      FROM seal_state
     WHERE warehouse_id = :warehouse_id
       AND pg_try_advisory_xact_lock(:lock_class, warehouse_id)
       FOR UPDATE SKIP LOCKED
    """
)

SNAPSHOTS = text(
    """
    WITH s AS (SELECT CAST(CAST(:snap AS text) AS pg_snapshot) AS since,
                      coalesce(CAST(CAST(:snap_next AS text) AS pg_snapshot),
                               pg_current_snapshot()) AS upto)
    SELECT since::text AS since, upto::text AS upto,
           pg_snapshot_xmax(since)::text AS since_xmax,
           ARRAY(SELECT x::text FROM pg_snapshot_xip(since) x) AS since_xip,
           pg_snapshot_xmax(upto)::text AS upto_xmax
      FROM s
    """
)

# Served by outbox_pkey: transactions open at `since` by equality, later ones by range. What the
# second branch reads is new; `upto` only keeps out what committed after it was taken.
# The lane is a hash that no server upgrade changes.
SEAL = text(
    """
    WITH candidate AS (
      SELECT o.* FROM outbox o
       WHERE o.warehouse_id = :warehouse_id
         AND o.xid = ANY (CAST(CAST(:since_xip AS text[]) AS xid8[]))
      UNION ALL
      SELECT o.* FROM outbox o
       WHERE o.warehouse_id = :warehouse_id
         AND o.xid >= CAST(CAST(:since_xmax AS text) AS xid8)
         AND o.xid < CAST(CAST(:upto_xmax AS text) AS xid8)
    ), fresh AS MATERIALIZED (
      SELECT * FROM candidate
       WHERE id > :after_id
         AND pg_visible_in_snapshot(xid, CAST(CAST(:upto AS text) AS pg_snapshot))
         AND NOT pg_visible_in_snapshot(xid, CAST(CAST(:since AS text) AS pg_snapshot))
       ORDER BY id LIMIT :bite
    ), sealed AS (
      INSERT INTO event_log (warehouse_id, pos, sealed_at, event_id, lane, type, okey, keyseq,
                             subject, owner, occurred_at, recorded_at, actor, correlation_id,
                             causation_id, data, traceparent, test)
      SELECT warehouse_id, :pos + row_number() OVER (ORDER BY id), clock_timestamp(), event_id,
             get_byte(decode(left(md5(okey), 2), 'hex'), 0) & 63, type, okey, keyseq,
             subject, owner, occurred_at, recorded_at, actor, correlation_id,
             causation_id, data, traceparent, test
        FROM fresh
    )
    SELECT count(*) AS n, coalesce(max(id), 0) AS last_id FROM fresh
    """
)

ADVANCE = text(
    """
    UPDATE seal_state
       SET pos = pos + :n, snap = :snap, snap_next = CAST(:snap_next AS text), after_id = :after_id
     WHERE warehouse_id = :warehouse_id AND pos = :pos
    """
)


async def list_pending(tx: Tx) -> list[int]:
    """Warehouses whose outbox may hold events that are not sealed yet."""
    return list((await tx.execute(text(PENDING))).scalars())


async def seal(tx: Tx, warehouse_id: int, bite: int = BITE) -> int:
    """Seal what has committed since the last call; returns how many events got a position.

    Locks: the stream. Another sealer at work, or nothing new, answers 0 and writes nothing.
    """
    state = await take_stream(tx, warehouse_id)
    if state is None:
        return 0
    window = await row(tx, SNAPSHOTS, _Snapshots, snap=state.snap, snap_next=state.snap_next)
    assert window is not None, "a SELECT without FROM answers one row"
    values = {
        "warehouse_id": warehouse_id,
        "pos": state.pos,
        "after_id": state.after_id,
        "bite": bite,
        **msgspec.structs.asdict(window),
    }
    sealed = await row(tx, SEAL, _Sealed, **values)
    assert sealed is not None, "an aggregate answers one row"
    if sealed.n == 0 and state.snap_next is None:
        return 0
    more = sealed.n == bite
    await tx.execute(
        ADVANCE,
        {
            "warehouse_id": warehouse_id,
            "pos": state.pos,
            "n": sealed.n,
            "snap": state.snap if more else window.upto,
            "snap_next": window.upto if more else None,
            "after_id": sealed.last_id if more else 0,
        },
    )
    return sealed.n


async def take_stream(tx: Tx, warehouse_id: int) -> SealState | None:
    """The stream's state under its lock, or None while another process holds it."""
    values = {"warehouse_id": warehouse_id, "lock_class": LOCK_CLASS}
    state = await row(tx, TAKE_STREAM, SealState, **values)
    if state is None:
        started = await tx.execute(BEGIN_STREAM, values)
        if started.rowcount:
            state = await row(tx, TAKE_STREAM, SealState, **values)
    return state


# Blocks are due at full size, or when the tail has waited; sealed_at is the tail's oldest row.
BLOCKS_DUE = text(
    """
    SELECT s.warehouse_id
      FROM seal_state s
     WHERE s.pos - s.block_pos >= :size
        OR (s.pos > s.block_pos
            AND (SELECT e.sealed_at FROM event_log e
                  WHERE e.warehouse_id = s.warehouse_id AND e.pos = s.block_pos + 1)
                < clock_timestamp() - make_interval(secs => :wait_s))
     ORDER BY s.warehouse_id
    """
)

# Primary key of event_log, in position order.
LEAVES = text(
    """
    SELECT event_leaf(e) FROM event_log e
     WHERE e.warehouse_id = :warehouse_id AND e.pos > :after AND e.pos <= :upto
     ORDER BY e.pos
    """
)

ADD_BLOCK = text(
    """
    INSERT INTO seal_block (warehouse_id, block_no, from_pos, to_pos, root, prev_hash, hash,
                            sealed_at)
    VALUES (:warehouse_id, :block_no, :from_pos, :to_pos, :root, :prev_hash, :hash, now())
    """
)

CLOSE_BLOCK = text(
    """
    UPDATE seal_state SET block_no = :block_no, block_pos = :to_pos, block_hash = :hash
     WHERE warehouse_id = :warehouse_id
    """
)


async def list_blocks_due(tx: Tx, wait_s: float = blocks.WAIT_S) -> list[int]:
    """Warehouses whose sealed tail is large or old enough for a block."""
    found = await tx.execute(BLOCKS_DUE, {"size": blocks.SIZE, "wait_s": wait_s})
    return list(found.scalars())


READ_STREAM = text(f"SELECT {STATE} FROM seal_state WHERE warehouse_id = :warehouse_id")

# Waits for a sealer at work; the sealer does not wait for us but looks again.
LOCK_STREAM = text(f"{READ_STREAM.text} FOR UPDATE")


async def close_blocks(db: Db, warehouse_id: int) -> int:
    """Close the tail of the log into hash-chained blocks; returns how many.

    Opens its own two transactions: hashing takes long, and nothing is locked meanwhile. Locks: the
    stream. Of two that close the same blocks, the later one writes nothing.
    """
    async with db.reading() as tx:
        found = await _next_blocks(tx, warehouse_id)
    if not found:
        return 0
    async with db.transaction() as tx:
        state = await row(tx, LOCK_STREAM, SealState, warehouse_id=warehouse_id)
        if state is None or state.block_no != found[0].block_no - 1:
            return 0
        facts = [{**msgspec.structs.asdict(block), "hash": block.hash} for block in found]
        await tx.execute(ADD_BLOCK, facts)
        await tx.execute(CLOSE_BLOCK, facts[-1])
    return len(found)


async def _next_blocks(tx: Tx, warehouse_id: int) -> list[blocks.Block]:
    """The blocks that follow the last one, up to the head of the log."""
    state = await row(tx, READ_STREAM, SealState, warehouse_id=warehouse_id)
    found: list[blocks.Block] = []
    while state is not None and state.pos > state.block_pos and len(found) < BLOCKS_MAX:
        upto = min(state.pos, state.block_pos + blocks.SIZE)
        values = {"warehouse_id": warehouse_id, "after": state.block_pos, "upto": upto}
        leaves = list((await tx.execute(LEAVES, values)).scalars())
        block = blocks.Block(
            warehouse_id=warehouse_id,
            block_no=state.block_no + 1,
            from_pos=state.block_pos + 1,
            to_pos=upto,
            root=blocks.merkle_root(leaves),
            prev_hash=state.block_hash,
        )
        assert len(leaves) == upto - state.block_pos, "the log has no gap"
        state.block_no, state.block_pos, state.block_hash = block.block_no, upto, block.hash
        found.append(block)
    return found


# A child of the outbox that is not written now, is held by no transaction (NOWAIT answers at once)
# and whose rows are all sealed, is emptied in one move. No dead rows, nothing for vacuum, and a
# held snapshot elsewhere does not matter.
SLOT_NOW = text("SELECT outbox_slot()")
LOCK_CHILD = "LOCK TABLE wms_part.outbox_{slot} IN ACCESS EXCLUSIVE MODE NOWAIT"
UNSEALED = """
    SELECT EXISTS (
      SELECT 1 FROM wms_part.outbox_{slot} o JOIN seal_state s ON s.warehouse_id = o.warehouse_id
       WHERE o.xid >= pg_snapshot_xmax(CAST(s.snap AS pg_snapshot))
          OR o.xid IN (SELECT pg_snapshot_xip(CAST(s.snap AS pg_snapshot)))
    ) OR EXISTS (
      SELECT 1 FROM wms_part.outbox_{slot} o
       WHERE NOT EXISTS (SELECT 1 FROM seal_state s WHERE s.warehouse_id = o.warehouse_id))
"""
HAS_ROWS = "SELECT EXISTS (SELECT 1 FROM wms_part.outbox_{slot})"


async def list_idle_slots(tx: Tx) -> list[int]:
    """Outbox children that hold rows, are not written now, and are sealed to the last row."""
    now = (await tx.execute(SLOT_NOW)).scalar_one()
    idle: list[int] = []
    for slot in {0, 1, 2} - {now}:
        filled = (await tx.execute(text(HAS_ROWS.format(slot=slot)))).scalar_one()
        if filled and not (await tx.execute(text(UNSEALED.format(slot=slot)))).scalar_one():
            idle.append(slot)
    return idle


async def empty_slot(tx: Tx, slot: int) -> bool:
    """Empty one outbox child; False when a row in it is not sealed yet.

    Raises Busy when any transaction still uses the child: try again later.
    """
    await tx.execute(text(LOCK_CHILD.format(slot=slot)))
    if (await tx.execute(text(UNSEALED.format(slot=slot)))).scalar_one():
        return False
    await tx.execute(text(f"TRUNCATE wms_part.outbox_{slot}"))
    return True


ENSURE_PARTITIONS = text(
    """
    SELECT count(*) FILTER (WHERE make_event_partition(parent, now() + ahead * interval '7 days'))
      FROM unnest(ARRAY['event_log', 'attempt']) parent, generate_series(0, 1) ahead
    """
)


async def ensure_partitions(tx: Tx) -> int:
    """Make the log's children of this and the next week; returns how many were missing."""
    return (await tx.execute(ENSURE_PARTITIONS)).scalar_one()


async def stream_states(tx: Tx) -> list[SealState]:
    """Where every stream stands."""
    return await rows(tx, text(f"SELECT {STATE} FROM seal_state ORDER BY warehouse_id"), SealState)
