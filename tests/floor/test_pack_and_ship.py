"""From the released order to the truck, by the work that the engine gives each person."""

from typing import Any
from uuid import UUID

import pytest

from tests import world as w
from tests.outbound import packs
from tests.world import World
from web.scanner.acts import perform
from web.scanner.flows import ACTS, PACKETS
from wms.barcodes import label
from wms.outbound import shipping_queries, waves
from wms.outbound.labels import label_svg
from wms.outbound.wave_plan import Problem, WavePlan, plan_simply
from wms.steps import Answer, Step
from wms.tasks import engine


@pytest.fixture(autouse=True)
def plan_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def simply(problem: Problem) -> WavePlan:
        return plan_simply(problem)

    monkeypatch.setattr(waves, "_plan", simply)


async def claim(world: World, user: str, kind: str) -> int:
    async with world.db.transaction() as tx:
        tour = await engine.claim_next(tx, w.stamp(world, user), [kind])
    assert tour is not None, f"there is {kind} work"
    return tour.id


async def through(world: World, flow: str, user: str) -> list[tuple[Step, Answer]]:
    """Claim the next work of a kind and do it as a good worker; each step with its answer."""
    tour = await claim(world, user, flow)
    done: list[tuple[Step, Answer]] = []
    for _ in range(60):
        async with world.db.reading() as tx:
            packet = await PACKETS[flow](tx, w.stamp(world, user), str(tour))
        step = packet.steps[0]
        kind, _, number = step.ref.partition("/")
        known = {"tote": label("TT", f"T{number}")} if kind == "bind" else {}
        act = packs.act(step, *packs.good_scans(step, **known))
        stamp = w.stamp(world, user, key=UUID(act.key))
        answer = await perform(world.db, stamp, act, ACTS)
        assert answer.ok, (step, answer)
        done.append((step, answer))
        if answer.go == "/floor/next":
            return done
    raise AssertionError("the work does not end")


async def release(world: World, *numbers: str) -> list[dict[str, Any]]:
    await w.stock(world, "MUG", "A-01-01", 40)
    await w.stock(world, "LAMP", "A-02-05", 20)
    orders = [await w.order(world, number, ("MUG", 2), ("LAMP", 1)) for number in numbers]
    await waves.release(world.db, w.stamp(world, "SUE"), [order["id"] for order in orders])
    return orders


async def test_released_orders_are_picked_packed_and_shipped(world: World) -> None:
    orders = await release(world, "SO-1", "SO-2")
    picked = 0
    while picked < len(orders):
        await through(world, "pick", "PIA")
        picked = await w.scalar(world, "SELECT count(*) FROM outbound_order WHERE state = 'picked'")
    for order in orders:
        steps = await through(world, "pack", "PAT")
        # Two mugs and a lamp: three item scans, one of them with tote and carton, then one label.
        assert [step.ref.partition("/")[0] for step, _ in steps] == [
            "carton", "pack", "pack", "close-carton",
        ]  # fmt: skip
        assert await packs.state_of(world, order) == "packed"
    steps = await through(world, "load", "LEO")
    assert [step.ref.partition("/")[0] for step, _ in steps] == ["load", "load", "depart"]
    for order in orders:
        assert await packs.state_of(world, order) == "shipped"
        assert await packs.parts(world, order, "shipped") == 3
    assert await w.on_hand(world, "MUG", "A-01-01") == 36
    in_use = "SELECT count(*) FROM lpn WHERE kind = 'tote' AND coalesce(order_id, 0) <> 0"
    assert await w.scalar(world, in_use) == 0
    assert len(await packs.told(world, "order.shipped")) == 2
    assert await packs.gaps(world) == []
    assert await packs.astray(world) == []
    assert await packs.ledger_differs(world) == []


async def test_the_label_can_be_printed_while_the_box_is_filled(world: World) -> None:
    order = await packs.picked(
        world, "SO-9", packs.line("MUG", 2),
        ship_to={"name": "Jo Doe", "street": "1 High St", "city": "Town", "postcode": "12345"},
    )  # fmt: skip
    bench = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="MUG")
    sscc = await w.scalar(world, "SELECT code FROM lpn WHERE kind = 'carton'")
    async with world.db.reading() as tx:
        before = await shipping_queries.find_label(tx, w.stamp(world, "PAT"), sscc)
        assert await shipping_queries.find_label(tx, w.stamp(world, "PAT"), "0" * 18) is None
    assert before is not None
    assert (before.weight_g, before.number, before.ship_to[2]) == (0, 1, "12345 Town")
    await packs.pack_all(world, bench)
    async with world.db.reading() as tx:
        after = await shipping_queries.find_label(tx, w.stamp(world, "PAT"), sscc)
    assert after is not None
    assert after.tracking_no == before.tracking_no
    assert after.weight_g == 150 + 2 * 400
    assert sscc in label_svg(after)
