"""Who delivers what: cursors per endpoint, warehouse and lane, held under leases with an epoch.

Rule: every takeover raises `epoch`, and every write of a holder names its epoch, so an owner that
slept through its lease can no longer move a cursor. A worker shows that it lives by an advisory
lock of its session: when the process dies the lock goes, and others need not wait out the lease.
"""

from typing import Any

import asyncpg
import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.errors import Conflict

LIFE_CLASS = 8423  # advisory locks (LIFE_CLASS, worker number): this worker's session lives


class LeaseLost(Conflict):
    say = "Another worker delivers to endpoint {endpoint} now."


class EndpointRow(msgspec.Struct, kw_only=True):
    """What a delivery needs to know about its endpoint; a change restarts the delivery."""

    id: int
    code: str
    url: str
    warehouses: list[str]
    types: list[str]
    owners: list[str]
    predicate: dict[str, Any] | None
    mode: str
    media: str
    lanes: int
    max_batch: int
    max_inflight: int
    rate_per_s: int | None
    timeout_ms: int
    mask_profile: str
    conflate: bool
    on_dead: str
    log_attempts: str
    allow: list[str]
    probes: int = 0  # raised when a person wants to know whether it answers now


class Held(msgspec.Struct, kw_only=True):
    """One lane this worker holds."""

    warehouse_id: int
    endpoint_id: int
    lane: int
    pos: int
    epoch: int


ACTIVE = text(
    """
    SELECT id, code, url, warehouses, types, owners, predicate, mode, media, lanes,
           max_batch, max_inflight, rate_per_s, timeout_ms, mask_profile, conflate, on_dead,
           log_attempts, allow, probes
      FROM endpoint WHERE state = 'active' ORDER BY id
    """
)

# A warehouse that came after the endpoint is heard from its first event; creation and resumption
# place the cursors of those that were there.
ENSURE = text(
    """
    INSERT INTO delivery_cursor (warehouse_id, endpoint_id, lane, pos)
    SELECT w.id, e.id, l.lane, 0
      FROM endpoint e
      JOIN warehouse w ON e.warehouses = '{}' OR w.code = ANY (e.warehouses)
      CROSS JOIN LATERAL generate_series(0, e.lanes - 1) l (lane)
     WHERE e.state = 'active'
       AND NOT EXISTS (SELECT 1 FROM delivery_cursor c WHERE c.warehouse_id = w.id
                          AND c.endpoint_id = e.id AND c.lane = l.lane)
    ON CONFLICT DO NOTHING
    """
)

# Free is: never held, run out, or held by a worker whose session is gone. A plain read, so a
# look that finds nothing costs no lock and no write.
FREE = text(
    """
    SELECT c.warehouse_id, c.endpoint_id, c.lane, c.pos, c.epoch
      FROM delivery_cursor c JOIN endpoint e ON e.id = c.endpoint_id AND e.state = 'active'
      JOIN warehouse w ON w.id = c.warehouse_id
     WHERE (e.warehouses = '{}' OR w.code = ANY (e.warehouses))
       AND c.lease_owner <> :worker
       AND (c.lease_until IS NULL OR c.lease_until < now()
            OR NOT EXISTS (SELECT 1 FROM pg_locks l
                            WHERE l.locktype = 'advisory' AND l.granted
                              AND l.database = (SELECT oid FROM pg_database
                                                 WHERE datname = current_database())
                              AND l.classid::bigint = CAST(:life_class AS bigint)
                              AND l.objid::bigint::text = c.lease_owner))
     ORDER BY c.warehouse_id, c.endpoint_id, c.lane
     LIMIT :most
    """
)

# One warehouse a statement, lanes in order. The epoch that was seen guards it: of two claimers
# one finds its epoch still there.
CLAIM = text(
    """
    UPDATE delivery_cursor c
       SET lease_owner = :worker, lease_until = now() + make_interval(secs => :lease_s),
           epoch = c.epoch + 1
      FROM unnest(CAST(:endpoints AS bigint[]), CAST(:lanes AS int[]), CAST(:epochs AS bigint[]))
           AS v (endpoint_id, lane, epoch)
     WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = v.endpoint_id AND c.lane = v.lane
       AND c.epoch = v.epoch
    RETURNING c.warehouse_id, c.endpoint_id, c.lane, c.pos, c.epoch
    """
)

RENEW = text(
    """
    UPDATE delivery_cursor
       SET lease_until = now() + make_interval(secs => :lease_s)
     WHERE warehouse_id = :warehouse_id AND lease_owner = :worker
    RETURNING warehouse_id, endpoint_id, lane, pos, epoch
    """
)

RELEASE = text(
    """
    UPDATE delivery_cursor SET lease_owner = '', lease_until = NULL
     WHERE lease_owner = :worker AND warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
    """
)

