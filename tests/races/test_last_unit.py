"""Two pickers, one bin, the last unit: the ledger lets exactly one have it."""

import asyncio

from tests import world as w
from tests.outbound.picks import act, answers, bind_all, pick_tour, send, show
from tests.world import World


async def test_of_two_pickers_on_the_last_unit_one_gets_it_and_the_other_is_told(world: World):
    balance = await w.stock(world, "LAMP", "A-01-01", 2)
    tours = {}
    for user in ("PIA", "PETE"):
        order = await w.order(world, f"SO-{user}", ("LAMP", 1))
        tours[user] = await pick_tour(world, order, [(0, "A-01-01", 1, balance)], user)
        await bind_all(world, tours[user], user, label=f"T{user}")
    steps = {user: (await show(world, tours[user], user)).steps[0] for user in tours}

    given = await asyncio.gather(
        send(world, act(steps["PIA"], answers(steps["PIA"]))),
        send(world, act(steps["PETE"], ("0",), "short"), "PETE"),
    )

    assert all(answer.ok for answer in given)
    assert await w.on_hand(world, "LAMP", "A-01-01") == 1
    total = await w.scalar(world, "SELECT sum(on_hand) FROM balance WHERE warehouse_id = :w")
    assert total == 2


async def test_twenty_picks_of_one_bin_at_once_take_exactly_what_is_there(world: World):
    balance = await w.stock(world, "LAMP", "A-01-01", 20)
    sent = []
    for n in range(20):
        order = await w.order(world, f"SO-{n}", ("LAMP", 1))
        tour = await pick_tour(world, order, [(0, "A-01-01", 1, balance)])
        await bind_all(world, tour, label=f"T{n}")
        step = (await show(world, tour)).steps[0]
        sent.append(act(step, answers(step)))

    given = await asyncio.gather(*(send(world, each) for each in sent))

    assert [answer.ok for answer in given] == [True] * 20
    assert await w.on_hand(world, "LAMP", "A-01-01") == 0
    assert await w.on_hand(world, "LAMP", "HAND-PIA") == 20
