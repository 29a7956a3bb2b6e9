"""Replays of one endpoint as its owner sees them: what was asked, by whom, how far it is."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound


class UnknownReplay(NotFound):
    say = "No replay {replay} to this endpoint."


class ReplayShown(msgspec.Struct, kw_only=True):
    """A replay; `done` of `total` events were answered, and it has read up to `pos`."""

    id: str
    warehouse: str
    state: str
    mode: str
    rate_per_s: int
    selector: dict[str, Any]
    total: int
    done: int
    from_pos: int
    pos: int
    to_pos: int
    requested_by: str
    reason: str
    at: datetime
    done_at: datetime | None


# Few rows: replays are asked for by people.
REPLAYS = text(
    """
    SELECT r.id::text AS id, w.code AS warehouse, r.state, r.mode, r.rate_per_s, r.selector,
           r.total, r.done, r.from_pos, r.pos, r.to_pos, r.requested_by, r.reason, r.at, r.done_at
      FROM replay r JOIN warehouse w ON w.id = r.warehouse_id
     WHERE r.endpoint_id = :endpoint_id
       AND (CAST(:id AS bigint) IS NULL OR r.id = :id)
       AND (CAST(:before AS bigint) IS NULL OR r.id < :before)
     ORDER BY r.id DESC LIMIT :limit
    """
)


async def list_replays(
    tx: Tx, endpoint_id: int, before: int | None, limit: int
) -> list[ReplayShown]:
    """Newest first."""
    values = {"endpoint_id": endpoint_id, "id": None, "before": before, "limit": limit}
    return await rows(tx, REPLAYS, ReplayShown, **values)


async def get_replay(tx: Tx, endpoint_id: int, id: int) -> ReplayShown:
    """Raises UnknownReplay."""
    values = {"endpoint_id": endpoint_id, "id": id, "before": None, "limit": 1}
    found = await row(tx, REPLAYS, ReplayShown, **values)
    if found is None:
        raise UnknownReplay(replay=id)
    return found
