"""Blind counts over their procedures: own limit, recount, review, disputes, promises, plates."""

import pytest

from tests import world as build
from tests.floor.acting import claim, events, ledger_holds, look, send, table
from tests.world import World
from wms import barcodes
from wms.counting import counts, queries
from wms.counting.deciding import decide
from wms.counting.rules import CounterDecides, MarkNeeded, PlateNotMovable, UnknownItem, UnknownLot
from wms.inventory import ledger
from wms.inventory.ledger import Goods, Place
from wms.steps import Answer, Step, Unfinished
from wms.tasks.wanted import NotCountable, request_count

BIN = build.bin_label("A-01-01")
MUG, TENT, GPS, BEANS = (build.gtin(sku) for sku in ("MUG", "TENT", "GPS", "BEANS"))


async def want(world: World, bin: str = "A-01-01", cause: str = "plan", user: str = "SUE") -> int:
    async with world.db.transaction() as tx:
        return await request_count(tx, build.stamp(world, user), world.bins[bin], cause)


async def step_of(world: World, user: str) -> Step:
    tour = await claim(world, user, "count")
    assert tour is not None
    return (await look(world, user, counts.packet, tour.id)).steps[0]


async def count(world: World, user: str, *scans: str, path: str = "") -> Answer:
    """Claim the next count and answer it."""
    step = await step_of(world, user)
    return await send(
        world, user, counts.confirm, step.ref, *scans, path=path, version=step.version
    )


async def state(world: World) -> str:
    return await build.scalar(world, "SELECT state FROM count WHERE warehouse_id = :w")


async def promise(world: World, balance_id: int, sku: str, *qtys: int) -> list[int]:
    """Orders in this sequence, each promised so much of the balance and with an open pick."""
    lines = []
    for number, qty in enumerate(qtys):
        order = await build.order(world, f"ORD-{number}", (sku, qty))
        lines += order["lines"]
        async with world.db.transaction() as tx:
            [allocation] = (
                await tx.exec_driver_sql(
                    "INSERT INTO allocation (warehouse_id, order_line_id, balance_id, qty) VALUES"
                    f" ({world.warehouse_id}, {order['lines'][0]}, {balance_id}, {qty})"
                    " RETURNING id"
                )
            ).one()
            [tour] = (
                await tx.exec_driver_sql(
                    "INSERT INTO tour (warehouse_id, kind, due_at, rank_at, created_at) VALUES"
                    f" ({world.warehouse_id}, 'pick', now(), now(), now()) RETURNING id"
                )
            ).one()
            await tx.exec_driver_sql(
                "INSERT INTO task (warehouse_id, tour_id, seq, kind, from_bin_id, item_id, qty,"
                " order_id, order_line_id, allocation_id, created_at) SELECT"
                f" {world.warehouse_id}, {tour}, 1, 'pick', bin_id, item_id, {qty}, {order['id']},"
                f" {order['lines'][0]}, {allocation}, now() FROM balance WHERE id = {balance_id}"
            )
    return lines


