"""Work that changes hands: skip, give back, expire, hand over, cancel."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Refused
from wms.events.outbox import emit
from wms.inventory import lpns, plates
from wms.masterdata.layout import hand_bin_code
from wms.stamp import Stamp
from wms.tasks import rules
from wms.tasks.engine import NEXT_SEQ, Task, _Id


class GoodsInHand(Refused):
    say = "Goods are in hand: bring them to a drop point first, or ask a supervisor to hand over."


class _Hands(msgspec.Struct):
    from_user_id: int
    from_code: str
    to_code: str


class _Code(msgspec.Struct):
    code: str


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
       AND claimed_by = :from_user_id
    RETURNING id
    """
)
HANDS = text(
    """
    SELECT u.claimed_by AS from_user_id, f.code AS from_code, t.code AS to_code
      FROM tour u JOIN app_user f ON f.id = u.claimed_by JOIN app_user t ON t.id = :to_user_id
     WHERE u.warehouse_id = :warehouse_id AND u.id = :id AND u.state = 'claimed'
    """
)
# The totes of the tour and the plate it stores, where they are in that person's hands.
CARRIED = text(
    """
    SELECT l.code FROM lpn l
      JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
     WHERE l.warehouse_id = :warehouse_id AND b.kind = 'hand' AND b.code = :hand
       AND l.id IN (
         SELECT s.lpn_id FROM tour_slot s WHERE s.warehouse_id = :warehouse_id AND s.tour_id = :id
         UNION ALL
         SELECT t.lpn_id FROM task t WHERE t.warehouse_id = :warehouse_id AND t.tour_id = :id)
     ORDER BY l.code
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
    """A supervisor gives a held tour, goods and all, to another person.

    Locks the carried plates, their balances, then the tour. Emits task.assigned.
    Raises WorkTaken, NoHand.
    """
    values = {"warehouse_id": stamp.warehouse_id, "id": tour_id}
    hands = await row(tx, HANDS, _Hands, **values, to_user_id=to_user_id)
    if hands is None:
        raise rules.WorkTaken(why="nobody holds that work any more")
    carried = await rows(tx, CARRIED, _Code, **values, hand=hand_bin_code(hands.from_code))
    if carried:
        target = await plates.hand_bin_of(tx, stamp, hands.to_code)
        for plate in carried:
            lpn = await lpns.take_lpn(tx, stamp, plate.code)
            await lpns.relocate(tx, stamp, lpn, target, "move")
    given = await row(
        tx, HAND_OVER, _Id, **values, from_user_id=hands.from_user_id, to_user_id=to_user_id,
        at=stamp.at, cause=f"handover:{stamp.actor}",
    )  # fmt: skip
    if given is None:
        raise rules.WorkTaken(why="it changed hands a moment ago")
    await emit(tx, stamp, "task.assigned", f"tour/{tour_id}",
               {"tour_id": tour_id, "kind": "handover", "user": f"user:{hands.to_code}"})


async def cancel_tasks(tx: Tx, stamp: Stamp, ids: list[int], reason: str) -> list[int]:
    """Cancel open tasks; returns those that were still open."""
    values = {"warehouse_id": stamp.warehouse_id, "ids": ids, "at": stamp.at, "reason": reason}
    return [gone.id for gone in await rows(tx, CANCEL_TASKS, _Id, **values)]


async def cancel_empty_tours(tx: Tx, stamp: Stamp, ids: list[int]) -> None:
    """Cancel unclaimed tours that have nothing left to do."""
    await tx.execute(
        CANCEL_EMPTY_TOURS, {"warehouse_id": stamp.warehouse_id, "ids": ids, "at": stamp.at}
    )
