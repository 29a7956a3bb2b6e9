"""What nobody settled in time: each exception goes to the next level once, and the world is told.

The due time stays, so it is seen how late it is; so does the person it was assigned to. Opened
anew it begins with its own team again.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events import catalog
from wms.events.outbox import emit
from wms.exceptions.life import Head, about, key_of, step
from wms.exceptions.rules import NEXT_LEVEL
from wms.stamp import Stamp

MOST = 200  # of one run
_CHAIN = msgspec.json.encode(NEXT_LEVEL).decode()


class _Late(Head, kw_only=True):
    from_team: str
    assignee: str


# exception_to_escalate_ix; what another process or a person holds waits for the next run.
ESCALATE = text(
    """
    WITH late AS (
      SELECT e.id, e.team FROM exception e
       WHERE e.warehouse_id = :warehouse_id AND e.state = 'open' AND e.escalated_at IS NULL
         AND e.due_at < :at
       ORDER BY e.due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE exception e
       SET escalated_at = :at,
           team = coalesce(CAST(:next AS jsonb) ->> late.team, late.team)
      FROM late
     WHERE e.warehouse_id = :warehouse_id AND e.id = late.id
    RETURNING e.id, e.code, e.subject, e.owner, e.team, e.severity, e.state, e.facts, e.times,
              e.reopened, e.opened_at, e.last_at, e.due_at, e.assignee_id,
              late.team AS from_team,
              coalesce((SELECT u.code FROM app_user u WHERE u.id = e.assignee_id), '') AS assignee
    """
)


async def escalate_due(tx: Tx, stamp: Stamp) -> int:
    """Those past their due time, to the next level; how many. Emits exception.escalated."""
    late = await rows(
        tx, ESCALATE, _Late, warehouse_id=stamp.warehouse_id, at=stamp.at, most=MOST,
        next=_CHAIN,
    )  # fmt: skip
    for head in sorted(late, key=lambda each: (each.due_at, each.id)):
        await step(tx, stamp, head.id, "escalated", f"{head.from_team} to {head.team}")
        minutes = max(0, int((stamp.at - head.opened_at).total_seconds() // 60))
        data = catalog.ExceptionEscalated(
            **about(head), from_team=head.from_team, assignee=head.assignee, minutes_open=minutes
        )
        await emit(tx, stamp, "exception.escalated", key_of(head), data, owner=head.owner)
    return len(late)
