"""Moving goods that no task moves: a plate, part of it, goods from a bin, or a whole bin.

Scan where they are, what and how many, and where they go. What is promised to an order stays (its
picker is on the way), and so does a plate that waits for somebody: both are refused with words. In
a pick bin goods leave their plate; a plate that is emptied is void. Screens: move.
"""

from collections.abc import Sequence

from wms.barcodes import read
from wms.db import Tx, row, rows
from wms.errors import NotFound, Refused
from wms.events import catalog
from wms.events.groups import loc, stk, who
from wms.events.outbox import emit_many, outbox_row
from wms.inventory import fits, ledger, lpns, plates, space
from wms.inventory import moving_sql as sql
from wms.inventory.fits import STORAGE, Load, Room
from wms.inventory.ledger import Goods, Place
from wms.inventory.lpns import Lpn
from wms.inventory.moving_sql import Spot, Stock
from wms.inventory.moving_steps import NONE, Part, Source, move_step, packet_of
from wms.stamp import Stamp
from wms.steps import Act, Answer, Facts, Packet, finished

FROM_KINDS = ("pick", "reserve", "stage_in", "clarify")
BESIDE = ("stage_in", "clarify")  # floor places without a capacity of their own


class NoSuchSource(NotFound):
    say = "There is no bin or plate {code} here. Scan it again."


class NotMovable(Refused):
    say = "{what} cannot be moved: it {why}."


class NotThere(Refused):
    say = "Only {free} × {sku} can be moved from {source}. The rest is promised or in dispute."


class NothingToMove(Refused):
    say = "Nothing that can be moved is in {source}."


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The page of a move: `0`, or the source as `bin-<id>` or `lpn-<id>`. Raises NoSuchSource."""
    return packet_of(await _source(tx, stamp, ident))


async def _source(tx: Tx, stamp: Stamp, ident: str) -> Source:
    kind, _, number = ident.partition("-")
    values = {"warehouse_id": stamp.warehouse_id, "id": int(number) if number.isdigit() else 0}
    if kind == "bin":
        spot = await row(tx, sql.SPOT, Spot, **values)
        if spot is None:
            raise NoSuchSource(code=ident)
        held = await rows(tx, sql.LOOSE, Stock, **values)
        return Source(kind="bin", ident=ident, code=spot.code, check_digits=spot.check_digits,
                      parts=parts_of(held))  # fmt: skip
    if kind == "lpn":
        plate = await row(tx, sql.PLATE_CODE, sql.PlateCode, **values)
        if plate is None:
            raise NoSuchSource(code=ident)
        held = await rows(tx, sql.ON_PLATE, Stock, **values)
        return Source(kind="plate", ident=ident, code=plate.code, parts=parts_of(held))
    return Source(kind="any")


def parts_of(held: Sequence[Stock]) -> list[Part]:
    """What may be moved, by item and mark, over all statuses."""
    parts: dict[tuple[int, str], Part] = {}
    for each in held:
        if each.free:
            known = parts.get((each.item_id, each.mark))
            free = each.free + (known.free if known else 0)
            parts[each.item_id, each.mark] = Part(
                item_id=each.item_id, sku=each.sku, description=each.description, mark=each.mark,
                free=free, codes=each.codes,
            )  # fmt: skip
    return list(parts.values())


async def confirm(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Move goods: `move/0`, `move/bin-<id>` or `move/lpn-<id>`.

    Locks plates in the order of their codes, the target bin, then the balances.
    Emits inventory.moved. Raises NoSuchSource, NotMovable, NotThere, what fits and steps refuse.
    """
    source = await _source(tx, stamp, act.ref.partition("/")[2])
    facts = finished(move_step(source), act)
    if source.kind == "any" and act.path == "loose":
        spot = await _spot(tx, stamp, facts["bin"])
        return await _from_bin(tx, stamp, spot, facts)
    if source.kind == "bin":
        spot = await row(tx, sql.SPOT, Spot, warehouse_id=stamp.warehouse_id,
                         id=int(source.ident.partition("-")[2]))  # fmt: skip
        assert spot is not None
        return await _from_bin(tx, stamp, spot, facts)
    return await _from_plate(tx, stamp, source.code or facts["plate"], act.path, facts)


async def _from_plate(tx: Tx, stamp: Stamp, code: str, path: str, facts: Facts) -> Answer:
    """A plate, or part of it, to a bin or onto another plate."""
    to = facts["to"]
    known = [name for name in sorted({code, to})
             if name == code or await lpns.find_lpn(tx, stamp, name) is not None]  # fmt: skip
    taken = {name: await lpns.take_lpn(tx, stamp, name) for name in known}
    plate = taken[code]
    await _require_idle(tx, stamp, plate)
    spot = await _spot_of(tx, stamp, plate)
    onto = None if _is_bin(to) else taken.get(to) or await _new_plate(tx, stamp, to, spot)
    values = {"warehouse_id": stamp.warehouse_id, "id": plate.id}
    held = await rows(tx, sql.TAKE_ON_PLATE, Stock, **values)
    if path == "part":
        return await _take_part(tx, stamp, spot, plate, held, facts, onto)
    if any(each.allocated for each in held):
        raise NotMovable(what=plate.code, why="holds goods that are promised to an order")
    if onto is None:
        target = await _spot(tx, stamp, to)
        if target.kind != "pick":
            return await _plate_to(tx, stamp, plate, held, target)
    takes = [(each, each.on_hand) for each in held if each.status != "disputed"]
    return await _goods_to(tx, stamp, spot, plate, takes, to, onto)


