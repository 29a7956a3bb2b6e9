"""Exceptions as people and partners read them: by team and due time, one with its history."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.exceptions.rules import UnknownException
from wms.stamp import Stamp

PAGE_MAX = 500
HISTORY_MAX = 200
REPAIR_DAYS = 7


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; empty means any. `state` empty means open."""

    team: str = ""
    state: str = "open"
    code: str = ""
    owner_ids: Sequence[int] = ()


class View(msgspec.Struct, kw_only=True):
    """One exception. `late_minutes` is 0 before its due time."""

    id: str
    code: str
    subject: str
    owner: str
    team: str
    severity: str
    state: str
    facts: dict[str, Any]
    screen: str
    times: int
    reopened: int
    opened_at: datetime
    last_at: datetime
    due_at: datetime
    late_minutes: int
    escalated_at: datetime | None
    assignee: str
    ended_at: datetime | None
    ended_by: str
    ended_how: str


class Step(msgspec.Struct, kw_only=True):
    """Who did what, when."""

    at: datetime
    actor: str
    did: str
    note: str


class RepairTime(msgspec.Struct, kw_only=True):
    """How long exceptions of a code were open, of those that ended lately: mean, and how many."""

    code: str
    ended: int
    mean_s: float
    late: int  # ended after their due time


class TeamLoad(msgspec.Struct, kw_only=True):
    """Open exceptions of a team."""

    team: str
    open: int
    late: int
    unowned: int
    oldest_at: datetime


_VIEW = """
    SELECT CAST(e.id AS text) AS id, e.code, e.subject, e.owner, e.team, e.severity, e.state,
           e.facts, e.screen, e.times, e.reopened, e.opened_at, e.last_at, e.due_at,
           CASE WHEN e.state = 'open' AND e.due_at < :at
                THEN CAST(extract(epoch FROM CAST(:at AS timestamptz) - e.due_at) AS bigint) / 60
                ELSE 0 END AS late_minutes, e.escalated_at,
           coalesce(u.code, '') AS assignee, e.ended_at, e.ended_by, e.ended_how
      FROM exception e LEFT JOIN app_user u ON u.id = e.assignee_id
     WHERE e.warehouse_id = :warehouse_id
"""
_MINE = """
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR e.owner IN (SELECT w.code FROM owner w
                            WHERE w.id = ANY (CAST(:owner_ids AS bigint[]))))
"""
_WHICH = f"""
       AND e.state = :state AND (CAST(:team AS text) = '' OR e.team = :team)
       AND (CAST(:code AS text) = '' OR e.code = :code) {_MINE}
"""
# exception_open_ix: the one that is due first comes first.
OPEN = text(
    f"""
    {_VIEW} {_WHICH}
       AND (CAST(:after_at AS timestamptz) IS NULL
            OR (e.due_at, e.id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint)))
     ORDER BY e.due_at, e.id LIMIT :limit
    """
)
# exception_ended_ix backwards: the newest end first.
ENDED = text(
    f"""
    {_VIEW} {_WHICH} AND e.ended_at IS NOT NULL
       AND (CAST(:after_at AS timestamptz) IS NULL
            OR (e.ended_at, e.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint)))
     ORDER BY e.ended_at DESC, e.id DESC LIMIT :limit
    """
)
ONE = text(f"{_VIEW} AND e.id = :id {_MINE}")
HISTORY = text(
    f"""
    SELECT at, actor, did, note FROM exception_step
     WHERE warehouse_id = :warehouse_id AND exception_id = :id
     ORDER BY at DESC, id DESC LIMIT {HISTORY_MAX}
    """
)
TEAMS = text(
    """
    SELECT team, count(*) AS open, count(*) FILTER (WHERE due_at < :at) AS late,
           count(*) FILTER (WHERE assignee_id IS NULL) AS unowned, min(opened_at) AS oldest_at
      FROM exception WHERE warehouse_id = :warehouse_id AND state = 'open'
     GROUP BY team ORDER BY late DESC, open DESC, team
    """
)


# exception_ended_ix over the last days; discarded ones were not repaired.
REPAIRS = text(
    """
    SELECT code, count(*) AS ended,
           CAST(avg(extract(epoch FROM ended_at - opened_at)) AS float8) AS mean_s,
           count(*) FILTER (WHERE ended_at > due_at) AS late
      FROM (SELECT code, opened_at, ended_at, due_at FROM exception
             WHERE warehouse_id = :warehouse_id AND state <> 'open' AND state = 'resolved'
               AND ended_at > :since
             ORDER BY ended_at DESC LIMIT 10000) x
     GROUP BY code ORDER BY ended DESC, code
    """
)


async def list_repair_times(tx: Tx, stamp: Stamp) -> list[RepairTime]:
    """Mean time to resolve by code, of the last REPAIR_DAYS."""
    since = stamp.at - timedelta(days=REPAIR_DAYS)
    return await rows(tx, REPAIRS, RepairTime, warehouse_id=stamp.warehouse_id, since=since)


async def list_exceptions(
    tx: Tx, stamp: Stamp, which: Filter, *, after: tuple[datetime, int] | None, limit: int
) -> list[View]:
    """Open ones by due time, ended ones by their end, newest first."""
    statement = OPEN if which.state == "open" else ENDED
    after_at, after_id = after or (None, None)
    return await rows(
        tx, statement, View, warehouse_id=stamp.warehouse_id, at=stamp.at, team=which.team,
        state=which.state, code=which.code, owner_ids=list(which.owner_ids), limit=limit,
        after_at=after_at, after_id=after_id,
    )  # fmt: skip


async def get_exception(
    tx: Tx, stamp: Stamp, exception_id: int, owner_ids: Sequence[int] = ()
) -> View:
    """Raises UnknownException, also for those of other owners."""
    found = await row(
        tx, ONE, View, warehouse_id=stamp.warehouse_id, at=stamp.at, id=exception_id,
        owner_ids=list(owner_ids),
    )  # fmt: skip
    if found is None:
        raise UnknownException(id=exception_id)
    return found


async def list_history(tx: Tx, stamp: Stamp, exception_id: int) -> list[Step]:
    """Newest first."""
    return await rows(tx, HISTORY, Step, warehouse_id=stamp.warehouse_id, id=exception_id)


async def list_teams(tx: Tx, stamp: Stamp) -> list[TeamLoad]:
    """Teams with something open, those with late ones first."""
    return await rows(tx, TEAMS, TeamLoad, warehouse_id=stamp.warehouse_id, at=stamp.at)
