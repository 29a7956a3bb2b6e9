"""`wms bench next-task`: how long an assignment takes with 1k, 10k and 100k open tours.

The claiming statement in its own transaction, as /floor/next runs it, by a growing pile of ready
work of three kinds; the curve must stay flat.
"""

import asyncio
import time
from datetime import UTC, datetime

import asyncpg
import msgspec

from wms.bench import ground
from wms.db import Db
from wms.ids import uuid7
from wms.migrate import upgrade
from wms.stamp import Stamp
from wms.tasks import engine

KINDS = ("pick", "putaway", "count")
PILE = """
INSERT INTO tour (warehouse_id, kind, state, priority, due_at, rank_at, bin_id, created_at)
  SELECT 1, (ARRAY['pick','putaway','count'])[1 + n % 3], 'ready', n % 5,
         now() + n % 480 * interval '1 minute', now() + n % 480 * interval '1 minute',
         1 + n % {bins}, now() - n % 60 * interval '1 minute'
    FROM generate_series(1, {tours}) n
"""


class Point(msgspec.Struct, frozen=True):
    """Milliseconds of one assignment with so many open tours."""

    open: int
    p50_ms: float
    p99_ms: float


async def run(server_url: str, sizes: list[int], claims: int = 300) -> list[Point]:
    """Measure in a database of its own on that server."""
    url = await ground.make_database(server_url, "wms_bench_next")
    await asyncio.to_thread(upgrade, url)
    await ground.make_ground(url, 4)
    db = Db(url)
    points: list[Point] = []
    there = 0
    try:
        for size in sizes:
            connection = await asyncpg.connect(url)
            await connection.execute(PILE.format(bins=ground.BINS, tours=size - there))
            await connection.execute("VACUUM ANALYZE tour")
            await connection.close()
            there = size - claims
            points.append(await _claim(db, size, claims))
    finally:
        await db.close()
    return points


async def _claim(db: Db, size: int, claims: int) -> Point:
    times: list[float] = []
    for n in range(claims):
        stamp = Stamp(warehouse_id=1, at=datetime.now(UTC), key=uuid7(), user_id=1 + n % 4,
                      actor=f"user:U{1 + n % 4}", device="bench")  # fmt: skip
        start = time.perf_counter()
        async with db.transaction() as tx:
            tour = await engine.claim_next(tx, stamp, KINDS)
            assert tour is not None
        times.append((time.perf_counter() - start) * 1000)
        async with db.transaction() as tx:
            await engine.close_tour(tx, stamp, tour.id, 1 + n % ground.BINS)
    times.sort()
    return Point(size, round(times[len(times) // 2], 2), round(times[int(len(times) * 0.99)], 2))
