"""The pack bench over its procedures, with real transactions."""

import pytest

from tests import world as w
from tests.outbound import packs
from tests.outbound.packs import line
from tests.world import World, gtin
from wms.barcodes import label
from wms.outbound import pack_plan
from wms.planning import pool


async def test_one_tote_n_items_one_label_and_the_order_is_packed(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2), line("LAMP", 1))
    tour = await packs.open_bench(world, order["totes"][0])
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    assert step.ref == f"carton/{tour}"
    # Tote, and the item at once: the proposed carton is accepted by it.
    first = await packs.send(world, packs.act(step, order["totes"][0], gtin("MUG")), "PAT")
    assert first.ok
    assert first.go == f"/floor/pack/{tour}"
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    second = await packs.send(world, packs.act(step, order["totes"][0], gtin("LAMP")), "PAT")
    assert (second.ok, second.go) == (True, "")
    third = await packs.send(world, packs.act(step, order["totes"][0], gtin("MUG")), "PAT")
    assert third.go == f"/floor/pack/{tour}"
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    assert step.ref.startswith("close-carton/")
    sscc = step.questions[1].show
    done = await packs.send(world, packs.act(step, sscc), "PAT")  # the weight is accepted by it
    assert (done.ok, done.tone, done.go) == (True, "task_done", "/floor/next")
    assert await packs.state_of(world, order) == "packed"
    assert await packs.parts(world, order, "packed") == 3
    assert await w.on_hand(world, "MUG", "OUT-PARCEL") == 2
    tote = "SELECT state || coalesce(order_id::text, '') FROM lpn WHERE code = :code"
    assert await w.scalar(world, tote, code=order["totes"][0]) == "free"
    [packed] = await packs.told(world, "order.packed")
    assert packed["packages"][0]["sscc"] == sscc
    assert {c["sku"]: c["base_qty"] for c in packed["packages"][0]["contents"]} == {
        "MUG": 2, "LAMP": 1,
    }  # fmt: skip
    assert await packs.gaps(world) == []
    assert await packs.ledger_differs(world) == []


async def test_a_scan_of_a_case_packs_the_case(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 13))
    tour = await packs.open_bench(world, order["totes"][0])
    answer = await packs.work(world, "pack", tour, "PAT", item=gtin("MUG", "case"))
    assert answer.ok
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    assert gtin("MUG", "case") not in step.questions[1].accepts
    again = await packs.send(
        world, packs.act(step, order["totes"][0], gtin("MUG", "case")), "PAT"
    )
    assert (again.ok, again.code) == (False, "TooMany")
    assert await packs.parts(world, order, "packed") == 12
    assert (await packs.work(world, "pack", tour, "PAT", item=gtin("MUG"))).ok


async def test_a_keyed_number_packs_that_many(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 7))
    tour = await packs.open_bench(world, order["totes"][0])
    answer = await packs.work(world, "pack", tour, "PAT", "qty", item="MUG", qty="5")
    assert answer.ok
    assert await packs.parts(world, order, "packed") == 5


async def test_a_keyed_number_is_taken_out_of_all_totes_of_the_order(world: World) -> None:
    lines = [line("MUG", 4), line("LAMP", 1), line("MUG", 3, tote=1)]
    order = await packs.picked(world, "ORD-1", *lines, totes=("T1", "T2"))
    tour = await packs.open_bench(world, order["totes"][0])
    answer = await packs.work(world, "pack", tour, "PAT", "qty", item="MUG", qty="6")
    assert (answer.ok, answer.say) == (True, "6 × MUG in box 1, 2 to go")
    assert await packs.parts(world, order, "packed") == 6
    assert (await packs.work(world, "pack", tour, "PAT", "qty", item="MUG", qty="1")).ok
    state = "SELECT count(*) FROM lpn WHERE warehouse_id = :w AND kind = 'tote' AND state = 'free'"
    assert await w.scalar(world, state) == 1  # the second tote was emptied on the way
    assert await packs.ledger_differs(world) == []


async def test_the_planned_carton_is_proposed_and_another_is_taken(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1))
    await packs.plan(world, order, "M")
    tour = await packs.open_bench(world, order["totes"][0])
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    assert step.questions[1].default == "M"
    other = label("CT", "L")
    answer = await packs.send(
        world, packs.act(step, order["totes"][0], other, gtin("MUG")), "PAT"
    )
    assert answer.ok
    boxes = "SELECT k.code FROM lpn l JOIN carton_type k ON k.id = l.carton_type_id"
    assert await w.scalar(world, boxes) == "L"
    rebox = await packs.work(world, "pack", tour, "PAT")
    assert rebox.ok, "the close step follows"


