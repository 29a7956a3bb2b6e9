"""How much room bins have: what stands in them plus what is on its way (invariant 9).

Space is promised by open tasks that name the bin as their target. Whoever promises more of it, or
puts goods there, holds the bin's row locked while it looks and writes.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.inventory.fits import Load, Room
from wms.stamp import Stamp


class _Id(msgspec.Struct):
    id: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Goods of one item and lot on a plate (or loose in a bin), with the size of a piece."""

    owner_id: int
    owner_code: str
    item_id: int
    sku: str
    description: str
    lot_id: int | None
    lot_code: str
    qty: int
    allocated: int
    unit_mm3: int
    unit_g: int
    separation: str
    velocity: str
    all_available: bool

    @property
    def load(self) -> Load:
        return Load(
            item_id=self.item_id,
            qty=self.qty,
            sku=self.sku,
            lot_id=self.lot_id,
            unit_mm3=self.unit_mm3,
            unit_g=self.unit_g,
            separation=self.separation,
        )


# In the order of ids, so that two who need the same bins queue; it does not hinder movements,
# whose foreign keys only share the row.
LOCK_BINS = text(
    """
    SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[]))
     ORDER BY id FOR NO KEY UPDATE
    """
)

# Served by balance_place_key, lpn_warehouse_id_bin_id_ix and task_to_bin_open_ix, bin by bin.
# `coming` are open tasks to the bin: of an item, or of whatever a whole plate holds.
ROOMS = text(
    """
    SELECT b.id AS bin_id, b.code, b.kind, b.check_digits, b.x_mm, b.y_mm, b.z_mm,
           b.blocked OR coalesce(a.blocked, false) AS blocked, b.mix_items, b.mix_lots,
           b.capacity_mm3, b.capacity_g, b.capacity_lpns,
           coalesce(inside.mm3, 0) + coalesce(coming.mm3, 0) AS used_mm3,
           coalesce(inside.g, 0) + coalesce(coming.g, 0) AS used_g,
           plates.n + coalesce(coming.lpns, 0) AS used_lpns,
           coalesce(inside.item_ids, '{}') || coalesce(coming.item_ids, '{}') AS item_ids,
           coalesce(coming.item_ids, '{}') AS coming_ids,
           coalesce(inside.lots, '{}') || coalesce(coming.lots, '{}') AS lots,
           coalesce(inside.separations, '{}') || coalesce(coming.separations, '{}') AS separations
      FROM bin b
      LEFT JOIN aisle a ON a.warehouse_id = b.warehouse_id AND a.id = b.aisle_id
     CROSS JOIN LATERAL (
       SELECT CAST(sum(x.on_hand * coalesce(p.length_mm::bigint * p.width_mm * p.height_mm, 0))
                AS bigint) AS mm3,
              CAST(sum(x.on_hand * coalesce(p.weight_g, 0)) AS bigint) AS g,
              array_agg(DISTINCT x.item_id) AS item_ids,
              array_agg(DISTINCT x.item_id || '/' || coalesce(x.lot_id, 0)) AS lots,
              array_agg(DISTINCT i.separation) AS separations
         FROM balance x
         JOIN item i ON i.id = x.item_id
         LEFT JOIN pack_level p ON p.item_id = x.item_id AND p.level = 'each'
        WHERE x.warehouse_id = b.warehouse_id AND x.bin_id = b.id AND x.on_hand > 0) inside
     CROSS JOIN LATERAL (
       SELECT count(*) AS n FROM lpn l
        WHERE l.warehouse_id = b.warehouse_id AND l.bin_id = b.id AND l.parent_id IS NULL
          AND l.state <> 'shipped' AND l.state <> 'void') plates
     CROSS JOIN LATERAL (
       SELECT CAST(sum(c.qty * coalesce(p.length_mm::bigint * p.width_mm * p.height_mm, 0))
                AS bigint) AS mm3,
              CAST(sum(c.qty * coalesce(p.weight_g, 0)) AS bigint) AS g,
              count(DISTINCT c.whole_lpn_id) AS lpns,
              array_agg(DISTINCT c.item_id) AS item_ids,
              array_agg(DISTINCT c.item_id || '/' || coalesce(c.lot_id, 0)) AS lots,
              array_agg(DISTINCT i.separation) AS separations
         FROM (SELECT t.item_id, t.lot_id, t.qty - t.qty_done AS qty, NULL AS whole_lpn_id
                 FROM task t
                WHERE t.warehouse_id = b.warehouse_id AND t.to_bin_id = b.id AND t.state = 'open'
                  AND t.item_id IS NOT NULL AND t.id <> ALL (CAST(:not_task_ids AS bigint[]))
                UNION ALL
               SELECT y.item_id, y.lot_id, y.on_hand, t.lpn_id
                 FROM task t
                 JOIN balance y ON y.warehouse_id = b.warehouse_id AND y.lpn_id = t.lpn_id
                  AND y.on_hand > 0
                WHERE t.warehouse_id = b.warehouse_id AND t.to_bin_id = b.id AND t.state = 'open'
                  AND t.item_id IS NULL AND t.id <> ALL (CAST(:not_task_ids AS bigint[]))) c
         JOIN item i ON i.id = c.item_id
         LEFT JOIN pack_level p ON p.item_id = c.item_id AND p.level = 'each') coming
     WHERE b.warehouse_id = :warehouse_id AND b.id = ANY (CAST(:ids AS bigint[]))
     ORDER BY b.id
    """
)

