"""What is not as the book says, found outside the bins: missing, damaged and surplus goods.

Nothing is written off here. Missing goods become disputed in the clarify bin and a count is wanted
there and in the bin they were picked from; a surplus stands on a plate in the clarify bin, disputed
too, until somebody finds out whose it is.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound, Refused
from wms.events import catalog
from wms.events.groups import loc, reason, stk, who
from wms.events.outbox import emit
from wms.inventory import ledger, lpns
from wms.inventory.ledger import Goods, Place
from wms.outbound.contents import Content, normal
from wms.outbound.order_events import OrderHead
from wms.stamp import Stamp
from wms.tasks.wanted import request_count


class NoClarifyBin(NotFound):
    say = "This warehouse has no clarify bin for goods in question. Call your lead."


class UnknownItem(NotFound):
    say = "Nobody knows an item {code}. Put it aside and call your lead."


class PlateInUse(Refused):
    say = "Plate {plate} is in use elsewhere. Take a new plate, or one from the clarify bin."


class _Bin(msgspec.Struct):
    id: int
    code: str


class _Item(msgspec.Struct):
    item_id: int
    owner_id: int
    owner_code: str
    sku: str


CLARIFY_BIN = text(
    """
    SELECT id, code FROM bin WHERE warehouse_id = :warehouse_id AND kind = 'clarify'
       AND NOT blocked ORDER BY code LIMIT 1
    """
)
# Served by movement_item_ix, newest first: the picks of a living order are among the last.
ORIGINS = text(
    """
    SELECT b.id, b.code
      FROM movement m
      JOIN task t ON t.warehouse_id = m.warehouse_id AND t.id = m.task_id
      JOIN bin b ON b.warehouse_id = m.warehouse_id AND b.id = m.from_bin_id
     WHERE m.warehouse_id = :warehouse_id AND m.item_id = :item_id AND m.kind = 'pick'
       AND m.lot_id IS NOT DISTINCT FROM CAST(:lot_id AS bigint) AND t.order_id = :order_id
     ORDER BY m.id DESC LIMIT 1
    """
)
# An item of the same owner goes first: two owners may sell goods with one barcode.
ITEM_OF_CODE = text(
    """
    SELECT i.id AS item_id, i.owner_id, w.code AS owner_code, i.sku
      FROM barcode c JOIN item i ON i.id = c.item_id JOIN owner w ON w.id = i.owner_id
     WHERE c.value = :code ORDER BY i.owner_id <> :owner_id, i.id LIMIT 1
    """
)


async def clarify_bin(tx: Tx, stamp: Stamp) -> _Bin:
    """The bin for goods in question. Raises NoClarifyBin."""
    found = await row(tx, CLARIFY_BIN, _Bin, warehouse_id=stamp.warehouse_id)
    if found is None:
        raise NoClarifyBin()
    return found


async def find_origin(tx: Tx, stamp: Stamp, order_id: int, content: Content) -> int | None:
    """The bin these goods of an order were picked from."""
    found = await rows(
        tx, ORIGINS, _Bin, warehouse_id=stamp.warehouse_id, item_id=content.item_id,
        lot_id=content.lot_id, order_id=order_id,
    )  # fmt: skip
    return found[0].id if found else None


async def dispute(
    tx: Tx, stamp: Stamp, order: OrderHead, content: Content, qty: int, task_id: int | None
) -> None:
    """Goods that should be in a container and are not: disputed, and counts are wanted.

    Emits inventory.shortage_found, inventory.status_changed, count.started.
    """
    clarify = await clarify_bin(tx, stamp)
    await _set_aside(tx, stamp, content, qty, clarify, "disputed", "missing", task_id)
    await emit(
        tx, stamp, "inventory.shortage_found", content.stock_key,
        catalog.InventoryShortageFound(
            stock=content.stk(qty), location=loc("", lpn=content.lpn_code), expected=content.qty,
            found=content.qty - qty, task_id=str(task_id or ""), action="recount", who=who(stamp),
        ),
        owner=content.owner_code,
    )  # fmt: skip
    await request_count(tx, stamp, clarify.id, "dispute")
    origin = await find_origin(tx, stamp, order.id, content)
    if origin is not None:
        await request_count(tx, stamp, origin, "dispute")


async def damage(tx: Tx, stamp: Stamp, content: Content, qty: int, task_id: int | None) -> None:
    """Damaged goods go to the clarify bin as damaged. Emits inventory.status_changed."""
    clarify = await clarify_bin(tx, stamp)
    await _set_aside(tx, stamp, content, qty, clarify, "damaged", "damaged", task_id)


async def _set_aside(
    tx: Tx,
    stamp: Stamp,
    content: Content,
    qty: int,
    clarify: _Bin,
    status: str,
    why: str,
    task_id: int | None,
) -> None:
    movement_id = await ledger.move(
        tx, stamp, "status", content.goods(qty), Place(content.bin_id, content.lpn_id),
        Place(clarify.id), to_status=status, reason=why, task_id=task_id,
    )  # fmt: skip
    await emit(
        tx, stamp, "inventory.status_changed", content.stock_key,
        catalog.InventoryStatusChanged(
            movement_id=str(movement_id), stock=content.stk(qty, status),
            location=loc(clarify.code), from_status=content.status, to_status=status,
            reason=reason(why), who=who(stamp),
        ),
        owner=content.owner_code,
    )  # fmt: skip


async def surplus(tx: Tx, stamp: Stamp, owner_id: int, code: str, plate: str) -> str:
    """One unit nobody expected stands on a plate in the clarify bin, disputed; returns its SKU.

    Raises UnknownItem, PlateInUse. Emits inventory.adjusted.
    """
    found = await row(tx, ITEM_OF_CODE, _Item, code=normal(code), owner_id=owner_id)
    if found is None:
        raise UnknownItem(code=code)
    clarify = await clarify_bin(tx, stamp)
    lpn = await lpns.take_or_create_lpn(tx, stamp, plate, "case", clarify.id)
    if lpn.bin_id != clarify.id or lpn.order_id is not None or lpn.state not in ("open", "free"):
        raise PlateInUse(plate=plate)
    goods = Goods(owner_id=found.owner_id, item_id=found.item_id, qty=1)
    movement_id = await ledger.move(
        tx, stamp, "adjust", goods, await ledger.virtual_place(tx, stamp, "adjustment"),
        Place(clarify.id, lpn.id), to_status="disputed", reason="extra",
    )  # fmt: skip
    await emit(
        tx, stamp, "inventory.adjusted", f"stock/{found.owner_code}/{found.sku}",
        catalog.InventoryAdjusted(
            movement_id=str(movement_id), delta=1, reason=reason("extra", "found at the bench"),
            stock=stk(found.sku, found.owner_code, 1, status="disputed"),
            location=loc(clarify.code, lpn=plate), who=who(stamp),
        ),
        owner=found.owner_code,
    )  # fmt: skip
    return found.sku
