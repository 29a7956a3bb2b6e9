"""A picked order at the bench in a few words, and good workers for bench, door and way back."""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from tests import world as w
from tests.world import World
from web.scanner.acts import Procedure, perform
from wms.db import insert
from wms.errors import Busy
from wms.ids import uuid7
from wms.inventory import allocations, ledger
from wms.inventory.allocations import Take
from wms.inventory.ledger import Goods, Place
from wms.outbound import opening, packing, putback, shipping
from wms.outbound.picking import make_pack_work
from wms.outbound.tables import outbound_order, planned_carton
from wms.steps import Act, Answer, Packet, Step, default_of, question, walk
from wms.tasks import engine

ACTS: dict[str, Procedure] = {
    "carton": packing.open_carton,
    "pack": packing.pack,
    "close-carton": packing.close,
    "load": shipping.load,
    "depart": shipping.depart,
    "putback": putback.confirm,
}
PACKETS = {"pack": packing.packet, "load": shipping.packet, "putback": putback.packet}
BINS = [f"A-0{aisle}-{bay:02d}" for aisle in (1, 2) for bay in range(1, 11)]


class Line(dict[str, Any]):
    """sku, qty, and maybe lot, serials, bin, tote."""


def line(sku: str, qty: int, **more: Any) -> Line:
    return Line(sku=sku, qty=qty, **more)


async def picked(
    world: World, external_id: str, *lines: Line, totes: tuple[str, ...] = ("T1",),
    at: str = "PACK-1", work: bool = True, **columns: Any,
) -> dict[str, Any]:
    """An order whose goods were picked into totes at a bench; {"id", "lines", "totes"}.

    Each line lies in the tote of its `tote` (an index). `work` makes its pack tour.
    """  # fmt: skip
    order = await w.order(world, external_id, *[(each["sku"], each["qty"]) for each in lines],
                          **columns)  # fmt: skip
    codes = [await w.plate(world, code, at) for code in totes]
    stamp = w.stamp(world, "PIA")
    for n, each in enumerate(lines):
        bin = each.get("bin", BINS[n])
        serials = each.get("serials", [""])
        balances = [
            await w.stock(world, each["sku"], bin, 1 if serial else each["qty"],
                          each.get("lot", ""), serial=serial)
            for serial in serials
        ]  # fmt: skip
        async with world.db.transaction() as tx:
            item_id = world.items[each["sku"]]
            stocks = await allocations.lock_stock(tx, stamp, {item_id: 10**6})
            for balance_id, serial in zip(balances, serials, strict=True):
                qty = 1 if serial else each["qty"]
                take = Take(order_line_id=order["lines"][n], balance_id=balance_id, qty=qty)
                [promise] = await allocations.allocate(tx, stamp, [take], stocks)
                tour = await engine.create_tour(
                    tx, stamp, "pick",
                    [engine.NewTask(item_id=item_id, lot_id=promise.lot_id, qty=qty,
                                    from_bin_id=promise.bin_id, order_id=order["id"])],
                    due_at=stamp.at, claim=True,
                )  # fmt: skip
                [task] = await engine.list_tasks(tx, stamp, tour)
                lpn_id = world.lpns[totes[each.get("tote", 0)]]
                await ledger.move(
                    tx, stamp, "pick",
                    Goods(owner_id=world.item_owners[each["sku"]], item_id=item_id, qty=qty,
                          lot_id=promise.lot_id, serial=serial),
                    Place(promise.bin_id), Place(world.bins[at], lpn_id),
                    allocation_id=promise.allocation_id, task_id=task.id,
                )  # fmt: skip
                await engine.finish_task(tx, stamp, task, qty_done=qty)
    async with world.db.transaction() as tx:
        values = {"w": world.warehouse_id, "order": order["id"]}
        await tx.execute(
            sa.text("UPDATE lpn SET order_id = :order, state = 'open'"
                    " WHERE warehouse_id = :w AND id = ANY(:ids)"),
            {**values, "ids": [world.lpns[code] for code in totes]},
        )  # fmt: skip
        await tx.execute(outbound_order.update().where(outbound_order.c.id == order["id"])
                         .values(state="picked"))  # fmt: skip
        if work:
            await make_pack_work(tx, stamp, order["id"], world.bins[at])
    return {**order, "totes": codes}


