"""Many tours at once: what a release writes, in three statements however large the wave is.

Rule that must stay true: a tour made here is the same row as one made by `engine.create_tour`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp
from wms.tasks.engine import NewTask


class NewTour(msgspec.Struct, frozen=True, kw_only=True):
    """A ready tour to create: tasks in their order, and which order each slot serves."""

    tasks: tuple[NewTask, ...]
    slots: tuple[tuple[int, int], ...]  # (slot, order)
    due_at: datetime
    priority: int
    metres: int

    @property
    def rank_at(self) -> datetime:
        return self.due_at - timedelta(minutes=self.priority)


class _Id(msgspec.Struct):
    id: int


# Rows come sorted, so ids are given in the order of the tours and returned in it.
TOURS = text(
    """
    INSERT INTO tour (warehouse_id, kind, wave_id, priority, due_at, rank_at, bin_id, metres,
                      created_at)
    SELECT :warehouse_id, :kind, :wave_id, x.priority, x.due_at, x.rank_at, x.bin_id, x.metres, :at
      FROM jsonb_to_recordset(CAST(:tours AS jsonb))
        AS x (n int, priority smallint, due_at timestamptz, rank_at timestamptz, bin_id bigint,
              metres int)
     ORDER BY x.n
    RETURNING id
    """
)
TASKS = text(
    """
    INSERT INTO task (warehouse_id, tour_id, seq, kind, item_id, lot_id, from_bin_id, to_bin_id,
                      lpn_id, qty, order_id, order_line_id, allocation_id, slot, reason, created_at)
    SELECT :warehouse_id, x.tour_id, x.seq, :kind, x.item_id, x.lot_id, x.from_bin_id, x.to_bin_id,
           x.lpn_id, x.qty, x.order_id, x.order_line_id, x.allocation_id, x.slot, x.reason, :at
      FROM jsonb_to_recordset(CAST(:tasks AS jsonb))
        AS x (tour_id bigint, seq int, item_id bigint, lot_id bigint, from_bin_id bigint,
              to_bin_id bigint, lpn_id bigint, qty int, order_id bigint, order_line_id bigint,
              allocation_id bigint, slot smallint, reason text)
     ORDER BY x.tour_id, x.seq
    """
)
SLOTS = text(
    """
    INSERT INTO tour_slot (warehouse_id, tour_id, slot, order_id)
    SELECT :warehouse_id, t.tour_id, t.slot, t.order_id
      FROM unnest(CAST(:tour_ids AS bigint[]), CAST(:slots AS smallint[]),
                  CAST(:order_ids AS bigint[])) AS t (tour_id, slot, order_id)
     ORDER BY 2, 3
    """
)


async def create_tours(
    tx: Tx, stamp: Stamp, kind: str, tours: Sequence[NewTour], *, wave_id: int | None = None
) -> list[int]:
    """Create ready tours in the order given, each beginning at its first bin; their ids."""
    if not tours:
        return []
    here = {"warehouse_id": stamp.warehouse_id, "kind": kind, "at": stamp.at}
    heads = [
        {"n": n, "priority": tour.priority, "due_at": tour.due_at, "rank_at": tour.rank_at,
         "bin_id": tour.tasks[0].from_bin_id, "metres": tour.metres}
        for n, tour in enumerate(tours)
    ]  # fmt: skip
    made = await rows(tx, TOURS, _Id, **here, wave_id=wave_id, tours=_json(heads))
    ids = [each.id for each in made]
    tasks = [
        {"tour_id": tour_id, "seq": seq, **msgspec.structs.asdict(task)}
        for tour_id, tour in zip(ids, tours, strict=True)
        for seq, task in enumerate(tour.tasks, 1)
    ]
    await tx.execute(TASKS, {**here, "tasks": _json(tasks)})
    slots = [(tour_id, slot, order_id) for tour_id, tour in zip(ids, tours, strict=True)
             for slot, order_id in tour.slots]  # fmt: skip
    if slots:
        tour_ids, numbers, order_ids = zip(*slots, strict=True)
        await tx.execute(SLOTS, {
            "warehouse_id": stamp.warehouse_id, "tour_ids": list(tour_ids), "slots": list(numbers),
            "order_ids": list(order_ids),
        })  # fmt: skip
    return ids


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()