async def test_without_a_plan_the_planner_proposes_and_the_act_takes_what_was_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing may stand on a mug: three do not fit into S, and two S are less than one M.
    order = await packs.picked(world, "ORD-1", line("MUG", 3))
    tour = await packs.open_bench(world, order["totes"][0])
    [simple] = (await packs.show(world, "pack", tour, "PAT")).steps
    monkeypatch.setattr(pack_plan, "WAIT_S", 30.0)
    await pool.offload(divmod, 7, 2, timeout_s=30)
    try:
        [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    finally:
        pool.close()
    assert (simple.questions[1].default, step.questions[1].default) == ("M", "S")
    assert (await packs.send(world, packs.act(step, order["totes"][0], gtin("MUG")), "PAT")).ok
    boxes = "SELECT k.code FROM lpn l JOIN carton_type k ON k.id = l.carton_type_id"
    assert await w.scalar(world, boxes) == "S", "without a worker by now, as the page said"


async def test_no_carton_is_suggested_for_what_ships_in_its_own_package(world: World) -> None:
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE item SET own_container = true WHERE sku = 'TENT'")
    tent = await packs.picked(world, "ORD-1", line("TENT", 1))
    mixed = await packs.picked(
        world, "ORD-2", line("TENT", 1), line("MUG", 1, bin="A-02-09"), totes=("T2",)
    )
    suggested: list[tuple[str, bool]] = []
    for order in (tent, mixed):
        tour = await packs.open_bench(world, order["totes"][0])
        [step] = (await packs.show(world, "pack", tour, "PAT")).steps
        suggested.append((step.questions[1].default, bool(step.questions[1].accepts)))
    assert suggested == [("", True), ("S", True)]


async def test_one_item_too_many_is_refused_and_stands_on_a_clarify_plate(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1), line("LAMP", 1))
    tour = await packs.open_bench(world, order["totes"][0])
    assert (await packs.work(world, "pack", tour, "PAT", item="MUG")).ok
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    assert gtin("MUG") not in step.questions[1].accepts
    extra = await packs.send(world, packs.act(step, order["totes"][0], gtin("MUG")), "PAT")
    assert (extra.ok, extra.code) == (False, "AllPacked")
    plate = label("LP", "X1")
    aside = await packs.work(
        world, "pack", tour, "PAT", "extra", code=gtin("MUG"), plate=plate
    )
    assert aside.ok
    on_plate = "SELECT on_hand FROM balance b JOIN lpn l ON l.id = b.lpn_id WHERE l.code = :code"
    assert await w.scalar(world, on_plate + " AND status = 'disputed'", code=plate) == 1
    assert (await packs.pack_all(world, tour)).ok
    assert await packs.parts(world, order, "packed") == 2
    assert await packs.ledger_differs(world) == []


async def test_what_is_missing_is_short_and_counted_and_the_rest_ships(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 3), line("LAMP", 1))
    tour = await packs.open_bench(world, order["totes"][0])
    gone = await packs.work(world, "pack", tour, "PAT", "missing", which="MUG", qty="2")
    assert gone.ok
    assert await packs.parts(world, order, "short") == 2
    disputed = "SELECT sum(on_hand) FROM balance WHERE status = 'disputed'"
    assert await w.scalar(world, disputed) == 2
    wanted = (
        "SELECT string_agg(b.code, ' ' ORDER BY b.code)"
        " FROM count c JOIN bin b ON b.id = c.bin_id"
    )
    assert await w.scalar(world, wanted) == "A-01-01 CLARIFY"
    await packs.pack_all(world, tour)
    assert await packs.parts(world, order, "packed") == 2
    [short] = await packs.told(world, "order.shorted")
    assert short["qty"] == 2
    assert await packs.gaps(world) == []
    assert await packs.ledger_differs(world) == []


async def test_an_order_of_which_all_is_missing_ends_shorted(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1))
    tour = await packs.open_bench(world, order["totes"][0])
    gone = await packs.work(world, "pack", tour, "PAT", "missing", which="MUG")
    assert gone.go == "/floor/next"
    assert await packs.state_of(world, order) == "shorted"
    assert await w.scalar(world, "SELECT state FROM tour WHERE id = :id", id=tour) == "done"
    assert await packs.gaps(world) == []