async def plan(world: World, order: dict[str, Any], *types: str) -> None:
    """What cartonization proposed."""
    async with world.db.transaction() as tx:
        for number, code in enumerate(types, 1):
            await insert(tx, planned_carton, warehouse_id=world.warehouse_id, order_id=order["id"],
                         number=number, carton_type_id=world.cartons[code])  # fmt: skip


async def open_bench(world: World, tote: str, user: str = "PAT") -> int:
    """The packer scans a tote at the hub."""
    async with world.db.transaction() as tx:
        tour = await opening.find_pack_tour(tx, w.stamp(world, user), tote)
    assert tour is not None
    return tour


async def open_door(world: World, dock: str = "DOCK-PARCEL", user: str = "LEO") -> int:
    """The loader scans a door at the hub."""
    async with world.db.transaction() as tx:
        tour = await opening.find_load_tour(tx, w.stamp(world, user), dock)
    assert tour is not None, f"nothing is to be loaded at {dock}"
    return tour


async def open_putback(world: World, code: str, user: str = "PIA") -> int | None:
    async with world.db.transaction() as tx:
        return await opening.find_putback_tour(tx, w.stamp(world, user), code)


async def show(world: World, flow: str, tour: int, user: str) -> Packet:
    async with world.db.reading() as tx:
        return await PACKETS[flow](tx, w.stamp(world, user), str(tour))


def act(step: Step, *scans: str, path: str = "", key: UUID | None = None) -> Act:
    return Act(key=str(key or uuid7()), ref=step.ref, version=step.version, scans=scans, path=path)


async def send(world: World, sent: Act, user: str) -> Answer:
    return await perform(world.db, w.stamp(world, user, key=UUID(sent.key)), sent, ACTS)


def good_scans(step: Step, path: str = "", **known: str) -> tuple[str, ...]:
    """What a good worker scans: the given codes by fact, else what is proposed or shown first."""
    questions = step.questions
    if path:
        questions = next(way for way in step.paths if way.code == path).questions
    scans: tuple[str, ...] = ()
    while (asked := question(questions, walk(questions, scans).facts)) is not None:
        default = default_of(asked, walk(questions, scans).facts)
        if asked.fact in known:
            scan = known[asked.fact]
        elif default:
            scan = ""
        elif asked.accepts:
            scan = next(iter(asked.accepts))
        else:
            scan = str(asked.most)
        scans += (scan,)
        assert len(scans) < 40, (step, path, scans)
    return scans


async def work(
    world: World, flow: str, tour: int, user: str, path: str = "", **known: str
) -> Answer:
    """One act on the first step of the packet."""
    step = (await show(world, flow, tour, user)).steps[0]
    return await send(world, act(step, *good_scans(step, path, **known), path=path), user)


async def pack_all(world: World, tour: int, user: str = "PAT") -> Answer:
    """Pack until the work ends; each item is scanned by itself, in the order it is shown."""
    for _ in range(60):
        answer = await work(world, "pack", tour, user, item=await _next_item(world, tour, user))
        assert answer.ok, answer
        if answer.go == "/floor/next":
            return answer
    raise AssertionError("packing does not end")


async def _next_item(world: World, tour: int, user: str) -> str:
    """The SKU of something that is in a tote of the order."""
    return await w.scalar(
        world,
        "SELECT coalesce((SELECT i.sku FROM task t JOIN balance b ON b.lpn_id = t.lpn_id"
        " JOIN item i ON i.id = b.item_id WHERE t.tour_id = :tour AND b.on_hand > 0"
        " ORDER BY t.seq, b.id LIMIT 1), '')",
        tour=tour,
    )


async def ledger_differs(world: World) -> list[Any]:
    """Rows of balance that are not the sum of movements."""
    statement = sa.text(
        """
        WITH moved AS (
          SELECT to_bin_id AS bin_id, to_lpn_id AS lpn_id, item_id, lot_id, serial,
                 to_status AS status, qty FROM movement WHERE warehouse_id = :w
          UNION ALL
          SELECT from_bin_id, from_lpn_id, item_id, lot_id, serial, from_status, -qty
            FROM movement WHERE warehouse_id = :w
        ), sums AS (
          SELECT m.bin_id, m.lpn_id, m.item_id, m.lot_id, m.serial, m.status, sum(m.qty) AS qty
            FROM moved m JOIN bin b ON b.warehouse_id = :w AND b.id = m.bin_id
           WHERE b.kind NOT IN ('supplier', 'customer', 'adjustment', 'scrap')
           GROUP BY 1, 2, 3, 4, 5, 6
        )
        SELECT s.*, b.on_hand FROM sums s
          FULL JOIN (SELECT * FROM balance WHERE warehouse_id = :w) b
            ON b.bin_id = s.bin_id AND b.lpn_id IS NOT DISTINCT FROM s.lpn_id
           AND b.item_id = s.item_id AND b.lot_id IS NOT DISTINCT FROM s.lot_id
           AND b.serial = s.serial AND b.status = s.status
         WHERE coalesce(s.qty, 0) <> coalesce(b.on_hand, 0)
        """
    )
    async with world.db.reading() as tx:
        return list((await tx.execute(statement, {"w": world.warehouse_id})).all())


