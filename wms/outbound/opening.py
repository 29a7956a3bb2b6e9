"""Work that a person opens by scanning what stands there: a tote, a box, a door.

The scan at the hub finds the open work of that thing and claims it, as `claim_next` would have.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events import catalog
from wms.events.outbox import emit
from wms.inventory.lpns import Lpn, find_lpn
from wms.outbound.packing import direct_packing
from wms.stamp import Stamp
from wms.tasks.rules import LEASE, WorkTaken


class _Open(msgspec.Struct):
    id: int
    kind: str
    state: str
    claimed_by: int | None


# Served by task_order_open_ix.
OF_ORDER = text(
    """
    SELECT u.id, u.kind, u.state, u.claimed_by
      FROM task t JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
     WHERE t.warehouse_id = :warehouse_id AND t.order_id = :order_id AND t.kind = :kind
       AND t.state = 'open' AND (t.kind = 'pack' OR t.lpn_id = :lpn_id)
       AND u.state IN ('ready', 'claimed')
     ORDER BY u.id LIMIT 1
    """
)
# Served by load_one_open_per_carrier; a door may serve several carriers.
OF_DOOR = text(
    """
    SELECT u.id, u.kind, u.state, u.claimed_by
      FROM load l
      JOIN bin d ON d.warehouse_id = l.warehouse_id AND d.id = l.dock_id
      JOIN tour u ON u.warehouse_id = l.warehouse_id AND u.id = l.tour_id
     WHERE l.warehouse_id = :warehouse_id AND l.state = 'open' AND d.code = :code
     ORDER BY u.claimed_by IS NOT DISTINCT FROM :user_id DESC, u.state = 'ready' DESC, u.due_at
     LIMIT 1
    """
)
# Guarded: of two who scan at once one gets it.
CLAIM = text(
    """
    UPDATE tour SET state = 'claimed', claimed_by = :user_id, device = :device, claimed_at = :at,
           lease_until = :until, cause = 'opened_by_scan'
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'ready'
       AND (only_user_id IS NULL OR only_user_id = :user_id)
       AND (not_user_id IS NULL OR not_user_id <> :user_id)
    RETURNING id, kind, state, claimed_by
    """
)


async def find_pack_tour(tx: Tx, stamp: Stamp, lpn_code: str) -> int | None:
    """The pack tour of the order in this tote or open box, claimed; None if it has none.

    Raises WorkTaken when another person packs it. Emits task.assigned.
    """
    plate = await find_lpn(tx, stamp, lpn_code)
    if plate is None or plate.order_id is None or plate.state != "open":
        return None
    found = await _of_order(tx, stamp, plate, "pack")
    if found is None and await direct_packing(tx, stamp, plate.order_id) is not None:
        found = await _of_order(tx, stamp, plate, "pack")
    return None if found is None else await _claim(tx, stamp, found)


async def find_putback_tour(tx: Tx, stamp: Stamp, lpn_code: str) -> int | None:
    """The way back of what is in this container, claimed; None if it has none.

    Raises WorkTaken when another person brings it back. Emits task.assigned.
    """
    plate = await find_lpn(tx, stamp, lpn_code)
    if plate is None or plate.order_id is None:
        return None
    found = await _of_order(tx, stamp, plate, "putback")
    return None if found is None else await _claim(tx, stamp, found)


async def find_load_tour(tx: Tx, stamp: Stamp, bin_code: str) -> int | None:
    """The loading work at this door, claimed if it is free; None if nothing waits for it.

    A second loader gets it too: they load, the first one departs. Emits task.assigned.
    """
    found = await row(tx, OF_DOOR, _Open, warehouse_id=stamp.warehouse_id, code=bin_code,
                      user_id=stamp.user_id)  # fmt: skip
    if found is None:
        return None
    return found.id if found.state != "ready" else await _claim(tx, stamp, found)


async def _of_order(tx: Tx, stamp: Stamp, plate: Lpn, kind: str) -> _Open | None:
    return await row(tx, OF_ORDER, _Open, warehouse_id=stamp.warehouse_id, kind=kind,
                     order_id=plate.order_id, lpn_id=plate.id)  # fmt: skip


async def _claim(tx: Tx, stamp: Stamp, found: _Open) -> int:
    if found.state == "claimed" and found.claimed_by == stamp.user_id:
        return found.id
    values = {"warehouse_id": stamp.warehouse_id, "id": found.id, "user_id": stamp.user_id,
              "device": stamp.device, "at": stamp.at, "until": stamp.at + LEASE}  # fmt: skip
    if found.state == "claimed" or await row(tx, CLAIM, _Open, **values) is None:
        raise WorkTaken(why="another person is at it")
    told = catalog.TaskAssigned(tour_id=found.id, kind=found.kind, user=stamp.actor,
                                device=stamp.device)  # fmt: skip
    await emit(tx, stamp, "task.assigned", f"tour/{found.id}", told)
    return found.id
