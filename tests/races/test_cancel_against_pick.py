"""A cancellation and the confirming scan of the same order at the same moment: nothing is lost."""

import asyncio

import pytest

from tests import world as w
from tests.outbound.picks import act, answers, bind_all, pick_tour, send, show
from tests.world import World
from wms.errors import Busy, WmsError
from wms.outbound import cancelling


@pytest.mark.parametrize("delay_ms", [0, 1, 3, 6])
async def test_a_pick_and_a_cancellation_at_once_leave_true_books(
    world: World, delay_ms: int
) -> None:
    """Whoever is first, every unit is either back in the bin or in the tote, and the order ends or
    is on its way to its end; the other is told."""
    balance = await w.stock(world, "LAMP", "A-01-01", 10)
    order = await w.order(world, "SO-1", ("LAMP", 6))
    tour = await pick_tour(world, order, [(0, "A-01-01", 2, balance), (0, "A-01-01", 4, balance)])
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]

    async def cancel() -> str:
        await asyncio.sleep(delay_ms / 1000)
        for _ in range(3):
            try:
                async with world.db.transaction() as tx:
                    done = await cancelling.cancel(
                        tx, w.stamp(world, "SUE"), order["id"], "customer"
                    )
                return done.verdict
            except Busy:
                continue
        return "busy"

    async def pick() -> bool:
        try:
            return (await send(world, act(step, answers(step)))).ok
        except WmsError:
            return False

    verdict, picked = await asyncio.gather(cancel(), pick())

    line = await w.scalar(world, "SELECT to_jsonb(l) FROM order_line l WHERE warehouse_id = :w")
    in_bin, in_hand = (
        await w.on_hand(world, "LAMP", "A-01-01"),
        await w.on_hand(world, "LAMP", "HAND-PIA"),
    )
    state = await w.scalar(world, "SELECT state FROM outbound_order WHERE warehouse_id = :w")
    assert in_bin + in_hand == 10
    assert (line["waiting"], line["allocated"]) == (0, 0)
    assert line["picked"] + line["cancelled"] == 6
    assert line["picked"] == in_hand
    if picked:
        assert (verdict, state) == ("will_cancel", "picked")
    else:
        assert (verdict, state) == ("cancelled", "cancelled")
    assert await w.scalar(world, "SELECT sum(allocated) FROM balance WHERE warehouse_id = :w") == 0
    assert (
        await w.scalar(world, "SELECT picks_open FROM outbound_order WHERE warehouse_id = :w") == 0
    )
    assert (
        await w.scalar(world, "SELECT count(*) FROM task WHERE state = 'open' AND kind = 'pick'")
        == 0
    )
    gapless = (
        "SELECT count(*) = max(keyseq) - min(keyseq) + 1 FROM outbox"
        " WHERE okey = 'order/ACME/SO-1' AND keyseq IS NOT NULL"
    )
    assert await w.scalar(world, gapless)
