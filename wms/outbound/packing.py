"""Packing: a tote comes to the bench, every item is scanned into the right carton.

The packer scans the tote, takes the proposed carton or another, and scans each item; a lot or
serial is checked against what was picked. The last item leads to the close (pack_close.py). What
is missing is short with a count, what is extra stands on a clarify plate, and an order that was
held or cancelled is put aside: its goods never go on (invariant 11).
Screens: carton, pack, close, aside.
"""

import msgspec

from wms.barcodes import sscc
from wms.db import Tx, row
from wms.events import catalog
from wms.events.groups import line, loc, who
from wms.events.outbox import emit
from wms.inventory import ledger
from wms.inventory.ledger import Place
from wms.outbound import bench as benches
from wms.outbound import clarify, loads, pack_sql
from wms.outbound.bench import Seen
from wms.outbound.contents import Content
from wms.outbound.line_parts import Want, shift
from wms.outbound.pack_close import close_box, finish_order, tell_short
from wms.outbound.pack_plan import with_proposal
from wms.outbound.pack_rules import (
    Bench,
    OpenCarton,
    Taken,
    TooMany,
    expected_g,
    pick_up,
    require_not_recalled,
    require_strength,
)
from wms.outbound.pack_steps import (
    BOXES_MOST,
    aside_step,
    bench_packet,
    carton_step,
    close_step,
    pack_step,
)
from wms.outbound.putback import PART_OF, create_putback, release_empty
from wms.outbound.putback_steps import find_content
from wms.stamp import Stamp
from wms.steps import Act, Answer, Facts, Packet, Step, finished, walk
from wms.tasks import engine, leases
from wms.tasks.rules import StaleStep


class _Next(msgspec.Struct):
    id: int
    prefix: str


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """What the bench asks now. Raises NoSuchPackWork, WorkTaken."""
    tour = await benches.get_tour(tx, stamp, ident)
    return bench_packet(await with_proposal(tx, await benches.look(tx, stamp, tour)))


