"""Work that changes hands: skip, give back, expire, hand over, cancel."""

from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Refused
from wms.events.outbox import emit
from wms.stamp import Stamp
from wms.tasks import rules
from wms.tasks.engine import NEXT_SEQ, Task, _Id


class GoodsInHand(Refused):
    say = "Goods are in hand: bring them to a drop point first, or ask a supervisor to hand over."


CLAIM_ONE = text(
    """
    UPDATE tour SET state = 'claimed', claimed_by = :user_id, device = :device, claimed_at = :at,
           lease_until = :lease_until
     WHERE warehouse_id = :warehouse_id AND id = :id
       AND (state = 'ready' OR state = 'claimed' AND claimed_by = :user_id)
       AND (not_user_id IS NULL OR not_user_id <> :user_id)
       AND (only_user_id IS NULL OR only_user_id = :user_id)
    RETURNING id
    """
)
POSTPONE = text(
    """
    UPDATE task SET seq = :seq, version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
GIVE_BACK = text(
    """
    UPDATE tour SET state = 'ready', claimed_by = NULL, lease_until = NULL, device = '',
           cause = :cause
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'claimed'
       AND claimed_by = :user_id AND NOT goods_in_hand
    RETURNING id
    """
)
# Served by tour_claimed_ix; skips rows an act holds right now.
EXPIRE = text(
    """
    WITH lapsed AS (
      SELECT id FROM tour
       WHERE warehouse_id = :warehouse_id AND state = 'claimed' AND lease_until < :at
         AND NOT goods_in_hand
       LIMIT 100 FOR UPDATE SKIP LOCKED)
    UPDATE tour SET state = 'ready', claimed_by = NULL, lease_until = NULL, device = '',
           cause = 'lease_expired'
      FROM lapsed WHERE tour.warehouse_id = :warehouse_id AND tour.id = lapsed.id
    RETURNING tour.id
    """
)
HAND_OVER = text(
    """
    UPDATE tour SET claimed_by = :to_user_id, device = '', cause = :cause,
           lease_until = CAST(:at AS timestamptz) + interval '15 minutes'
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'claimed'
    RETURNING id
    """
)
CANCEL_TASKS = text(
    """
    UPDATE task SET state = 'cancelled', version = version + 1, done_at = :at, reason = :reason
     WHERE warehouse_id = :warehouse_id AND id = ANY(:ids) AND state = 'open'
    RETURNING id
    """
)
CANCEL_EMPTY_TOURS = text(
    """
    UPDATE tour SET state = 'cancelled', done_at = :at, claimed_by = NULL, lease_until = NULL
     WHERE warehouse_id = :warehouse_id AND id = ANY(:ids) AND state IN ('planned', 'ready')
       AND NOT EXISTS (SELECT 1 FROM task WHERE warehouse_id = tour.warehouse_id
                        AND tour_id = tour.id AND state IN ('open', 'done'))
    """
)


async def claim_tour(tx: Tx, stamp: Stamp, tour_id: int) -> None:
    """Claim one certain tour: the person scanned what it is about. Raises WorkTaken."""
    values = {
        "warehouse_id": stamp.warehouse_id,
        "id": tour_id,
        "user_id": stamp.user_id,
        "device": stamp.device,
        "at": stamp.at,
        "lease_until": stamp.at + rules.LEASE,
    }
    if await row(tx, CLAIM_ONE, _Id, **values) is None:
        raise rules.WorkTaken(why="somebody else is doing it, or it is not for you")


async def postpone_task(tx: Tx, stamp: Stamp, task: Task) -> None:
    """Move a taken task to the end of its tour: skipped is later, never never."""
    found = await row(tx, NEXT_SEQ, _Id, warehouse_id=stamp.warehouse_id, tour_id=task.tour_id)
    assert found is not None
    await tx.execute(
        POSTPONE, {"warehouse_id": stamp.warehouse_id, "id": task.id, "seq": found.id}
    )


async def give_back(tx: Tx, stamp: Stamp, tour_id: int, cause: str = "given_back") -> None:
    """Return a held tour to the pool. Raises GoodsInHand when it is not free to go."""
    values = {
        "warehouse_id": stamp.warehouse_id,
        "id": tour_id,
        "user_id": stamp.user_id,
        "cause": cause,
    }
    if await row(tx, GIVE_BACK, _Id, **values) is None:
        raise GoodsInHand()


async def expire_leases(tx: Tx, stamp: Stamp) -> int:
    """Return lapsed tours without goods in hand to the pool; how many."""
    gone = await rows(tx, EXPIRE, _Id, warehouse_id=stamp.warehouse_id, at=stamp.at)
    return len(gone)


async def hand_over(tx: Tx, stamp: Stamp, tour_id: int, to_user_id: int) -> None:
    """A supervisor gives a held tour, goods and all, to another person. Emits task.assigned."""
    values = {
        "warehouse_id": stamp.warehouse_id,
        "id": tour_id,
        "to_user_id": to_user_id,
        "at": stamp.at,
        "cause": f"handover:{stamp.actor}",
    }
    await tx.execute(HAND_OVER, values)
    await emit(tx, stamp, "task.assigned", f"tour/{tour_id}",
               {"tour_id": tour_id, "kind": "handover", "user": str(to_user_id)})


async def cancel_tasks(tx: Tx, stamp: Stamp, ids: list[int], reason: str) -> list[int]:
    """Cancel open tasks; returns those that were still open."""
    values = {"warehouse_id": stamp.warehouse_id, "ids": ids, "at": stamp.at, "reason": reason}
    return [gone.id for gone in await rows(tx, CANCEL_TASKS, _Id, **values)]


async def cancel_empty_tours(tx: Tx, stamp: Stamp, ids: list[int]) -> None:
    """Cancel unclaimed tours that have nothing left to do."""
    await tx.execute(
        CANCEL_EMPTY_TOURS, {"warehouse_id": stamp.warehouse_id, "ids": ids, "at": stamp.at}
    )
