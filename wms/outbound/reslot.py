"""Goods to a better pick face: directed moves, one item a step.

The person goes to the old face, scans bin and item, takes what is shown, and scans the new face.
Two items that change places are two steps of one tour: the second makes room for the first. What is
promised to an order stays for its picker. Ways out: nothing there (the bin is counted), later.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound, Refused
from wms.events import catalog
from wms.events.groups import loc, stk, who
from wms.events.outbox import emit_many, outbox_row
from wms.inventory import fits, ledger, moving_sql, space
from wms.inventory.fits import Load, Room
from wms.inventory.ledger import Goods, Place
from wms.inventory.moving_sql import Stock
from wms.outbound.pick_steps import bin_codes
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet, Path, Question, Step, finished
from wms.tasks import engine, leases
from wms.tasks.rules import StaleStep, WorkTaken
from wms.tasks.wanted import request_count


class NoSuchMove(NotFound):
    say = "There is no such move. Your next work is shown."


class NothingFree(Refused):
    say = "All of {sku} in {bin} is promised to orders. Leave it, and choose Nothing there."


class Relocation(msgspec.Struct, frozen=True, kw_only=True):
    """One task of a re-slotting tour; `free` may be taken now."""

    id: int
    tour_id: int
    version: int
    state: str
    item_id: int
    sku: str
    description: str
    codes: list[str]
    free: int
    qty: int
    from_bin_id: int
    from_code: str
    from_digits: str
    to_bin_id: int
    to_code: str
    to_digits: str


_MOVE = """
    SELECT t.id, t.tour_id, t.version, t.state, t.item_id, i.sku, i.description, t.qty,
           ARRAY(SELECT c.value FROM barcode c WHERE c.item_id = t.item_id ORDER BY 1) AS codes,
           CAST(coalesce((SELECT sum(x.on_hand - x.allocated) FROM balance x
             WHERE x.warehouse_id = t.warehouse_id AND x.bin_id = t.from_bin_id
               AND x.item_id = t.item_id AND x.lpn_id IS NULL AND x.status <> 'disputed'), 0)
             AS int) AS free,
           f.id AS from_bin_id, f.code AS from_code, f.check_digits AS from_digits,
           b.id AS to_bin_id, b.code AS to_code, b.check_digits AS to_digits
      FROM task t
      JOIN item i ON i.id = t.item_id
      JOIN bin f ON f.warehouse_id = t.warehouse_id AND f.id = t.from_bin_id
      JOIN bin b ON b.warehouse_id = t.warehouse_id AND b.id = t.to_bin_id
     WHERE t.warehouse_id = :warehouse_id
"""
MOVE_ONE = text(f"{_MOVE} AND t.id = :id")
MOVES = text(f"{_MOVE} AND t.tour_id = :id ORDER BY t.seq")


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The tour's packet. Raises NoSuchMove, or WorkTaken when another person holds it."""
    tour = await engine.find_tour(tx, stamp, int(ident)) if ident.isdigit() else None
    if tour is None or tour.kind != "replenish":
        raise NoSuchMove()
    if tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="it is finished or was given to somebody else")
    moves = await rows(tx, MOVES, Relocation, warehouse_id=stamp.warehouse_id, id=tour.id)
    open_ = [move for move in moves if move.state == "open"]
    return Packet(
        flow="replenish", title="Move to a better place", steps=tuple(map(move_step, open_)),
        here=f"/floor/replenish/{tour.id}", after="/floor/next", done=len(moves) - len(open_),
        total=len(moves),
    )  # fmt: skip


def move_step(move: Relocation) -> Step:
    item = {"item": str(move.item_id)}
    come = Question(fact="from", ask="Scan the bin", show=move.from_code, accepts={
        code: {"from": str(move.from_bin_id)}
        for code in bin_codes(move.from_bin_id, move.from_code, move.from_digits)
    })  # fmt: skip
    what = Question(fact="item", ask="Scan the item", show=move.sku,
                    accepts=dict.fromkeys((*move.codes, move.sku), item))  # fmt: skip
    to = Question(fact="to", ask="Bring it to", show=move.to_code, accepts={
        code: {"to": str(move.to_bin_id)}
        for code in bin_codes(move.to_bin_id, move.to_code, move.to_digits)
    })  # fmt: skip
    return Step(
        ref=f"replenish/{move.id}", version=move.version,
        title=f"To {move.to_code}", verb="MOVE",
        name=f"{move.sku} {move.description}", qty=f"{move.free} all of it",
        note="" if move.free else "all of it is promised: leave it", questions=(come, what, to),
        paths=(
            Path(code="gone", word="Nothing there", questions=(come,)),
            Path(code="later", word="Give back"),
        ),
    )  # fmt: skip


