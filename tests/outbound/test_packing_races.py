"""Two people, or one person twice, at the same moment: bench, door and desk."""

import asyncio
from typing import Any

import pytest

from tests import world as w
from tests.outbound import packs
from tests.outbound.packs import line
from tests.world import World
from wms.errors import Busy
from wms.ids import uuid7
from wms.outbound import cancelling
from wms.tasks.rules import WorkTaken


async def cancel(world: World, order: dict[str, Any]) -> str:
    for _ in range(10):
        try:
            async with world.db.transaction() as tx:
                stamp = w.stamp(world, "SUE")
                return (await cancelling.cancel(tx, stamp, order["id"], "customer")).verdict
        except Busy:
            continue
    raise AssertionError("busy for ever")


async def sound(world: World) -> None:
    assert await packs.ledger_differs(world) == []
    assert await packs.astray(world) == []
    assert await packs.gaps(world) == []


async def test_an_order_is_packed_by_one_person_at_a_time(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    opened = await asyncio.gather(
        packs.open_bench(world, order["totes"][0], "PAT"),
        packs.open_bench(world, order["totes"][0], "ADA"),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in opened) == ["WorkTaken", "int"]
    [tour] = [each for each in opened if isinstance(each, int)]
    other = "ADA" if isinstance(opened[1], WorkTaken) else "PAT"
    with pytest.raises(WorkTaken):
        await packs.show(world, "pack", tour, other)


async def test_of_two_scans_of_the_last_piece_one_is_extra(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2), line("LAMP", 1))
    tour = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", tour, "PAT", item="MUG")
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    scans = (order["totes"][0], "MUG")
    answers = await asyncio.gather(
        *(packs.send_until_done(world, packs.act(step, *scans), "PAT") for _ in range(4))
    )
    assert sorted(answer.code for answer in answers) == ["", *["AllPacked"] * 3]
    assert await packs.parts(world, order, "packed") == 2
    await sound(world)


async def test_the_same_act_sent_twice_at_once_happens_once(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    tour = await packs.open_bench(world, order["totes"][0])
    for expected in (1, 2):
        [step] = (await packs.show(world, "pack", tour, "PAT")).steps
        act = packs.act(step, *packs.good_scans(step, item="MUG"), key=uuid7())
        answers = await asyncio.gather(
            *(packs.send_until_done(world, act, "PAT") for _ in range(4))
        )
        assert all(answer.ok for answer in answers), answers
        assert sum(answer.replayed for answer in answers) == 3
        assert await packs.parts(world, order, "packed") == expected
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    act = packs.act(step, step.questions[1].show, key=uuid7())
    answers = await asyncio.gather(*(packs.send_until_done(world, act, "PAT") for _ in range(4)))
    assert all(answer.ok for answer in answers), answers
    assert len(await packs.told(world, "package.closed")) == 1
    await sound(world)


@pytest.mark.parametrize("late", ["cancel", "close"])
async def test_cancel_against_close_has_one_winner_and_nothing_leaves(
    world: World, late: str
) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    tour = await packs.open_bench(world, order["totes"][0])
    for _ in range(2):
        await packs.work(world, "pack", tour, "PAT", item="MUG")
    [step] = (await packs.show(world, "pack", tour, "PAT")).steps
    sscc = step.questions[1].show
    close = packs.send_until_done(world, packs.act(step, sscc), "PAT")
    if late == "cancel":
        closed, verdict = await asyncio.gather(close, cancel(world, order))
    else:
        verdict, closed = await asyncio.gather(cancel(world, order), close)
    assert verdict == "will_cancel"
    if not closed.ok:
        assert closed.code == "OrderStopped"
        [stop] = (await packs.show(world, "pack", tour, "PAT")).steps
        assert (await packs.send(world, packs.act(stop, sscc), "PAT")).ok
    await sound(world)
    back = await packs.open_putback(world, sscc)
    assert back is not None
    assert (await packs.work(world, "putback", back, "PIA")).ok
    assert await packs.state_of(world, order) == "cancelled"
    assert await w.on_hand(world, "MUG", "A-01-01") == 2
    await sound(world)


async def test_the_second_box_closes_while_the_truck_leaves_with_the_first(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    bench = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="MUG")
    await packs.work(world, "pack", bench, "PAT", "full")
    await packs.work(world, "pack", bench, "PAT", item="MUG")
    [close] = (await packs.show(world, "pack", bench, "PAT")).steps
    door = await packs.open_door(world)
    await packs.work(world, "load", door, "LEO")
    [depart] = (await packs.show(world, "load", door, "LEO")).steps
    closed, left = await asyncio.gather(
        packs.send_until_done(world, packs.act(close, close.questions[1].show), "PAT"),
        packs.send_until_done(world, packs.act(depart, "S"), "LEO"),
    )
    assert closed.ok
    await sound(world)
    if left.ok:
        door = await packs.open_door(world)
    assert (await packs.work(world, "load", door, "LEO")).ok
    assert (await packs.work(world, "load", door, "LEO")).ok
    assert await packs.state_of(world, order) == "shipped"
    assert len(await packs.told(world, "order.shipped")) == 1
    await sound(world)


async def test_cancel_against_loading_and_departure(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1))
    await packs.pack_all(world, await packs.open_bench(world, order["totes"][0]))
    door = await packs.open_door(world)
    [step] = (await packs.show(world, "load", door, "LEO")).steps
    loaded, verdict = await asyncio.gather(
        packs.send_until_done(world, packs.act(step, *packs.good_scans(step)), "LEO"),
        cancel(world, order),
    )
    assert verdict == "will_cancel"
    assert loaded.code in ("", "OrderStopped", "AlreadyGone")
    gone = packs.act(step, path="depart")
    assert not (await packs.send_until_done(world, gone, "LEO")).ok
    assert await packs.parts(world, order, "shipped") == 0
    await sound(world)
