"""Picking into totes over the real acts: confirm, replay, refuse, short, damaged, full, drop."""

import asyncio

import pytest

from tests import world as w
from tests.outbound.picks import act, answers, bind_all, pick_tour, send, show
from tests.world import World
from wms import barcodes
from wms.tasks.leases import hand_over
from wms.tasks.rules import WorkTaken


async def one_pick(world: World, qty: int = 3) -> tuple[dict, int]:
    balance = await w.stock(world, "LAMP", "A-01-01", 10)
    order = await w.order(world, "SO-1", ("LAMP", qty))
    return order, await pick_tour(world, order, [(0, "A-01-01", qty, balance)])


async def line_parts(world: World, order: dict) -> dict[str, int]:
    found = await w.scalar(
        world,
        "SELECT to_jsonb(l) FROM order_line l WHERE warehouse_id = :w AND id = :id",
        id=order["lines"][0],
    )
    return {part: found[part] for part in ("waiting", "allocated", "picked", "packed", "short")}


async def types(world: World) -> list[str]:
    found = await w.scalar(
        world, "SELECT array_agg(type ORDER BY id) FROM outbox WHERE warehouse_id = :w"
    )
    return list(found or [])


async def test_a_confirmed_pick_moves_stock_counts_the_order_and_tells_the_world(world: World):
    order, tour = await one_pick(world)
    tote = await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, answers(step)))

    assert answer.ok
    assert answer.say == f"3 × LAMP in {tote}"
    assert await w.on_hand(world, "LAMP", "A-01-01") == 7
    assert await w.on_hand(world, "LAMP", "HAND-PIA") == 3
    assert await line_parts(world, order) == {
        "waiting": 0, "allocated": 0, "picked": 3, "packed": 0, "short": 0,
    }  # fmt: skip
    assert (await types(world))[-3:] == ["inventory.moved", "order.pick_started", "order.picked"]


async def test_the_trigger_on_the_tote_accepts_the_quantity(world: World):
    _, tour = await one_pick(world)
    tote = await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]
    bin, item, *_ = answers(step)

    answer = await send(world, act(step, (bin, item, tote)))

    assert answer.ok


async def test_the_same_act_sent_twice_in_parallel_happens_once(world: World):
    order, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]
    sent = act(step, answers(step))

    given = await asyncio.gather(*(send(world, sent) for _ in range(8)))

    assert all(answer.ok for answer in given)
    assert sorted(answer.replayed for answer in given) == [False] + [True] * 7
    assert await w.on_hand(world, "LAMP", "A-01-01") == 7
    assert (await line_parts(world, order))["picked"] == 3


async def test_the_same_refused_act_sent_twice_in_parallel_gets_one_answer(world: World):
    _, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]
    sent = act(step, (w.bin_label("A-02-01"),))

    given = await asyncio.gather(*(send(world, sent) for _ in range(6)))

    assert {answer.code for answer in given} == {"WrongScan"}
    assert (
        await w.scalar(world, "SELECT count(*) FROM scan WHERE warehouse_id = :w AND NOT ok") == 1
    )


async def test_a_wrong_scan_says_what_was_expected_and_changes_nothing(world: World):
    _, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, (w.bin_label("A-02-01"),)))

    assert not answer.ok
    assert answer.code == "WrongScan"
    assert "A-01-01" in answer.say
    assert w.bin_label("A-02-01") in answer.say
    assert await w.on_hand(world, "LAMP", "A-01-01") == 10


async def test_another_person_cannot_confirm_my_pick(world: World):
    _, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, answers(step)), user="PETE")

    assert answer.code == "WorkTaken"
    assert await w.on_hand(world, "LAMP", "A-01-01") == 10


async def test_fewer_taken_leaves_the_rest_as_the_next_prompt(world: World):
    order, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, answers(step, qty="2")))

    assert answer.tone == "care"
    again = (await show(world, tour)).steps[0]
    assert again.ref == step.ref
    assert again.qty == "1 piece"
    assert (await line_parts(world, order))["picked"] == 2