async def open_carton(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """`carton/<tour id>`: open a carton with its first item.

    Locks the order, then stock. Raises StaleStep, WorkTaken, AllPacked, TooMany, FitFewer.
    Emits inventory.moved.
    """
    tour = await benches.get_tour(tx, stamp, act.ref.partition("/")[2])
    seen = await benches.take(tx, stamp, tour)
    stamp = stamp.along(seen.order.correlation_id)
    proposed, number = divmod(act.version, BOXES_MOST)
    bench = msgspec.structs.replace(seen.bench, proposed=proposed)
    if bench.stopped:
        return await _stop(tx, stamp, seen, act)
    if bench.carton is not None or not bench.inside or number != bench.closed + 1:
        raise StaleStep()
    facts = finished(carton_step(bench, beyond=True), act)
    out = await way_out(tx, stamp, seen, act, facts, bench.inside)
    if out is not None:
        return out
    taken = pick_up(bench, facts)
    kind = next(each for each in bench.types if each.code == facts["carton"])
    require_strength(kind, [], kind.tare_g, taken)
    bin_id = taken[0].content.bin_id
    lpn_id, code = await _new_plate(tx, stamp, seen, bin_id, kind.id)
    carton = OpenCarton(lpn_id=lpn_id, sscc=code, bin_id=bin_id, type=kind)
    await _into_box(tx, stamp, seen, carton, taken)
    left = bench.left - sum(each.qty for each in taken)
    return Answer(ok=True, say=f"{_words(taken)} in box {bench.closed + 1}, {left} to go",
                  tone="step_done", go=_here(seen))  # fmt: skip


async def pack(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """`pack/<tour id>`: one more item into the open carton, or a way out of it.

    Locks the open load (path full only), then the order, then stock. Raises StaleStep, WorkTaken,
    AllPacked, TooMany, CartonFull, FitFewer. Emits inventory.moved.
    """
    tour = await benches.get_tour(tx, stamp, act.ref.partition("/")[2])
    if act.path == "full":
        await loads.share_open_load(tx, stamp, tour.carrier_id)
    seen = await benches.take(tx, stamp, tour)
    stamp = stamp.along(seen.order.correlation_id)
    bench, carton = seen.bench, seen.bench.carton
    if bench.stopped:
        return await _stop(tx, stamp, seen, act)
    if carton is None or not bench.inside or act.version != carton.lpn_id:
        raise StaleStep()
    facts = finished(pack_step(bench, carton, beyond=True), act)
    out = await way_out(tx, stamp, seen, act, facts, bench.inside)
    if out is not None:
        return out
    if act.path == "full":
        return await close_box(tx, stamp, seen, carton, facts, act.path)
    if act.path == "box":
        return await _rebox(tx, stamp, seen, carton, facts["carton"])
    taken = pick_up(bench, facts)
    require_strength(carton.type, bench.boxed, expected_g(carton, bench.boxed), taken)
    emptied = await _into_box(tx, stamp, seen, carton, taken)
    left = bench.left - sum(each.qty for each in taken)
    say = f"{_words(taken)} in, {left} to go" if left else f"{_words(taken)} in: close the box"
    return Answer(ok=True, say=say, tone="accepted" if left else "step_done",
                  go="" if left and not emptied and not act.path else _here(seen))  # fmt: skip


async def close(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """`close-carton/<plate id>`: weight and label of the box that is full or the last.

    Locks the open load, the order, then plate and stock. Raises StaleStep, WorkTaken, WeightOff,
    CountDiffers. Emits package.closed and what follows from it (pack_close).
    """
    lpn_id = int(act.ref.partition("/")[2])
    tour = await benches.get_tour_of_carton(tx, stamp, lpn_id)
    await loads.share_open_load(tx, stamp, tour.carrier_id)
    seen = await benches.take(tx, stamp, tour)
    stamp = stamp.along(seen.order.correlation_id)
    bench, carton = seen.bench, seen.bench.carton
    if bench.stopped:
        return await _stop(tx, stamp, seen, act)
    if carton is None or carton.lpn_id != lpn_id or act.version != bench.units_boxed:
        raise StaleStep()
    facts = finished(close_step(bench, carton), act)
    out = await way_out(tx, stamp, seen, act, facts, bench.boxed)
    if out is not None:
        return out
    return await close_box(tx, stamp, seen, carton, facts, act.path)


async def _new_plate(
    tx: Tx, stamp: Stamp, seen: Seen, bin_id: int, carton_type_id: int
) -> tuple[int, str]:
    """A carton's plate; its SSCC is made of the plate's own number, so no counter is shared."""
    found = await row(tx, pack_sql.NEXT_PLATE, _Next, warehouse_id=stamp.warehouse_id)
    assert found is not None
    code = sscc(found.prefix, found.id)
    await tx.execute(
        pack_sql.NEW_CARTON,
        {"warehouse_id": stamp.warehouse_id, "id": found.id, "code": code, "bin_id": bin_id,
         "owner_id": seen.order.owner_id, "order_id": seen.order.id,
         "carton_type_id": carton_type_id},
    )  # fmt: skip
    return found.id, code


async def _into_box(
    tx: Tx, stamp: Stamp, seen: Seen, carton: OpenCarton, taken: list[Taken]
) -> bool:
    """Goods from the totes into the box; True when that emptied one, which is free then.

    Raises LotRecalled. Emits inventory.moved.
    """
    require_not_recalled([each.content for each in taken])
    for each in taken:
        await _move_into(tx, stamp, seen, carton, each)
    out: dict[int, int] = {}
    for each in taken:
        out[each.content.lpn_id] = out.get(each.content.lpn_id, 0) + each.qty
    emptied = [
        lpn_id for lpn_id, qty in out.items()
        if qty == sum(each.qty for each in seen.bench.inside if each.lpn_id == lpn_id)
    ]  # fmt: skip
    await release_empty(tx, stamp, emptied)
    return bool(emptied)


async def _move_into(
    tx: Tx, stamp: Stamp, seen: Seen, carton: OpenCarton, taken: Taken
) -> None:
    content, qty = taken.content, taken.qty
    task_id = _task_of(seen.bench, content)
    movement_id = await ledger.move(
        tx, stamp, "pack", content.goods(qty), Place(content.bin_id, content.lpn_id),
        Place(carton.bin_id, carton.lpn_id), task_id=task_id,
    )  # fmt: skip
    await shift(tx, stamp, [Want(seen.order.id, content.item_id, qty)], "picked", "packed")
    moved = catalog.InventoryMoved(
        movement_id=str(movement_id), stock=content.stk(qty),
        from_=loc("", lpn=content.lpn_code), to=loc("", lpn=carton.sscc, sscc=carton.sscc),
        purpose="pack", task_id=str(task_id or ""), who=who(stamp),
    )  # fmt: skip
    await emit(tx, stamp, "inventory.moved", content.stock_key, moved, owner=content.owner_code)


def _task_of(bench: Bench, content: Content) -> int | None:
    return next((tote.task_id for tote in bench.totes if tote.lpn_id == content.lpn_id), None)


def _words(taken: list[Taken]) -> str:
    return f"{sum(each.qty for each in taken)} × {taken[0].content.sku}"


def _here(seen: Seen) -> str:
    return f"/floor/pack/{seen.tour.id}"


async def _rebox(
    tx: Tx, stamp: Stamp, seen: Seen, carton: OpenCarton, code: str
) -> Answer:
    """Everything goes over into another box; the plate keeps its label."""
    kind = next(each for each in seen.bench.types if each.code == code)
    await tx.execute(
        pack_sql.SET_TYPE,
        {"warehouse_id": stamp.warehouse_id, "id": carton.lpn_id, "carton_type_id": kind.id},
    )
    return Answer(ok=True, say=f"Now in a carton {code}", tone="care", go=_here(seen))


async def way_out(
    tx: Tx, stamp: Stamp, seen: Seen, act: Act, facts: Facts, contents: list[Content]
) -> Answer | None:
    """The ways out that every screen of the bench has: missing, extra, give back."""
    if act.path == "later":
        await leases.give_back(tx, stamp, seen.tour.id)
        return Answer(ok=True, say="Given back", go="/floor")
    if act.path == "extra":
        sku = await clarify.surplus(
            tx, stamp, seen.order.owner_id, facts["code"], facts["plate"]
        )
        return Answer(ok=True, say=f"Extra {sku} on plate {facts['plate']}", tone="care",
                      go=_here(seen))  # fmt: skip
    if act.path == "missing":
        return await _missing(tx, stamp, seen, facts, contents)
    return None


async def _missing(
    tx: Tx, stamp: Stamp, seen: Seen, facts: Facts, contents: list[Content]
) -> Answer:
    """What is not there is short on the order, disputed in the ledger, and counted.

    Emits order.shorted for each line, inventory.shortage_found, inventory.status_changed.
    """
    qty, order = int(facts["qty"]), seen.order
    content = find_content(contents, facts)
    if content is None or content.qty < qty:
        raise TooMany(sku=facts["which"], left=content.qty if content else 0, qty=qty)
    await clarify.dispute(tx, stamp, order, content, qty, _task_of(seen.bench, content))
    part = PART_OF[content.lpn_kind]
    cuts = await shift(tx, stamp, [Want(order.id, content.item_id, qty)], part, "short")
    if content.qty == qty:
        await release_empty(tx, stamp, [content.lpn_id])
    now = await benches.look_again(tx, stamp, seen)
    ended = now.carton is None and not now.inside
    state = "shorted" if ended and not now.closed else order.state
    for cut in cuts:
        short = line(cut.id, content.sku, short=cut.qty, short_reason="missing at pack",
                     external_line_id=cut.line_no)  # fmt: skip
        await tell_short(tx, stamp, order.id, short, cut.qty, "missing", state=state)
    say = f"{qty} × {content.sku} short on {order.external_id}"
    if ended:
        await finish_order(tx, stamp, seen, packed=bool(now.closed))
        return Answer(ok=True, say=say, tone="task_done", go="/floor/next")
    return Answer(ok=True, say=say, tone="care", go=_here(seen))


async def _stop(tx: Tx, stamp: Stamp, seen: Seen, act: Act) -> Answer:
    """Held or cancelled: nothing goes on. The scan of a container puts the order aside.

    Cancelled goods get their way back; a held order waits, and `direct_packing` brings it again.
    """
    step: Step = aside_step(seen.bench)
    confirmed = act.ref == step.ref and act.version == step.version and not act.path
    if not confirmed or walk(step.questions, act.scans).open is not None:
        say = f"Stop: {seen.order.external_id} is {seen.bench.stopped}. Put it aside."
        return Answer(ok=False, say=say, tone="wrong", code="OrderStopped", go=_here(seen))
    tasks = await engine.list_tasks(tx, stamp, seen.tour.id)
    await leases.cancel_tasks(
        tx, stamp, [task.id for task in tasks if task.state == "open"], seen.bench.stopped
    )
    await engine.close_tour(tx, stamp, seen.tour.id, seen.tour.bin_id)
    if seen.bench.stopped == "cancelled":
        await create_putback(tx, stamp, seen.order)
    return Answer(ok=True, say=f"{seen.order.external_id} put aside", tone="task_done",
                  go="/floor/next")  # fmt: skip


async def direct_packing(tx: Tx, stamp: Stamp, order_id: int) -> int | None:
    """Direct somebody to pack what stands at the benches of an order; the new tour, or None.

    For an order that went on after a hold. Does nothing when it is stopped, not picked, has pack
    work already, or nothing at a bench. Locks the order.
    """
    ready = await row(tx, pack_sql.READY, pack_sql.Ready, warehouse_id=stamp.warehouse_id,
                      id=order_id)  # fmt: skip
    if ready is None or not ready.lpn_ids:
        return None
    tasks = [
        engine.NewTask(order_id=order_id, lpn_id=lpn_id, from_bin_id=ready.bin_id)
        for lpn_id in ready.lpn_ids
    ]
    return await engine.create_tour(tx, stamp, "pack", tasks, due_at=ready.cutoff_at,
                                    priority=ready.priority, bin_id=ready.bin_id)  # fmt: skip

