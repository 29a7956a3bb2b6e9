"""Replays of one endpoint as its owner sees them: what was asked, by whom, how far it is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.events.envelope import public_id
from wms.events.queries import EndpointView
from wms.events.subscription import expand_types

SELECTED_MAX = 100  # named events that one answer tells about


class UnknownReplay(NotFound):
    say = "No replay {replay} to this endpoint."


class SelectedEvent(msgspec.Struct, kw_only=True):
    """What an event is that a replay names by its id."""

    id: str
    type: str
    subject: str
    key: str
    pos: int


class ReplayShown(msgspec.Struct, kw_only=True):
    """A replay; `done` of `total` events were answered, and it has read up to `pos`.

    `events` tells what the events are that the selector names by `ids`, as far as the log holds
    them and the endpoint may hear them: of the first 100 ids, counted over the whole answer.
    """

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
    events: list[SelectedEvent] = msgspec.field(default_factory=list)


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


# Primary key of warehouses by code, event_log by event id; SELECTED_MAX probes at most.
SELECTED = text(
    """
    SELECT w.code AS warehouse, e.event_id, e.type, e.subject, e.okey, e.pos
      FROM unnest(CAST(:warehouses AS text[]), CAST(:ids AS uuid[])) AS v (warehouse, id)
      JOIN warehouse w ON w.code = v.warehouse
      JOIN event_log e ON e.warehouse_id = w.id AND e.event_id = v.id
     WHERE (CAST(:types AS text[]) IS NULL OR e.type = ANY (CAST(:types AS text[])))
       AND (CAST(:owners AS text[]) IS NULL OR e.owner = ANY (CAST(:owners AS text[]))
            OR e.subject = :about)
    """
)

Named = tuple[str, UUID]  # warehouse code and event id


class _Found(msgspec.Struct):
    warehouse: str
    event_id: UUID
    type: str
    subject: str
    okey: str
    pos: int


async def read_selected(
    tx: Tx, named: Iterable[Named], heard_by: EndpointView | None = None
) -> dict[Named, SelectedEvent]:
    """What events are, of each only what the endpoint may hear; of SELECTED_MAX at most."""
    wanted = list(dict.fromkeys(named))[:SELECTED_MAX]
    if not wanted:
        return {}
    types = expand_types(heard_by.types) if heard_by else None
    found = await rows(
        tx, SELECTED, _Found, warehouses=[each[0] for each in wanted],
        ids=[each[1] for each in wanted], types=None if types is None else sorted(types),
        owners=(heard_by.owners or None) if heard_by else None,
        about=f"endpoint/{heard_by.code}" if heard_by else "",
    )  # fmt: skip
    return {
        (each.warehouse, each.event_id): SelectedEvent(
            id=public_id(each.event_id), type=each.type, subject=each.subject, key=each.okey,
            pos=each.pos,
        )
        for each in found
    }  # fmt: skip


def ids_of(selector: dict[str, Any]) -> list[UUID]:
    """The ids that a stored selector names; the first SELECTED_MAX of them."""
    return [UUID(id) for id in (selector.get("ids") or [])[:SELECTED_MAX]]


async def _tell_selected(tx: Tx, view: EndpointView, found: list[ReplayShown]) -> list[ReplayShown]:
    named = [(each.warehouse, id) for each in found for id in ids_of(each.selector)]
    known = await read_selected(tx, named, view)
    for each in found:
        mine = [known.get((each.warehouse, id)) for id in ids_of(each.selector)]
        each.events = [event for event in mine if event is not None]
    return found


async def list_replays(
    tx: Tx, view: EndpointView, before: int | None, limit: int
) -> list[ReplayShown]:
    """Newest first."""
    values = {"endpoint_id": view.id, "id": None, "before": before, "limit": limit}
    return await _tell_selected(tx, view, await rows(tx, REPLAYS, ReplayShown, **values))


async def get_replay(tx: Tx, view: EndpointView, id: int) -> ReplayShown:
    """Raises UnknownReplay."""
    values = {"endpoint_id": view.id, "id": id, "before": None, "limit": 1}
    found = await row(tx, REPLAYS, ReplayShown, **values)
    if found is None:
        raise UnknownReplay(replay=id)
    return (await _tell_selected(tx, view, [found]))[0]