async def test_a_short_disputes_the_rest_wants_a_count_and_sends_to_another_bin(world: World):
    order, tour = await one_pick(world)
    await w.stock(world, "LAMP", "A-02-03", 5)
    tote = await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, answers(step, "short", found="1"), "short"))

    assert answer.ok
    assert answer.say == "2 more from another bin"
    following = (await show(world, tour)).steps[0]
    assert following.questions[0].show == "A-02-03"
    assert following.qty == "2 pieces"
    disputed = await w.scalar(
        world, "SELECT sum(on_hand) FROM balance WHERE warehouse_id = :w AND status = 'disputed'"
    )
    assert disputed == 9
    assert await w.scalar(world, "SELECT cause FROM count WHERE warehouse_id = :w") == "short"
    assert (await send(world, act(following, answers(following)))).ok
    assert (await line_parts(world, order))["picked"] == 3
    del tote


async def test_what_no_bin_has_is_cut_and_asks_for_no_tote(world: World):
    order, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, ("0",), "short"))

    assert answer.ok
    assert "3 cut" in answer.say
    assert (await line_parts(world, order))["short"] == 3
    assert (
        await w.scalar(world, "SELECT state FROM outbound_order WHERE warehouse_id = :w")
        == "shorted"
    )


async def test_damaged_units_change_status_and_are_replaced(world: World):
    order, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    answer = await send(world, act(step, ("1",), "damaged"))

    assert answer.ok
    steps = (await show(world, tour)).steps
    assert [s.qty for s in steps[:-1]] == ["2 pieces", "1 piece"]
    for open_step in steps[:-1]:
        assert (await send(world, act(open_step, answers(open_step)))).ok
    assert (await line_parts(world, order))["picked"] == 3


async def test_a_full_tote_goes_on_in_another_one(world: World):
    _, tour = await one_pick(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]
    await send(world, act(step, answers(step, qty="1")))
    step = (await show(world, tour)).steps[0]
    other = barcodes.label("TT", "T99")

    assert (await send(world, act(step, (other,), "full"))).ok

    step = (await show(world, tour)).steps[0]
    assert step.questions[-1].show == other
    assert (await send(world, act(step, answers(step)))).ok


async def test_dropping_at_a_station_makes_pack_work(world: World):
    _, tour = await one_pick(world)
    await bind_all(world, tour)
    for step in (await show(world, tour)).steps:
        answer = await send(world, act(step, answers(step)))
        assert answer.ok, answer
    assert answer.go == "/floor/next"
    kinds = await w.scalar(
        world, "SELECT array_agg(kind ORDER BY id) FROM tour WHERE warehouse_id = :w"
    )
    assert kinds == ["pack", "pick"] or kinds == ["pick", "pack"]
    assert await w.on_hand(world, "LAMP", "HAND-PIA") == 0


async def test_a_drop_before_the_last_pick_is_refused(world: World):
    _, tour = await one_pick(world)
    await bind_all(world, tour)
    drop = (await show(world, tour)).steps[-1]

    answer = await send(world, act(drop, answers(drop)))

    assert answer.code == "NotAllPicked"


async def test_a_tote_in_use_is_refused(world: World):
    _, tour = await one_pick(world)
    step = (await show(world, tour)).steps[0]
    taken = await w.plate(world, "T7", state="open")

    answer = await send(world, act(step, (taken,)))

    assert answer.code == "ToteNotFree"


async def test_a_tour_that_is_handed_over_takes_its_totes_along(world: World):
    order = await w.order(world, "SO-1", ("LAMP", 3), ("MUG", 2))
    lamps = await w.stock(world, "LAMP", "A-01-01", 10)
    mugs = await w.stock(world, "MUG", "A-02-01", 10)
    tour = await pick_tour(world, order, [(0, "A-01-01", 3, lamps), (1, "A-02-01", 2, mugs)])
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]
    await send(world, act(step, answers(step)))

    async with world.db.transaction() as tx:
        await hand_over(tx, w.stamp(world, "SUE"), tour, world.users["PETE"])

    assert await w.on_hand(world, "LAMP", "HAND-PIA") == 0
    assert await w.on_hand(world, "LAMP", "HAND-PETE") == 3
    step = (await show(world, tour, "PETE")).steps[0]
    assert (await send(world, act(step, answers(step)), user="PETE")).ok
    assert await w.on_hand(world, "MUG", "HAND-PETE") == 2
    with pytest.raises(WorkTaken):
        async with world.db.transaction() as tx:
            await hand_over(tx, w.stamp(world, "SUE"), 999_999, world.users["PIA"])
