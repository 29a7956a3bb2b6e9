"""Posting a count: movements that make the book say what was counted, and what that takes away.

Every difference is a movement to or from the adjustment account with the count as its reason.
Promises on goods that are not there are released first, newest orders first; the picks that stood
on them are marked, so that outbound finds other goods for them.
"""

from collections.abc import Mapping

import msgspec

from wms.counting import count_sql as sql
from wms.counting import rules
from wms.counting.rules import Booked, Change, Key
from wms.db import Tx, row
from wms.events import catalog
from wms.events.groups import loc, reason, stk, who
from wms.events.outbox import emit
from wms.inventory import ledger, plates
from wms.inventory.allocations import release_excess
from wms.inventory.ledger import Goods, Place
from wms.stamp import Stamp
from wms.tasks.wanted import mark_picks


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An item as counting needs it."""

    id: int
    owner_id: int
    owner_code: str
    sku: str
    description: str = ""
    lot_tracked: bool = False
    serial_tracked: bool = False

    @classmethod
    def of(cls, held: Booked) -> "Known":
        return cls(id=held.item_id, owner_id=held.owner_id, owner_code=held.owner_code,
                   sku=held.sku, description=held.description, lot_tracked=held.lot_tracked,
                   serial_tracked=held.serial_tracked)  # fmt: skip


class _Elsewhere(msgspec.Struct):
    id: int
    bin_id: int
    bin_code: str
    lpn_id: int | None
    lot_id: int | None
    status: str
    allocated: int


class _Code(msgspec.Struct):
    code: str


class _Posting(msgspec.Struct, frozen=True, kw_only=True):
    """What every movement of one posted count shares."""

    count_id: int
    place: Place
    bin_code: str
    outside: Place
    approved_by: str

    @property
    def why(self) -> str:
        return f"count {self.count_id}"


async def post(
    tx: Tx,
    stamp: Stamp,
    count_id: int,
    bin_id: int,
    bin_code: str,
    held: list[Booked],
    counted: Mapping[Key, int],
    known: Mapping[int, Known],
    *,
    approved_by: str = "",
) -> None:
    """Make the bin's balances what was counted; `held` is locked by the caller.

    Emits inventory.adjusted, inventory.status_changed, inventory.moved, inventory.shortage_found.
    Raises SerialPromised.
    """
    outside = await ledger.virtual_place(tx, stamp, "adjustment")
    posting = _Posting(count_id=count_id, place=Place(bin_id), bin_code=bin_code, outside=outside,
                       approved_by=approved_by)  # fmt: skip
    for key in _in_lock_order({*counted, *(each.key for each in held)}):
        mine = [each for each in held if each.key == key]
        for change in rules.settle(mine, counted.get(key, 0)):
            await _apply(tx, stamp, posting, key, known[key[0]], change)
    for lpn_id in sorted({each.lpn_id for each in held if each.lpn_id is not None}):
        await plates.retire_when_empty(tx, stamp, lpn_id)


def _in_lock_order(keys: set[Key]) -> list[Key]:
    return sorted(keys, key=lambda key: (key[2] or 0, key[0], key[1] or 0, key[3]))


async def _apply(
    tx: Tx, stamp: Stamp, posting: _Posting, key: Key, item: Known, change: Change
) -> None:
    match change.kind:
        case "lost":
            await _lose(tx, stamp, posting, item, change)
        case "status":
            await _settle_dispute(tx, stamp, posting, item, change)
        case _:
            await _find(tx, stamp, posting, key, item, change.qty)


async def _lose(tx: Tx, stamp: Stamp, posting: _Posting, item: Known, change: Change) -> None:
    """Goods that are not there leave the book, and the promises they backed with them."""
    held = change.balance
    assert held is not None
    left = held.on_hand - change.qty
    if held.allocated > left:
        await _release(tx, stamp, posting, item, held, left)
    goods = Goods(owner_id=held.owner_id, item_id=held.item_id, qty=change.qty,
                  lot_id=held.lot_id, serial=held.serial, status=held.status)  # fmt: skip
    source = Place(posting.place.bin_id, held.lpn_id)
    outside = posting.outside
    movement_id = await ledger.move(tx, stamp, "count", goods, source, outside,
                                    to_status="available", reason=posting.why)  # fmt: skip
    await _tell_adjusted(tx, stamp, posting, item, movement_id, -change.qty, left,
                         lot=held.lot_code, serial=held.serial, status=held.status,
                         lpn=held.lpn_code)  # fmt: skip


async def _release(
    tx: Tx, stamp: Stamp, posting: _Posting, item: Known, held: Booked, left: int
) -> None:
    """The newest promises on goods that are not there give way; their picks are marked."""
    released = await release_excess(tx, stamp, held.id, left)
    marked = await mark_picks(tx, stamp, [each.allocation_id for each in released], "count_short")
    tasks = {each.allocation_id: str(each.id) for each in marked}
    for each in released:
        await emit(
            tx, stamp, "inventory.shortage_found", f"stock/{item.owner_code}/{item.sku}",
            catalog.InventoryShortageFound(
                stock=stk(item.sku, item.owner_code, each.qty, lot=held.lot_code),
                location=loc(posting.bin_code, lpn=held.lpn_code), expected=held.on_hand,
                found=left, task_id=tasks.get(each.allocation_id, ""), action="reallocate",
                count_id=str(posting.count_id), who=who(stamp),
            ),
            owner=item.owner_code,
        )  # fmt: skip


async def _settle_dispute(
    tx: Tx, stamp: Stamp, posting: _Posting, item: Known, change: Change
) -> None:
    """Disputed goods that are there after all may be promised again."""
    held = change.balance
    assert held is not None
    goods = Goods(owner_id=held.owner_id, item_id=held.item_id, qty=change.qty,
                  lot_id=held.lot_id, serial=held.serial, status="disputed")  # fmt: skip
    place = Place(posting.place.bin_id, held.lpn_id)
    movement_id = await ledger.move(tx, stamp, "status", goods, place, place,
                                    to_status="available", reason=posting.why)  # fmt: skip
    await emit(
        tx, stamp, "inventory.status_changed", f"stock/{item.owner_code}/{item.sku}",
        catalog.InventoryStatusChanged(
            movement_id=str(movement_id),
            stock=stk(item.sku, item.owner_code, change.qty, lot=held.lot_code, serial=held.serial),
            location=loc(posting.bin_code, lpn=held.lpn_code), from_status="disputed",
            to_status="available", reason=reason("count", posting.why),
            who=who(stamp),
        ),
        owner=item.owner_code,
    )  # fmt: skip


async def _find(tx: Tx, stamp: Stamp, posting: _Posting, key: Key, item: Known, qty: int) -> None:
    """Goods nobody booked here enter the book; a serial booked elsewhere comes from there."""
    _item_id, lot_id, _lpn_id, serial = key
    lot = ""
    if lot_id is not None:
        found = await row(tx, sql.LOT_CODE, _Code, warehouse_id=stamp.warehouse_id, id=lot_id)
        lot = found.code if found else ""
    goods = Goods(owner_id=item.owner_id, item_id=item.id, qty=qty, lot_id=lot_id, serial=serial)
    elsewhere = await _serial_elsewhere(tx, stamp, posting, goods)
    if elsewhere is not None:
        await _bring_serial(tx, stamp, posting, item, goods, elsewhere)
        return
    movement_id = await ledger.move(tx, stamp, "count", goods, posting.outside, posting.place,
                                    reason=posting.why)  # fmt: skip
    await _tell_adjusted(tx, stamp, posting, item, movement_id, qty, None, lot=lot, serial=serial)


async def _serial_elsewhere(
    tx: Tx, stamp: Stamp, posting: _Posting, goods: Goods
) -> _Elsewhere | None:
    if not goods.serial:
        return None
    found = await row(
        tx, sql.SERIAL_ELSEWHERE, _Elsewhere, warehouse_id=stamp.warehouse_id,
        owner_id=goods.owner_id, item_id=goods.item_id, serial=goods.serial,
        bin_id=posting.place.bin_id,
    )  # fmt: skip
    if found is not None and found.allocated:
        raise rules.SerialPromised(serial=goods.serial, bin=found.bin_code)
    return found


async def _bring_serial(
    tx: Tx, stamp: Stamp, posting: _Posting, item: Known, goods: Goods, found: _Elsewhere
) -> None:
    goods = msgspec.structs.replace(goods, status=found.status, lot_id=found.lot_id)
    source = Place(found.bin_id, found.lpn_id)
    movement_id = await ledger.move(tx, stamp, "count", goods, source, posting.place,
                                    to_status="available", reason=posting.why)  # fmt: skip
    await emit(
        tx, stamp, "inventory.moved", f"stock/{item.owner_code}/{item.sku}",
        catalog.InventoryMoved(
            movement_id=str(movement_id),
            stock=stk(item.sku, item.owner_code, 1, serial=goods.serial),
            from_=loc(found.bin_code), to=loc(posting.bin_code), purpose="relocate",
            who=who(stamp),
        ),
        owner=item.owner_code,
    )  # fmt: skip


async def _tell_adjusted(
    tx: Tx, stamp: Stamp, posting: _Posting, item: Known, movement_id: int, delta: int,
    after: int | None, *, lot: str = "", serial: str = "", status: str = "available",
    lpn: str = "",
) -> None:  # fmt: skip
    await emit(
        tx, stamp, "inventory.adjusted", f"stock/{item.owner_code}/{item.sku}",
        catalog.InventoryAdjusted(
            movement_id=str(movement_id),
            stock=stk(item.sku, item.owner_code, abs(delta), lot=lot, serial=serial, status=status),
            location=loc(posting.bin_code, lpn=lpn), delta=delta, on_hand_after=after,
            reason=reason("found" if delta > 0 else "lost", "counted"),
            count_id=str(posting.count_id), approved_by=posting.approved_by, who=who(stamp),
        ),
        owner=item.owner_code,
    )  # fmt: skip