async def _new_plate(tx: Tx, stamp: Stamp, code: str, spot: Spot) -> Lpn:
    """A new label begins a plate beside the goods. Raises NotMovable in a bin without plates."""
    if spot.kind == "pick":
        raise NotMovable(what=code, why=f"is a new plate, and {spot.code} keeps goods loose")
    return await lpns.take_or_create_lpn(tx, stamp, code, "pallet", spot.id, state="closed")


def _is_bin(code: str) -> bool:
    return read(code).kind == "BN"


async def _spot(tx: Tx, stamp: Stamp, bin_label: str) -> Spot:
    values = {"warehouse_id": stamp.warehouse_id, "code": bin_label[3:-2]}
    found = await row(tx, sql.FIND_SPOT, Spot, **values)
    if found is None:
        raise NoSuchSource(code=bin_label)
    return found


async def _spot_of(tx: Tx, stamp: Stamp, plate: Lpn) -> Spot:
    found = await row(tx, sql.SPOT, Spot, warehouse_id=stamp.warehouse_id, id=plate.bin_id)
    assert found is not None
    return found


async def _require_idle(tx: Tx, stamp: Stamp, plate: Lpn) -> None:
    """Raises NotMovable when the plate is gone, serves an order, or somebody will come for it."""
    why = ""
    if plate.state in ("void", "shipped", "loaded", "free"):
        why = f"is {plate.state}"
    elif plate.order_id is not None:
        why = "serves an order"
    else:
        values = {"warehouse_id": stamp.warehouse_id, "lpn_id": plate.id}
        if await row(tx, sql.WAITING, sql.Id, **values) is not None:
            why = "waits for its own work: scan it on the first page"
    if why:
        raise NotMovable(what=plate.code, why=why)


async def _from_bin(tx: Tx, stamp: Stamp, spot: Spot, facts: Facts) -> Answer:
    """Loose goods from a bin: one kind, or all of it."""
    mine = spot.code == f"HAND-{stamp.actor.partition(':')[2]}"
    if spot.kind not in FROM_KINDS and not mine:
        raise NotMovable(what=spot.code, why="is no place that stock is moved from by hand")
    onto = None
    if not _is_bin(facts["to"]):
        known = await lpns.find_lpn(tx, stamp, facts["to"])
        onto = (await lpns.take_lpn(tx, stamp, facts["to"]) if known
                else await _new_plate(tx, stamp, facts["to"], spot))  # fmt: skip
    values = {"warehouse_id": stamp.warehouse_id, "id": spot.id}
    held = await rows(tx, sql.TAKE_LOOSE, Stock, **values)
    return await _take_part(tx, stamp, spot, None, held, facts, onto)


async def _take_part(
    tx: Tx, stamp: Stamp, spot: Spot, plate: Lpn | None, held: list[Stock], facts: Facts,
    onto: Lpn | None,
) -> Answer:  # fmt: skip
    source = plate.code if plate else spot.code
    takes = choose_stock(held, facts, source)
    return await _goods_to(tx, stamp, spot, plate, takes, facts["to"], onto)


def choose_stock(held: Sequence[Stock], facts: Facts, source: str) -> list[tuple[Stock, int]]:
    """Which balances the goods of an act come from: available ones first, never disputed ones.

    Raises NothingToMove, NotThere.
    """
    if facts["item"] == "all":
        takes = [(each, each.free) for each in held if each.free]
        if not takes:
            raise NothingToMove(source=source)
        return takes
    named = [each for each in held
             if facts["item"] in (str(each.item_id), each.sku, *each.codes)]  # fmt: skip
    mark = facts.get("mark", NONE)
    if mark != NONE:
        named = [each for each in named if each.mark == mark]
    if len({(each.item_id, each.mark) for each in named}) > 1:
        raise NotMovable(what=named[0].sku, why="has several lots or serials here: scan one")
    wanted = int(facts["qty"])
    takes = []
    for each in named:
        qty = min(each.free, wanted)
        if qty:
            takes.append((each, qty))
            wanted -= qty
    if wanted:
        free = sum(each.free for each in named)
        raise NotThere(free=free, sku=named[0].sku if named else facts["item"], source=source)
    return takes


