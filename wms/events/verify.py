"""Checks the event log against what it promises; `wms verify` prints what this finds.

Gapless positions, unique ids, gapless document versions per key, blocks that hash to their root and
chain to the one before, and no committed event left behind in the outbox.

A root proves that something in its block was changed, and not what. The database knows more: a row
that is younger than its block was written after it was closed, and is named.
"""

from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events.blocks import Block, merkle_root
from wms.events.envelope import public_id
from wms.events.sealer import LEAVES

SHOWN = 20  # problems of one kind that are told


class Problem(msgspec.Struct, frozen=True):
    """One broken promise: its kind, where, and what is wrong."""

    kind: str
    where: str
    detail: str


class _Found(msgspec.Struct):
    place: str
    detail: str


# Primary key of event_log, one pass. A gap is told at the event after it; what came before
# `first_pos` was dropped by the retention.
GAPS = text(
    """
    SELECT pos::text AS place, 'follows ' || before AS detail
      FROM (SELECT pos, lag(pos) OVER (ORDER BY pos) AS before FROM event_log
             WHERE warehouse_id = :warehouse_id) e
     WHERE before IS DISTINCT FROM pos - 1 AND before IS NOT NULL
     ORDER BY pos LIMIT :shown
    """
)

END = text(
    """
    SELECT s.pos::text AS place,
           'the log ends at ' || coalesce(max(e.pos), 0) || ' and begins at '
             || coalesce(min(e.pos), 0) AS detail
      FROM seal_state s LEFT JOIN event_log e ON e.warehouse_id = s.warehouse_id
     WHERE s.warehouse_id = :warehouse_id
     GROUP BY s.pos, s.first_pos
    HAVING s.pos <> coalesce(max(e.pos), s.first_pos - 1) OR min(e.pos) <> s.first_pos
    """
)

# event_log_event_ix.
TWINS = text(
    """
    SELECT event_id::text AS place, 'at positions ' || string_agg(pos::text, ', ' ORDER BY pos)
             AS detail
      FROM event_log WHERE warehouse_id = :warehouse_id
     GROUP BY event_id HAVING count(*) > 1 LIMIT :shown
    """
)

# event_log_okey_ix. Events without a version stand between and do not count.
VERSIONS = text(
    """
    SELECT okey || ' at ' || pos AS place, 'version ' || keyseq || ' follows ' || before AS detail
      FROM (SELECT okey, pos, keyseq, lag(keyseq) OVER (PARTITION BY okey ORDER BY pos) AS before
              FROM event_log WHERE warehouse_id = :warehouse_id AND keyseq IS NOT NULL) e
     WHERE before IS NOT NULL AND keyseq <> before + 1
     ORDER BY pos LIMIT :shown
    """
)

# Committed but not sealed for longer than any sealer should need: a stuck stream.
STUCK = text(
    """
    SELECT o.id::text AS place, o.type || ' committed at ' || o.recorded_at || ' has no position'
             AS detail
      FROM outbox o LEFT JOIN seal_state s ON s.warehouse_id = o.warehouse_id
     WHERE o.warehouse_id = :warehouse_id AND o.recorded_at < now() - interval '10 minutes'
       AND (s.warehouse_id IS NULL
            OR NOT pg_visible_in_snapshot(o.xid, CAST(s.snap AS pg_snapshot)))
     ORDER BY o.id LIMIT :shown
    """
)

BLOCKS = text(
    """
    SELECT block_no, from_pos, to_pos, root, prev_hash, hash FROM seal_block
     WHERE warehouse_id = :warehouse_id ORDER BY block_no
    """
)

# Primary key of event_log. The rows of a block were there when it was closed; what restored a
# database wrote all of them anew, and says nothing.
CHANGED = text(
    f"""
    SELECT pos, event_id, type FROM (
      SELECT e.pos, e.event_id, e.type, age(e.xmin) < age(b.xmin) AS younger,
             bool_and(age(e.xmin) < age(b.xmin)) OVER () AS all_are
        FROM seal_block b JOIN event_log e
          ON e.warehouse_id = b.warehouse_id AND e.pos BETWEEN b.from_pos AND b.to_pos
       WHERE b.warehouse_id = :warehouse_id AND b.block_no = :block_no) e
     WHERE younger AND (NOT all_are OR :size = 1) ORDER BY pos LIMIT {SHOWN}
    """
)
# Positions of a block that have no event.
LOST = text(
    f"""
    SELECT p FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) p
     WHERE NOT EXISTS (SELECT FROM event_log e
                        WHERE e.warehouse_id = :warehouse_id AND e.pos = p)
     ORDER BY p LIMIT {SHOWN}
    """
)