async def parts(world: World, order: dict[str, Any], part: str) -> int:
    return await w.scalar(
        world, f"SELECT coalesce(sum({part}), 0) FROM order_line WHERE order_id = :id",
        id=order["id"],
    )  # fmt: skip


async def state_of(world: World, order: dict[str, Any]) -> str:
    return await w.scalar(world, "SELECT state FROM outbound_order WHERE id = :id", id=order["id"])


async def told(world: World, type: str) -> list[dict[str, Any]]:
    """Data of the events of a type, oldest first."""
    statement = sa.text("SELECT data FROM outbox WHERE warehouse_id = :w AND type = :type"
                        " ORDER BY id")  # fmt: skip
    async with world.db.reading() as tx:
        found = await tx.execute(statement, {"w": world.warehouse_id, "type": type})
        return [msgspec.json.decode(data) for data in found.scalars()]


async def gaps(world: World) -> list[Any]:
    """Orders whose events' keyseq are not 2, 3, 4 … without a hole up to the order's version."""
    statement = sa.text(
        """
        SELECT o.external_id, o.version, array_agg(e.keyseq ORDER BY e.keyseq) AS seqs
          FROM outbound_order o JOIN owner w ON w.id = o.owner_id
          LEFT JOIN outbox e ON e.warehouse_id = o.warehouse_id AND e.keyseq IS NOT NULL
           AND e.okey = 'order/' || w.code || '/' || o.external_id
         WHERE o.warehouse_id = :w
         GROUP BY o.external_id, o.version
        """
    )
    async with world.db.reading() as tx:
        found = (await tx.execute(statement, {"w": world.warehouse_id})).all()
    return [
        each for each in found
        if list(range(2, each.version + 1)) != [seq for seq in each.seqs if seq]
    ]  # fmt: skip



async def astray(world: World) -> list[Any]:
    """Orders whose lines do not say what stands in their totes and boxes, or left the house."""
    statement = sa.text(
        """
        WITH stands AS (
          SELECT l.order_id, b.item_id,
                 sum(b.on_hand) FILTER (WHERE l.kind = 'tote') AS picked,
                 sum(b.on_hand) FILTER (WHERE l.kind = 'carton') AS packed
            FROM balance b JOIN lpn l ON l.warehouse_id = b.warehouse_id AND l.id = b.lpn_id
           WHERE b.warehouse_id = :w AND l.order_id IS NOT NULL
           GROUP BY 1, 2
        ), gone AS (
          SELECT l.order_id, m.item_id, sum(m.qty) AS shipped
            FROM movement m JOIN lpn l ON l.warehouse_id = m.warehouse_id AND l.id = m.from_lpn_id
           WHERE m.warehouse_id = :w AND m.kind = 'ship' GROUP BY 1, 2
        ), says AS (
          SELECT order_id, item_id, sum(picked) AS picked, sum(packed) AS packed,
                 sum(shipped) AS shipped
            FROM order_line WHERE warehouse_id = :w GROUP BY 1, 2
        )
        SELECT y.*, s.picked AS in_totes, s.packed AS in_boxes, g.shipped AS left_house
          FROM says y
          LEFT JOIN stands s ON s.order_id = y.order_id AND s.item_id = y.item_id
          LEFT JOIN gone g ON g.order_id = y.order_id AND g.item_id = y.item_id
         WHERE (y.picked, y.packed, y.shipped)
            <> (coalesce(s.picked, 0), coalesce(s.packed, 0), coalesce(g.shipped, 0))
        """
    )
    async with world.db.reading() as tx:
        return list((await tx.execute(statement, {"w": world.warehouse_id})).all())


async def send_until_done(world: World, sent: Act, user: str) -> Answer:
    """As a device does: Busy is sent again under the same key."""
    for _ in range(10):
        try:
            return await send(world, sent, user)
        except Busy:
            continue
    raise AssertionError("busy for ever")
