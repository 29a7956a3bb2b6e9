"""Open work as screens read it."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp


class OpenWork(msgspec.Struct):
    kind: str
    ready: int
    claimed: int


class LastScan(msgspec.Struct):
    at: object
    ref: str
    ok: bool
    answer: str


class _Id(msgspec.Struct):
    id: int


# tour_ready_ix and tour_claimed_ix; counting stops at 1000 a kind, the screen says "999+" then.
OPEN_WORK = text(
    """
    SELECT k.kind, r.n AS ready, c.n AS claimed
      FROM unnest(CAST(:kinds AS text[])) AS k (kind)
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM (
        SELECT 1 FROM tour WHERE warehouse_id = :warehouse_id AND kind = k.kind
           AND state = 'ready' LIMIT 1000) t) r
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM (
        SELECT 1 FROM tour WHERE warehouse_id = :warehouse_id AND kind = k.kind
           AND state = 'claimed' LIMIT 1000) t) c
    """
)
LAST_SCANS = text(
    """
    SELECT at, ref, ok, answer FROM scan
     WHERE warehouse_id = :warehouse_id AND user_id = :user_id ORDER BY at DESC LIMIT 20
    """
)
# task_lpn_open_ix: the open work about a license plate.
TOUR_ABOUT = text(
    """
    SELECT u.id FROM task t
      JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
     WHERE t.warehouse_id = :warehouse_id AND t.lpn_id = :lpn_id AND t.state = 'open'
       AND u.state IN ('ready', 'claimed') AND u.kind = ANY(:kinds)
     ORDER BY u.state DESC, u.id LIMIT 1
    """
)


async def list_open_work(tx: Tx, stamp: Stamp, kinds: list[str]) -> list[OpenWork]:
    """Tours by kind, ready and in work; each at most 1000."""
    return await rows(tx, OPEN_WORK, OpenWork, warehouse_id=stamp.warehouse_id, kinds=kinds)


async def list_last_scans(tx: Tx, stamp: Stamp) -> list[LastScan]:
    """The person's last 20 acts."""
    return await rows(
        tx, LAST_SCANS, LastScan, warehouse_id=stamp.warehouse_id, user_id=stamp.user_id
    )


async def find_tour_about(tx: Tx, stamp: Stamp, lpn_id: int, kinds: list[str]) -> int | None:
    """The open tour that handles a plate, or None."""
    found = await rows(
        tx, TOUR_ABOUT, _Id, warehouse_id=stamp.warehouse_id, lpn_id=lpn_id, kinds=kinds
    )
    return found[0].id if found else None