TAIL = text(
    "SELECT block_no, block_hash AS hash, first_pos FROM seal_state"
    " WHERE warehouse_id = :warehouse_id"
)


class _Changed(msgspec.Struct):
    pos: int
    event_id: UUID
    type: str


class _Stored(msgspec.Struct):
    block_no: int
    from_pos: int
    to_pos: int
    root: bytes
    prev_hash: bytes
    hash: bytes


class _Tail(msgspec.Struct):
    block_no: int
    hash: bytes
    first_pos: int


async def verify_log(tx: Tx, warehouse_id: int) -> list[Problem]:
    """Everything that is wrong with a warehouse's log; nothing when all promises hold."""
    problems: list[Problem] = []
    for kind, statement in {
        "gap": GAPS,
        "end": END,
        "twin": TWINS,
        "version": VERSIONS,
        "unsealed": STUCK,
    }.items():
        shown = {} if kind == "end" else {"shown": SHOWN}
        found = await rows(tx, statement, _Found, warehouse_id=warehouse_id, **shown)
        problems += [Problem(kind, each.place, each.detail) for each in found]
    return problems + await verify_blocks(tx, warehouse_id)


async def verify_blocks(tx: Tx, warehouse_id: int) -> list[Problem]:
    """Recompute every block from the events themselves, and the chain from block to block.

    A block whose events are dropped, or some of them, is checked by its place in the chain.
    """
    problems: list[Problem] = []
    blocks = await rows(tx, BLOCKS, _Stored, warehouse_id=warehouse_id)
    previous, upto, number = b"", 0, 0
    tail = await row(tx, TAIL, _Tail, warehouse_id=warehouse_id)
    first = tail.first_pos if tail else 1
    for stored in blocks:
        where = f"block {stored.block_no}"
        block = Block(
            warehouse_id=warehouse_id,
            block_no=stored.block_no,
            from_pos=stored.from_pos,
            to_pos=stored.to_pos,
            root=stored.root,
            prev_hash=stored.prev_hash,
        )
        if stored.block_no != number + 1 or stored.from_pos != upto + 1:
            problems.append(Problem("chain", where, f"does not follow block {number} at {upto}"))
        if stored.prev_hash != previous:
            problems.append(Problem("chain", where, "does not name the block before it"))
        if stored.hash != block.hash:
            problems.append(Problem("hash", where, "its hash is not that of its content"))
        values = {
            "warehouse_id": warehouse_id,
            "after": stored.from_pos - 1,
            "upto": stored.to_pos,
        }
        leaves = list((await tx.execute(LEAVES, values)).scalars())
        if stored.from_pos >= first and merkle_root(leaves) != stored.root:
            problems += await _what_changed(tx, warehouse_id, stored)
        previous, upto, number = stored.hash, stored.to_pos, stored.block_no
    if tail is not None and (tail.block_no, tail.hash) != (number, previous):
        problems.append(Problem("chain", f"block {tail.block_no}", "the last block is missing"))
    return problems[:SHOWN]


async def _what_changed(tx: Tx, warehouse_id: int, block: _Stored) -> list[Problem]:
    """The events of a block that are not as it was closed over them; the whole range, when nothing
    tells them from the others."""
    where = f"block {block.block_no}"
    lost = {"warehouse_id": warehouse_id, "first": block.from_pos, "last": block.to_pos}
    named = [
        Problem("root", f"{where}, position {pos}", "the event is gone")
        for pos in (await tx.execute(LOST, lost)).scalars()
    ]
    changed = await rows(
        tx, CHANGED, _Changed, warehouse_id=warehouse_id, block_no=block.block_no,
        size=block.to_pos - block.from_pos + 1,
    )  # fmt: skip
    named += [
        Problem("root", f"{where}, position {each.pos}",
                f"{public_id(each.event_id)} ({each.type}) was written after the block was closed")
        for each in changed
    ]  # fmt: skip
    said = f"some of the events {block.from_pos} to {block.to_pos} were changed"
    return named or [Problem("root", where, said)]