HELD_ON = text(
    """
    SELECT x.owner_id, w.code AS owner_code, x.item_id, i.sku, i.description, x.lot_id,
           coalesce(l.code, '') AS lot_code,
           CAST(sum(x.on_hand) AS int) AS qty, CAST(sum(x.allocated) AS int) AS allocated,
           CAST(coalesce(max(p.length_mm::bigint * p.width_mm * p.height_mm), 0) AS bigint)
             AS unit_mm3,
           coalesce(max(p.weight_g), 0) AS unit_g, i.separation, i.velocity,
           bool_and(x.status = 'available') AS all_available
      FROM balance x
      JOIN item i ON i.id = x.item_id
      JOIN owner w ON w.id = x.owner_id
      LEFT JOIN lot l ON l.warehouse_id = x.warehouse_id AND l.id = x.lot_id
      LEFT JOIN pack_level p ON p.item_id = x.item_id AND p.level = 'each'
     WHERE x.warehouse_id = :warehouse_id AND x.lpn_id = :lpn_id AND x.on_hand > 0
     GROUP BY x.owner_id, w.code, x.item_id, i.sku, i.description, x.lot_id, l.code, i.separation,
              i.velocity
     ORDER BY i.sku, l.code
    """
)

SPACE_TASKS = text(
    """
    SELECT id FROM task WHERE warehouse_id = :warehouse_id AND to_bin_id = :bin_id
       AND state = 'open'
    """
)


async def lock_bins(tx: Tx, stamp: Stamp, bin_ids: Sequence[int]) -> None:
    """Hold these bins: nobody else promises their space until this transaction ends."""
    await rows(tx, LOCK_BINS, _Id, warehouse_id=stamp.warehouse_id, ids=list(bin_ids))


async def list_rooms(
    tx: Tx, stamp: Stamp, bin_ids: Sequence[int], not_task_ids: Sequence[int] = ()
) -> list[Room]:
    """These bins with what stands in them and what is on its way, but for some tasks."""
    return await rows(
        tx,
        ROOMS,
        Room,
        warehouse_id=stamp.warehouse_id,
        ids=list(bin_ids),
        not_task_ids=list(not_task_ids),
    )


async def lock_room(tx: Tx, stamp: Stamp, bin_id: int, not_task_ids: Sequence[int] = ()) -> Room:
    """One bin with its room, its row locked."""
    await lock_bins(tx, stamp, [bin_id])
    return (await list_rooms(tx, stamp, [bin_id], not_task_ids))[0]


async def list_held(tx: Tx, stamp: Stamp, lpn_id: int) -> list[Held]:
    """What a plate holds, by item and lot."""
    return await rows(tx, HELD_ON, Held, warehouse_id=stamp.warehouse_id, lpn_id=lpn_id)


async def used_mm3(tx: Tx, stamp: Stamp, bin_id: int) -> int:
    """The volume that stands in a bin now, without what is on its way."""
    coming = await rows(tx, SPACE_TASKS, _Id, warehouse_id=stamp.warehouse_id, bin_id=bin_id)
    return (await list_rooms(tx, stamp, [bin_id], [task.id for task in coming]))[0].used_mm3
