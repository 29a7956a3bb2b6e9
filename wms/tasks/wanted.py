"""What rooms ask of each other through work: counts of bins, and picks to be planned anew.

Picking asks for one after a short, a supervisor asks for one at a desk, counting asks for the
recount. Rooms of the same height never import each other, so the asking stands here, below them
all; what is then counted, judged and posted belongs to `wms.counting`.
"""

from datetime import timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Refused
from wms.events.outbox import emit
from wms.stamp import Stamp
from wms.tasks.engine import NewTask, create_tour

# Minutes until a count should be done. A short or a dispute keeps goods from being promised.
DUE_MIN = {"short": 60, "dispute": 60, "supervisor": 60, "zero": 240, "plan": 1440}
BY_ANOTHER = ("short", "dispute")  # who reported the trouble does not count it


class NotCountable(Refused):
    say = "Bin {bin} cannot be counted: it is not a place that keeps stock."


class _Wanted(msgspec.Struct):
    id: int


class _Bin(msgspec.Struct):
    code: str
    kind: str


BIN = text("SELECT code, kind FROM bin WHERE warehouse_id = :warehouse_id AND id = :id")
# count_one_open_per_bin makes two askers one count; the loser waits for the winner's commit.
WANT = text(
    """
    INSERT INTO count (warehouse_id, bin_id, cause, requested_at, requested_by)
    VALUES (:warehouse_id, :bin_id, :cause, :at, :user_id)
    ON CONFLICT (warehouse_id, bin_id) WHERE state IN ('requested', 'recount', 'review') DO NOTHING
    RETURNING id
    """
)
OPEN = text(
    """
    SELECT id FROM count WHERE warehouse_id = :warehouse_id AND bin_id = :bin_id
       AND state IN ('requested', 'recount', 'review')
    """
)


async def request_count(
    tx: Tx, stamp: Stamp, bin_id: int, cause: str, *, claim: bool = False
) -> int:
    """Ask for a blind count of a bin; returns the open count, which may have been asked before.

    `cause`: short | zero | plan | supervisor | dispute. `claim` opens a new one for the person of
    the stamp at once (spot count).
    Emits count.started. Raises NotCountable.
    """
    values = {
        "warehouse_id": stamp.warehouse_id,
        "bin_id": bin_id,
        "cause": cause,
        "at": stamp.at,
        "user_id": stamp.user_id,
    }
    place = await row(tx, BIN, _Bin, warehouse_id=stamp.warehouse_id, id=bin_id)
    if place is None or place.kind not in ("pick", "reserve", "stage_in", "clarify", "pack"):
        raise NotCountable(bin=place.code if place else bin_id)
    wanted = await row(tx, WANT, _Wanted, **values)
    if wanted is None:
        wanted = await row(tx, OPEN, _Wanted, **values) or await row(tx, WANT, _Wanted, **values)
        assert wanted is not None, "a count of this bin is open or can be opened"
        return wanted.id
    not_user = stamp.user_id if cause in BY_ANOTHER and not claim else None
    await direct_count(tx, stamp, wanted.id, bin_id, cause, not_user_id=not_user, claim=claim)
    await emit(
        tx, stamp, "count.started", f"count/{wanted.id}",
        {"count_id": wanted.id, "scope": "bin", "blind": True, "bin": place.code, "cause": cause},
    )  # fmt: skip
    return wanted.id


async def direct_count(
    tx: Tx,
    stamp: Stamp,
    count_id: int,
    bin_id: int,
    cause: str,
    *,
    not_user_id: int | None = None,
    claim: bool = False,
) -> int:
    """Direct somebody to count a bin; returns the tour. `not_user_id` keeps one person out."""
    return await create_tour(
        tx,
        stamp,
        "count",
        [NewTask(from_bin_id=bin_id, count_id=count_id)],
        due_at=stamp.at + timedelta(minutes=DUE_MIN[cause]),
        bin_id=bin_id,
        not_user_id=not_user_id,
        cause=cause,
        claim=claim,
    )


class Marked(msgspec.Struct, frozen=True):
    """An open pick whose promise shrank."""

    id: int
    tour_id: int
    order_id: int
    allocation_id: int


# task_order_open_ix by way of the promise's line.
MARK_PICKS = text(
    """
    UPDATE task t SET reason = :reason, version = t.version + 1
      FROM allocation a
      JOIN order_line l ON l.warehouse_id = a.warehouse_id AND l.id = a.order_line_id
     WHERE a.warehouse_id = :warehouse_id AND a.id = ANY (CAST(:ids AS bigint[]))
       AND t.warehouse_id = :warehouse_id AND t.order_id = l.order_id AND t.allocation_id = a.id
       AND t.state = 'open' AND t.kind = 'pick'
    RETURNING t.id, t.tour_id, t.order_id, t.allocation_id
    """
)


async def mark_picks(tx: Tx, stamp: Stamp, allocation_ids: list[int], reason: str) -> list[Marked]:
    """Mark open picks that ask for more than is promised to them; outbound plans them anew.

    It stands here because counting takes the promise away and outbound replaces it. The version is
    raised, so a page that shows the old quantity is stale. Lock the picks before the stock.
    """
    values = {"warehouse_id": stamp.warehouse_id, "ids": allocation_ids, "reason": reason}
    return await rows(tx, MARK_PICKS, Marked, **values) if allocation_ids else []