async def test_one_kind_of_goods_is_a_scan_and_a_number(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await want(world)
    step = await step_of(world, "CARL")
    assert "30" not in step.name + step.note + step.qty  # blind
    answer = await send(world, "CARL", counts.confirm, step.ref, BIN, "30", version=step.version)
    assert (answer.tone, await state(world)) == ("task_done", "posted")
    assert await table(world, "SELECT kind FROM movement") == [("receipt",)]
    [done] = await events(world, "count.completed")
    assert done.get("variances", 0) == 0


async def test_a_small_difference_is_posted_by_its_counter(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await want(world)
    await count(world, "CARL", BIN, "28")
    assert await state(world) == "posted"
    assert await build.on_hand(world, "MUG", "A-01-01") == 28
    [told] = await events(world, "inventory.adjusted")
    assert (told["delta"], told["on_hand_after"]) == (-2, 28)
    await ledger_holds(world)


async def test_a_large_difference_is_counted_again_by_somebody_else(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await want(world)
    await count(world, "CARL", BIN, "20")
    assert await state(world) == "recount"
    assert await build.on_hand(world, "MUG", "A-01-01") == 30
    assert await claim(world, "CARL", "count") is None
    await count(world, "CORA", BIN, "20")
    assert await state(world) == "posted"
    assert await build.on_hand(world, "MUG", "A-01-01") == 20
    await ledger_holds(world)


async def test_goods_that_move_between_two_counts_do_not_make_them_differ(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await want(world)
    await count(world, "CARL", BIN, "20")
    async with world.db.transaction() as tx:
        goods = Goods(owner_id=world.owners["ACME"], item_id=world.items["MUG"], qty=5)
        there = Place(world.bins["A-01-02"])
        await ledger.move(
            tx, build.stamp(world), "move", goods, Place(world.bins["A-01-01"]), there
        )
    await count(world, "CORA", BIN, "15")
    assert await state(world) == "posted"
    assert await build.on_hand(world, "MUG", "A-01-01") == 15


async def test_two_different_counts_wait_for_a_third_person(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    count_id = await want(world)
    await count(world, "CARL", BIN, "20")
    await count(world, "CORA", BIN, "22")
    assert await state(world) == "review"
    async with world.db.reading() as tx:
        [line] = await queries.list_reviews(tx, build.stamp(world, "SUE"))
    assert (line.sku, line.booked, line.counted, line.first_delta) == ("MUG", 30, 22, -10)
    for user in ("CARL", "CORA"):
        with pytest.raises(CounterDecides):
            async with world.db.transaction() as tx:
                await decide(tx, build.stamp(world, user), count_id, True)
    async with world.db.transaction() as tx:
        await decide(tx, build.stamp(world, "SUE"), count_id, True)
    assert await state(world) == "posted"
    assert await build.on_hand(world, "MUG", "A-01-01") == 22
    [told] = await events(world, "inventory.adjusted")
    assert told["approved_by"] == "user:SUE"
    await ledger_holds(world)


async def test_a_rejected_count_leaves_the_book(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    count_id = await want(world)
    await count(world, "CARL", BIN, "20")
    await count(world, "CORA", BIN, "22")
    async with world.db.transaction() as tx:
        await decide(tx, build.stamp(world, "SUE"), count_id, False)
    assert await state(world) == "cancelled"
    assert await build.on_hand(world, "MUG", "A-01-01") == 30
    assert await want(world) != count_id


async def dispute(world: World, sku: str, bin: str, qty: int) -> None:
    async with world.db.transaction() as tx:
        place = Place(world.bins[bin])
        goods = Goods(owner_id=world.item_owners[sku], item_id=world.items[sku], qty=qty)
        await ledger.move(
            tx, build.stamp(world), "status", goods, place, place, to_status="disputed"
        )


async def test_a_count_settles_what_a_short_left_in_dispute(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await dispute(world, "MUG", "A-01-01", 12)
    await want(world, cause="short", user="PIA")
    await count(world, "CARL", BIN, "18")  # the picker was right: that is the second look
    assert await state(world) == "posted"
    held = await table(world, "SELECT status, on_hand FROM balance WHERE on_hand > 0")
    assert held == [("available", 18)]
    await ledger_holds(world)


async def test_disputed_goods_that_are_found_are_available_again(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await dispute(world, "MUG", "A-01-01", 12)
    await want(world, cause="short", user="PIA")
    await count(world, "CARL", BIN, "29")
    held = await table(world, "SELECT status, on_hand FROM balance WHERE on_hand > 0")
    assert held == [("available", 29)]
    assert len(await events(world, "inventory.status_changed")) == 1


async def test_who_reported_a_short_does_not_count_it(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 30)
    await want(world, cause="short", user="CARL")
    assert await claim(world, "CARL", "count") is None
    assert await claim(world, "CORA", "count") is not None


async def test_a_bin_has_one_open_count(world: World) -> None:
    first = await want(world)
    assert await want(world, cause="short") == first
    with pytest.raises(NotCountable):
        await want(world, "CUSTOMER")


async def test_several_kinds_of_goods_are_counted_in_one_act(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 10)
    await build.stock(world, "TENT", "A-01-01", 4)
    await build.stock(world, "BEANS", "A-01-01", 6, "L1")
    await build.stock(world, "GPS", "A-01-01", 1, serial="SN1")
    await want(world)
    await count(
        world, "CARL", BIN, MUG, "6", TENT, "4", BEANS, "L1", "6", MUG, "3", GPS, "SN1", BIN
    )
    assert await state(world) == "posted"
    assert await build.on_hand(world, "MUG", "A-01-01") == 9
    await ledger_holds(world)


async def test_the_bin_scanned_again_ends_the_count_and_nothing_less_does(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 10)
    await build.stock(world, "TENT", "A-01-01", 4)
    await want(world)
    step = await step_of(world, "CARL")
    with pytest.raises(Unfinished):
        await send(world, "CARL", counts.confirm, step.ref, BIN, MUG, "10", version=step.version)
    assert await table(world, "SELECT 1 FROM count_line") == []


async def test_goods_nobody_booked_are_found(world: World) -> None:
    await want(world)
    await count(world, "CARL", BIN, TENT, "", "", "2", BIN)
    assert await state(world) == "posted"
    assert await build.on_hand(world, "TENT", "A-01-01") == 2
    await ledger_holds(world)


async def test_what_cannot_be_right_is_refused_and_nothing_is_recorded(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 10)
    await build.stock(world, "BEANS", "A-01-01", 6, "L1")
    await want(world)
    step = await step_of(world, "CARL")
    for scans, refusal in (
        ((BIN, "4006381333931", "", "", "1", BIN), UnknownItem),
        ((BIN, BEANS, "L9", "6", BIN), UnknownLot),
        ((BIN, GPS, "", "", "1", BIN), MarkNeeded),
    ):
        with pytest.raises(refusal):
            await send(world, "CARL", counts.confirm, step.ref, *scans, version=step.version)
    assert await table(world, "SELECT 1 FROM count_line") == []


async def test_an_empty_bin_is_one_scan(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 2)
    await want(world, cause="zero")
    await count(world, "CARL", BIN, path="empty")
    assert await build.on_hand(world, "MUG", "A-01-01") == 0
    await ledger_holds(world)


async def test_a_whole_plate_is_one_scan_and_a_missing_one_is_lost_after_two_looks(
    world: World,
) -> None:
    here = build.bin_label("R-01-01")
    for name in ("P1", "P2"):
        await build.plate(world, name, "R-01-01", kind="pallet", state="closed")
        await build.stock(world, "MUG", "R-01-01", 48, lpn=name)
    await want(world, "R-01-01")
    plate = barcodes.label("LP", "P1")
    await count(world, "CARL", here, plate, here)
    assert await state(world) == "recount"
    await count(world, "CORA", here, plate, here)
    assert await state(world) == "posted"
    assert await build.on_hand(world, "MUG", "R-01-01") == 48
    states = await table(world, "SELECT state FROM lpn ORDER BY id")
    assert states == [("closed",), ("void",)]
    await ledger_holds(world)


async def test_a_plate_from_elsewhere_is_booked_where_it_stands(world: World) -> None:
    here = build.bin_label("R-01-01")
    plate = await build.plate(world, "P1", "R-02-01", kind="pallet", state="closed")
    await build.stock(world, "MUG", "R-02-01", 48, lpn="P1")
    await want(world, "R-01-01")
    step = await step_of(world, "CARL")
    await send(
        world, "CARL", counts.confirm, step.ref, here, plate, path="plate", version=step.version
    )
    assert await build.on_hand(world, "MUG", "R-01-01") == 48
    with pytest.raises(PlateNotMovable):
        await send(
            world, "CARL", counts.confirm, step.ref, here, plate, path="plate",
            version=step.version,
        )  # fmt: skip
    await send(world, "CARL", counts.confirm, step.ref, here, plate, here, version=step.version)
    assert await state(world) == "posted"
    await ledger_holds(world)


async def test_a_serial_that_is_booked_elsewhere_comes_over(world: World) -> None:
    await build.stock(world, "GPS", "A-01-01", 1, serial="SN1")
    await build.stock(world, "GPS", "A-01-02", 1, serial="SN2")
    await want(world)
    for user in ("CARL", "CORA"):
        await count(world, user, BIN, GPS, "SN1", GPS, "SN2", BIN)
    assert await build.on_hand(world, "GPS", "A-01-01") == 2
    assert await build.on_hand(world, "GPS", "A-01-02") == 0
    await ledger_holds(world)


async def test_newest_promises_give_way_when_goods_are_missing(world: World) -> None:
    balance = await build.stock(world, "MUG", "A-01-01", 10)
    await promise(world, balance, "MUG", 4, 4)
    await want(world)
    for user in ("CARL", "CORA"):
        await count(world, user, BIN, "5")
    held = await table(world, "SELECT on_hand, allocated FROM balance")
    assert held == [(5, 5)]
    parts = await table(world, "SELECT allocated, waiting FROM order_line ORDER BY id")
    assert parts == [(4, 0), (1, 3)]
    picks = await table(world, "SELECT reason, version FROM task WHERE kind = 'pick' ORDER BY id")
    assert picks == [("", 1), ("count_short", 2)]
    [told] = await events(world, "inventory.shortage_found")
    assert (told["stock"]["base_qty"], told["found"]) == (3, 5)
    await ledger_holds(world)


async def test_a_count_can_be_given_back(world: World) -> None:
    await want(world)
    answer = await count(world, "CARL", path="later")
    assert answer.go == "/floor"
    assert await claim(world, "CORA", "count") is not None
