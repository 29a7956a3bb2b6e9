"""A pick tour in a few words, and the scans that a good picker answers a step with."""

from uuid import UUID

from tests import world as w
from web.scanner.acts import perform
from web.scanner.flows import ACTS
from wms import barcodes
from wms.db import insert
from wms.ids import uuid7
from wms.inventory import allocations
from wms.inventory.allocations import Take
from wms.outbound import picking
from wms.outbound.tables import outbound_order
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet, Path, Step
from wms.tasks import engine
from wms.tasks.tables import tour_slot


async def pick_tour(
    world: w.World, order: dict, picks: list[tuple[int, str, int, int]], user: str = "PIA"
) -> int:
    """A tour held by `user`: picks are (line index, bin, quantity, balance id), one tote."""
    stamp = w.stamp(world, user)
    async with world.db.transaction() as tx:
        tasks = []
        for line, bin, qty, balance_id in picks:
            line_id = order["lines"][line]
            stocks = await allocations.lock_stock(tx, stamp, {await item_of(world, line_id): 10**6})
            take = Take(order_line_id=line_id, balance_id=balance_id, qty=qty)
            promise = (await allocations.allocate(tx, stamp, [take], stocks))[0]
            tasks.append(
                engine.NewTask(
                    item_id=promise.item_id, lot_id=promise.lot_id, from_bin_id=world.bins[bin],
                    lpn_id=promise.lpn_id, qty=qty, order_id=order["id"], order_line_id=line_id,
                    allocation_id=promise.allocation_id, slot=1,
                )
            )  # fmt: skip
        tour = await engine.create_tour(
            tx, stamp, "pick", tasks, due_at=stamp.at, bin_id=world.bins[picks[0][1]], claim=True
        )
        await insert(tx, tour_slot, warehouse_id=world.warehouse_id, tour_id=tour, slot=1,
                     order_id=order["id"])  # fmt: skip
        await tx.execute(
            outbound_order.update()
            .where(outbound_order.c.id == order["id"])
            .values(state="released", picks_open=outbound_order.c.picks_open + len(tasks))
        )
    return tour


async def item_of(world: w.World, line_id: int) -> int:
    return await w.scalar(world, "SELECT item_id FROM order_line WHERE id = :id", id=line_id)


def answers(step: Step, path: str = "", tote: str = "", **facts: str) -> tuple[str, ...]:
    """The scans that answer every question of a step (or of one way out), in order."""
    ways: dict[str, Path] = {way.code: way for way in step.paths}
    questions = ways[path].questions if path else step.questions
    scans = []
    for asked in questions:
        if asked.silent or any(facts.get(f) not in v for f, v in asked.only_if.items()):
            continue
        if asked.fact in facts:
            scans.append(facts[asked.fact])
        elif asked.fresh:
            scans.append(tote)
        elif asked.kind == "qty":
            scans.append(asked.default or str(asked.most))
        else:
            scans.append(next(iter(asked.accepts)))
    return tuple(scans)


async def show(world: w.World, tour: int, user: str = "PIA") -> Packet:
    async with world.db.reading() as tx:
        return await picking.packet(tx, w.stamp(world, user), str(tour))


def act(step: Step, scans: tuple[str, ...], path: str = "", key: UUID | None = None) -> Act:
    return Act(key=str(key or uuid7()), ref=step.ref, version=step.version, scans=scans, path=path)


async def send(world: w.World, sent: Act, user: str = "PIA") -> Answer:
    stamp: Stamp = w.stamp(world, user, key=UUID(sent.key))
    return await perform(world.db, stamp, sent, ACTS)


async def bind_all(world: w.World, tour: int, user: str = "PIA", label: str = "T1") -> str:
    """Bind one tote to every place; returns the (last) tote's label."""
    code = ""
    packet = await show(world, tour, user)
    for n, step in enumerate(packet.steps):
        code = barcodes.label("TT", f"{label}{n}")
        answer = await send(world, act(step, (code,)), user)
        assert answer.ok, answer
    return code