async def test_a_wrong_weight_forces_a_recount(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    tour = await packs.open_bench(world, order["totes"][0])
    for _ in range(2):
        await packs.work(world, "pack", tour, "PAT", item="MUG")
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    sscc = step.questions[1].show
    off = await packs.send(world, packs.act(step, "9999", sscc), "PAT")
    assert (off.ok, off.code) == (False, "WeightOff")
    wrong = await packs.send(world, packs.act(step, "1", "9999", sscc, path="recount"), "PAT")
    assert (wrong.ok, wrong.code) == (False, "CountDiffers")
    right = await packs.send(world, packs.act(step, "2", "9999", sscc, path="recount"), "PAT")
    assert right.ok
    [closed] = await packs.told(world, "package.closed")
    assert (closed["weight_check"], closed["weight_actual_g"]) == ("recounted", 9999)


async def test_the_label_of_another_box_does_not_close_this_one(world: World) -> None:
    one = await packs.picked(world, "ORD-1", line("MUG", 1), totes=("T1",))
    two = await packs.picked(world, "ORD-2", line("LAMP", 1, bin="A-01-05"), totes=("T2",))
    labels = []
    for order, item in ((one, "MUG"), (two, "LAMP")):
        tour = await packs.open_bench(world, order["totes"][0])
        await packs.work(world, "pack", tour, "PAT", item=item)
        labels.append((await packs.show(world, "pack", tour, "PAT")).steps[0])
    step, other = labels
    answer = await packs.send(world, packs.act(step, other.questions[1].show), "PAT")
    assert (answer.ok, answer.code) == (False, "WrongScan")
    assert await packs.state_of(world, one) == "picked"


async def test_a_full_box_is_closed_and_the_next_one_opened(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 3))
    await packs.plan(world, order, "S", "M")
    tour = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", tour, "PAT", item="MUG")
    full = await packs.work(world, "pack", tour, "PAT", "full")
    assert (full.ok, full.go) == (True, f"/floor/pack/{tour}")
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    assert (step.ref, step.version, step.questions[1].default) == (f"carton/{tour}", 2, "M")
    assert await packs.state_of(world, order) == "picked"
    await packs.pack_all(world, tour)
    assert await packs.state_of(world, order) == "packed"
    [packed] = await packs.told(world, "order.packed")
    assert [package["type"] for package in packed["packages"]] == ["S", "M"]


async def test_two_totes_and_each_is_free_when_it_is_empty(world: World) -> None:
    order = await packs.picked(
        world, "ORD-1", line("MUG", 1, tote=0), line("LAMP", 1, tote=1), totes=("T1", "T2")
    )
    tour = await packs.open_bench(world, order["totes"][1])
    states = "SELECT string_agg(state, ' ' ORDER BY code) FROM lpn WHERE kind = 'tote'"
    await packs.work(world, "pack", tour, "PAT", tote=order["totes"][1], item="LAMP")
    assert await w.scalar(world, states) == "open free"
    await packs.pack_all(world, tour)
    assert await w.scalar(world, states) == "free free"


async def test_lots_and_serials_are_those_that_were_picked(world: World) -> None:
    order = await packs.picked(
        world, "ORD-1", line("BEANS", 1, lot="L1", bin="A-01-01"),
        line("BEANS", 1, lot="L2", bin="A-01-02"),
    )  # fmt: skip
    tour = await packs.open_bench(world, order["totes"][0])
    code = f"01{gtin('BEANS')}10L2"  # the lot is in the code, so it is not asked for
    assert (await packs.work(world, "pack", tour, "PAT", item=code)).ok
    [lot] = [moved["stock"]["lot"] for moved in await packs.told(world, "inventory.moved")]
    assert lot == "L2"
    more = await packs.picked(
        world, "ORD-2", line("GPS", 2, serials=["SN1", "SN2"], bin="A-01-03"), totes=("T2",)
    )
    tour = await packs.open_bench(world, more["totes"][0])
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    bad = await packs.send(world, packs.act(step, more["totes"][0], gtin("GPS"), "SN9"), "PAT")
    assert (bad.ok, bad.code) == (False, "WrongScan")
    good = await packs.send(world, packs.act(step, more["totes"][0], "SN2"), "PAT")
    assert good.ok


async def test_the_one_lot_in_the_tote_is_checked_but_not_asked_for(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("BEANS", 2, lot="L1"))
    tour = await packs.open_bench(world, order["totes"][0])
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    bad = await packs.send(
        world, packs.act(step, order["totes"][0], f"01{gtin('BEANS')}10L9"), "PAT"
    )
    assert (bad.ok, bad.code) == (False, "WrongScan")
    assert (await packs.send(world, packs.act(step, order["totes"][0], gtin("BEANS")), "PAT")).ok