# The fence: moves the lanes' cursors and renews, only where the epoch is still ours. Nobody waits
# for the disk here: what a crash of the database takes back is delivered again.
FENCE = text(
    """
    UPDATE delivery_cursor c
       SET pos = greatest(c.pos, v.pos),
           lease_until = now() + make_interval(secs => :lease_s)
      FROM unnest(CAST(:lanes AS int[]), CAST(:positions AS bigint[]), CAST(:epochs AS bigint[]))
           AS v (lane, pos, epoch),
           (SELECT set_config('synchronous_commit', 'off', true) AS mode) AS quick
     WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = :endpoint_id
       AND c.lane = v.lane AND c.epoch = v.epoch AND quick.mode = 'off'
    """
)

# What only adds rows leaves the cursors alone: each move is a dead version, and while a long report
# reads nobody can clear them away.
HELD = text(
    """
    SELECT count(*)
      FROM unnest(CAST(:lanes AS int[]), CAST(:epochs AS bigint[])) AS v (lane, epoch)
      JOIN delivery_cursor c ON c.warehouse_id = :warehouse_id AND c.endpoint_id = :endpoint_id
                            AND c.lane = v.lane AND c.epoch = v.epoch,
           (SELECT set_config('synchronous_commit', 'off', true) AS mode) AS quick
     WHERE quick.mode = 'off'
    """
)


async def list_active(tx: Tx) -> list[EndpointRow]:
    return await rows(tx, ACTIVE, EndpointRow)


async def ensure_cursors(tx: Tx) -> int:
    """A cursor for each lane of each active endpoint in each warehouse it hears."""
    return (await tx.execute(ENSURE)).rowcount


async def claim(tx: Tx, worker: str, lease_s: float, most: int = 64) -> list[Held]:
    """Take free lanes. Locks: their cursors, warehouse by warehouse."""
    values = {"worker": worker, "most": most, "life_class": LIFE_CLASS}
    free = await rows(tx, FREE, Held, **values)
    taken: list[Held] = []
    for warehouse_id in sorted({lane.warehouse_id for lane in free}):
        mine = [lane for lane in free if lane.warehouse_id == warehouse_id]
        taken += await rows(
            tx, CLAIM, Held, worker=worker, lease_s=lease_s, warehouse_id=warehouse_id,
            endpoints=[lane.endpoint_id for lane in mine], lanes=[lane.lane for lane in mine],
            epochs=[lane.epoch for lane in mine],
        )  # fmt: skip
    return taken


async def renew(tx: Tx, worker: str, lease_s: float, warehouses: set[int]) -> list[Held]:
    """Keep what this worker holds in these warehouses; what is missing in the answer is lost."""
    kept: list[Held] = []
    for warehouse_id in sorted(warehouses):
        values = {"worker": worker, "lease_s": lease_s, "warehouse_id": warehouse_id}
        kept += await rows(tx, RENEW, Held, **values)
    return kept


async def release(tx: Tx, worker: str, warehouse_id: int, endpoint_id: int) -> None:
    """Give the lanes of one endpoint back at once."""
    values = {"worker": worker, "warehouse_id": warehouse_id, "endpoint_id": endpoint_id}
    await tx.execute(RELEASE, values)


async def fence(
    tx: Tx, warehouse_id: int, endpoint_id: int, lanes: dict[int, tuple[int, int]], lease_s: float
) -> None:
    """Move cursors: `lanes` maps lane to (position, epoch). Raises LeaseLost."""
    moved = await tx.execute(
        FENCE,
        {
            "warehouse_id": warehouse_id,
            "endpoint_id": endpoint_id,
            "lanes": list(lanes),
            "positions": [pos for pos, _ in lanes.values()],
            "epochs": [epoch for _, epoch in lanes.values()],
            "lease_s": lease_s,
        },
    )
    if moved.rowcount != len(lanes):
        raise LeaseLost(endpoint=endpoint_id)


async def require_held(
    tx: Tx, warehouse_id: int, endpoint_id: int, lanes: dict[int, tuple[int, int]]
) -> None:
    """The lanes are still ours (as for `fence`), and stay where they are. Raises LeaseLost."""
    values = {
        "warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "lanes": list(lanes),
        "epochs": [epoch for _, epoch in lanes.values()],
    }  # fmt: skip
    if (await tx.execute(HELD, values)).scalar_one() != len(lanes):
        raise LeaseLost(endpoint=endpoint_id)


class LifeSign:
    """A session that holds this worker's advisory lock; when it breaks, others may take over."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self.number = number
        self._connection: Any = None

    async def hold(self) -> bool:
        """Make sure the lock is held; True when it was broken in between (or never held)."""
        if self._connection is not None and not self._connection.is_closed():
            return False
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(
            "SELECT pg_advisory_lock($1::int, $2::int)", LIFE_CLASS, self.number
        )
        return True

    async def drop(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=2)
