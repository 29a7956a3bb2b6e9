"""Who picks and packs on the floor now, and how fast the last tours really went.

Reads only. A person counts who is signed in, has scanned lately or only just come, and may do the
work; who may do both is where their present tour is, else a picker.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.outbound.forecast import Done, Pace, People, measure
from wms.stamp import Stamp

SILENT = timedelta(minutes=45)
LOOK_BACK = timedelta(hours=6)
LAST_TOURS = 12  # of each person


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """The people of outbound now and their pace."""

    people: People = People()
    pace: Pace = Pace()


class _Person(msgspec.Struct):
    user_id: int
    roles: list[str]
    started_at: datetime
    last_scan_at: datetime | None
    doing: str


# The last scan of each from the end of scan_user_ix, their tour from tour_claimed_ix.
ON_FLOOR = text(
    """
    SELECT p.user_id, p.roles, p.started_at, s.at AS last_scan_at, coalesce(u.kind, '') AS doing
      FROM (SELECT DISTINCT ON (a.id) a.id AS user_id, a.roles, x.started_at
              FROM session x JOIN app_user a ON a.id = x.user_id
             WHERE x.warehouse_id = :warehouse_id AND x.expires_at > :at
               AND a.roles && ARRAY['picker', 'packer']
             ORDER BY a.id, x.started_at DESC) p
      LEFT JOIN LATERAL (
        SELECT kind FROM tour u
         WHERE u.warehouse_id = :warehouse_id AND u.claimed_by = p.user_id AND u.state = 'claimed'
         ORDER BY u.goods_in_hand DESC, u.claimed_at LIMIT 1) u ON true
      LEFT JOIN LATERAL (
        SELECT at FROM scan WHERE warehouse_id = :warehouse_id AND user_id = p.user_id
         ORDER BY at DESC LIMIT 1) s ON true
     ORDER BY p.user_id LIMIT 500
    """
)
# tour_last_ix backwards, person by person.
LAST = text(
    """
    SELECT u.kind, CAST(extract(epoch FROM u.done_at - u.claimed_at) AS float8) AS took_s,
           u.metres, t.tasks
      FROM unnest(CAST(:user_ids AS bigint[])) AS p (user_id)
     CROSS JOIN LATERAL (
       SELECT * FROM tour u
        WHERE u.warehouse_id = :warehouse_id AND u.claimed_by = p.user_id AND u.state = 'done'
          AND u.done_at > :since
        ORDER BY u.done_at DESC LIMIT :last) u
     CROSS JOIN LATERAL (
       SELECT count(*) AS tasks FROM task t
        WHERE t.warehouse_id = :warehouse_id AND t.tour_id = u.id AND t.state = 'done') t
     WHERE u.kind IN ('pick', 'pack') AND u.claimed_at IS NOT NULL
    """
)


async def load_crew(tx: Tx, stamp: Stamp) -> Crew:
    """The people on the floor and their pace, in two reads."""
    found = await rows(tx, ON_FLOOR, _Person, warehouse_id=stamp.warehouse_id, at=stamp.at)
    here = [each for each in found if _is_here(each, stamp.at)]
    pickers = [each for each in here if _does(each) == "picker"]
    packers = [each for each in here if _does(each) == "packer"]
    last = await rows(
        tx, LAST, Done, warehouse_id=stamp.warehouse_id, since=stamp.at - LOOK_BACK,
        last=LAST_TOURS, user_ids=[each.user_id for each in here],
    )  # fmt: skip
    people = People(
        pickers=tuple(each.user_id for each in pickers), packers=len(packers),
        packing=sum(each.doing == "pack" for each in packers),
    )  # fmt: skip
    return Crew(people=people, pace=measure(last))


def _is_here(person: _Person, at: datetime) -> bool:
    seen = max(filter(None, (person.started_at, person.last_scan_at)))
    return bool(person.doing) or at - seen <= SILENT


def _does(person: _Person) -> str:
    """Where a person's hands are: other work than these two keeps them away from both."""
    if person.doing in ("pick", "pack"):
        return {"pick": "picker", "pack": "packer"}[person.doing]
    if person.doing:
        return ""
    return next((role for role in ("picker", "packer") if role in person.roles), "")