async def _plate_to(tx: Tx, stamp: Stamp, plate: Lpn, held: list[Stock], target: Spot) -> Answer:
    """The plate with all it holds to a bin that keeps plates."""
    if target.kind not in (*STORAGE, *BESIDE):
        raise NotMovable(what=plate.code, why=f"does not belong in {target.code}")
    if target.id == plate.bin_id:
        raise NotMovable(what=plate.code, why=f"stands in {target.code} already")
    room = await space.lock_room(tx, stamp, target.id)
    if target.kind in STORAGE:
        _require(fits.plate_refusal(room, [_load(each, each.on_hand) for each in held]))
    moved = await lpns.relocate(tx, stamp, plate, target.id, "move")
    ids = {each.goods: each.movement_id for each in moved}
    moves = [
        (each, each.on_hand,
         ids[each.owner_id, each.item_id, each.lot_id, each.serial, each.status])
        for each in held
    ]  # fmt: skip
    await _tell(tx, stamp, plate.bin_code, plate.code, moves, target.code, plate.code)
    return Answer(ok=True, say=f"{plate.code} stands in {target.code}", tone="task_done",
                  go="/floor")  # fmt: skip


async def _goods_to(
    tx: Tx, stamp: Stamp, spot: Spot, plate: Lpn | None, takes: list[tuple[Stock, int]], to: str,
    onto: Lpn | None,
) -> Answer:  # fmt: skip
    """Goods off their place, loose into a bin or onto another plate; an emptied plate is void."""
    if onto is None:
        target = await _spot(tx, stamp, to)
    else:
        target = await _spot_of(tx, stamp, onto)
        await _require_takes(tx, stamp, onto, takes)
    here = Place(spot.id, plate.id if plate else None)
    there = Place(target.id, onto.id if onto else None)
    if here == there:
        raise NotMovable(what=to, why="is where the goods are")
    await _require_room(tx, stamp, spot, target, takes, loose=onto is None)
    moves = []
    for each, qty in takes:
        goods = Goods(owner_id=each.owner_id, item_id=each.item_id, qty=qty, lot_id=each.lot_id,
                      serial=each.serial, status=each.status)  # fmt: skip
        moves.append((each, qty, await ledger.move(tx, stamp, "move", goods, here, there)))
    source = plate.code if plate else ""
    await _tell(tx, stamp, spot.code, source, moves, target.code, onto.code if onto else "")
    if plate is not None:
        await plates.retire_when_empty(tx, stamp, plate.id)
    what = ", ".join(f"{qty} × {each.sku}" for each, qty in takes[:3])
    return Answer(ok=True, say=f"{what} in {onto.code if onto else target.code}",
                  tone="task_done", go="/floor")  # fmt: skip


async def _require_takes(tx: Tx, stamp: Stamp, onto: Lpn, takes: list[tuple[Stock, int]]) -> None:
    """Raises NotMovable when the target plate is not free for goods of these owners."""
    await _require_idle(tx, stamp, onto)
    owners = {each.owner_id for each, _qty in takes}
    if len(owners | {onto.owner_id or min(owners)}) > 1:
        raise NotMovable(what=onto.code, why="carries goods of another owner")


async def _require_room(
    tx: Tx, stamp: Stamp, spot: Spot, target: Spot, takes: list[tuple[Stock, int]], *, loose: bool
) -> None:
    """Raises the refusals of fits, or NotMovable for a place that keeps no stock."""
    if target.kind not in (*STORAGE, *BESIDE):
        raise NotMovable(what=target.code, why="is no place for stock")
    if loose and target.kind in BESIDE:
        raise NotMovable(what=target.code, why="keeps goods on plates only")
    if target.kind not in STORAGE or target.id == spot.id:
        return
    room: Room = await space.lock_room(tx, stamp, target.id)
    for each, qty in takes:
        load = _load(each, qty)
        _require(fits.loose_refusal(room, load))
        room = fits.with_load(room, load)


def _load(stock: Stock, qty: int) -> Load:
    return Load(
        item_id=stock.item_id, qty=qty, sku=stock.sku, lot_id=stock.lot_id,
        unit_mm3=stock.unit_mm3, unit_g=stock.unit_g, separation=stock.separation,
    )  # fmt: skip


def _require(refusal: Refused | None) -> None:
    if refusal is not None:
        raise refusal


async def _tell(
    tx: Tx, stamp: Stamp, from_bin: str, from_lpn: str, moves: list[tuple[Stock, int, int]],
    to_bin: str, to_lpn: str,
) -> None:  # fmt: skip
    await emit_many(tx, [
        outbox_row(
            stamp, "inventory.moved", f"stock/{each.owner_code}/{each.sku}",
            catalog.InventoryMoved(
                movement_id=str(movement_id),
                stock=stk(each.sku, each.owner_code, qty, lot=each.lot_code, serial=each.serial,
                          status=each.status),
                from_=loc(from_bin, lpn=from_lpn), to=loc(to_bin, lpn=to_lpn),
                purpose="relocate", who=who(stamp),
            ),
            owner=each.owner_code,
        )
        for each, qty, movement_id in moves
    ])  # fmt: skip