async def confirm(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """All that is free of one item in its old face to the new one, or a way out of it.

    Locks the task, the new face, then the balances. Emits inventory.moved, task.completed.
    Raises StaleStep, WorkTaken, NothingFree, what fits refuses.
    """
    task = await engine.take_task(tx, stamp, int(act.ref.partition("/")[2]), act.version)
    move = await row(tx, MOVE_ONE, Relocation, warehouse_id=stamp.warehouse_id, id=task.id)
    if move is None or task.kind != "replenish":
        raise StaleStep()
    finished(move_step(move), act)
    if act.path == "later":
        await leases.give_back(tx, stamp, task.tour_id)
        return Answer(ok=True, say="Given back", go="/floor")
    if act.path == "gone":
        await request_count(tx, stamp, move.from_bin_id, "dispute")
        ended = await engine.finish_task(tx, stamp, task, state="skipped", reason="gone",
                                         bin_id=move.from_bin_id)  # fmt: skip
        go = "/floor/next" if ended else f"/floor/replenish/{move.tour_id}"
        return Answer(ok=True, say=f"{move.from_code} will be counted", tone="care", go=go)
    values = {"warehouse_id": stamp.warehouse_id, "id": move.from_bin_id}
    room = await space.lock_room(tx, stamp, move.to_bin_id, [task.id])
    held = await rows(tx, moving_sql.TAKE_LOOSE, Stock, **values)
    takes = [each for each in held if each.item_id == move.item_id and each.free]
    if not takes:
        raise NothingFree(sku=move.sku, bin=move.from_code)
    _require_room(await _without_partner(tx, stamp, move, room), takes)
    moved = await _carry(tx, stamp, move, takes)
    ended = await engine.finish_task(tx, stamp, task, qty_done=min(moved, task.qty),
                                     bin_id=move.to_bin_id)  # fmt: skip
    return Answer(ok=True, say=f"{moved} × {move.sku} in {move.to_code}",
                  tone="task_done" if ended else "step_done",
                  go="/floor/next" if ended else "")  # fmt: skip


async def _without_partner(tx: Tx, stamp: Stamp, move: Relocation, room: Room) -> Room:
    """The new face as it is once the item that changes places with this one has left it."""
    others = await rows(tx, MOVES, Relocation, warehouse_id=stamp.warehouse_id, id=move.tour_id)
    leaving = next((each for each in others if each.from_bin_id == move.to_bin_id
                    and each.to_bin_id == move.from_bin_id and each.state == "open"), None)
    if leaving is None:
        return room
    values = {"warehouse_id": stamp.warehouse_id, "id": move.to_bin_id}
    held = [each for each in await rows(tx, moving_sql.LOOSE, Stock, **values)
            if each.item_id == leaving.item_id]  # fmt: skip
    if any(each.free < each.on_hand for each in held):
        return room
    return msgspec.structs.replace(
        room,
        used_mm3=room.used_mm3 - sum(each.free * each.unit_mm3 for each in held),
        used_g=room.used_g - sum(each.free * each.unit_g for each in held),
        item_ids=[each for each in room.item_ids if each != leaving.item_id],
        lots=[each for each in room.lots if not each.startswith(f"{leaving.item_id}/")],
        separations=[],
    )


def _require_room(room: Room, takes: list[Stock]) -> None:
    for each in takes:
        load = Load(
            item_id=each.item_id, qty=each.free, sku=each.sku, lot_id=each.lot_id,
            unit_mm3=each.unit_mm3, unit_g=each.unit_g, separation=each.separation,
        )  # fmt: skip
        refusal = fits.loose_refusal(room, load)
        if refusal is not None:
            raise refusal
        room = fits.with_load(room, load)


async def _carry(tx: Tx, stamp: Stamp, move: Relocation, takes: list[Stock]) -> int:
    """Move the goods; how many pieces. Emits inventory.moved."""
    told = []
    for each in takes:
        goods = Goods(owner_id=each.owner_id, item_id=each.item_id, qty=each.free,
                      lot_id=each.lot_id, serial=each.serial, status=each.status)  # fmt: skip
        movement_id = await ledger.move(tx, stamp, "move", goods, Place(move.from_bin_id),
                                        Place(move.to_bin_id), task_id=move.id)  # fmt: skip
        facts = catalog.InventoryMoved(
            movement_id=str(movement_id), from_=loc(move.from_code), to=loc(move.to_code),
            stock=stk(each.sku, each.owner_code, each.free, lot=each.lot_code, serial=each.serial,
                      status=each.status),
            purpose="relocate", task_id=str(move.id), who=who(stamp),
        )  # fmt: skip
        told.append(outbox_row(stamp, "inventory.moved", f"stock/{each.owner_code}/{each.sku}",
                               facts, owner=each.owner_code))  # fmt: skip
    await emit_many(tx, told)
    return sum(each.free for each in takes)
