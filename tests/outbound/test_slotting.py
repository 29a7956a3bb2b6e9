"""Re-slotting: what pays back is proposed, becomes directed work, and the ledger follows."""

import pytest

from tests import world as w
from tests.floor.acting import claim, events, ledger_holds, look, send, table
from tests.world import World
from wms.inventory.fits import BinFull
from wms.outbound import reslot, slotting
from wms.outbound.slotting import Proposal

NEAR, FAR = "A-01-01", "A-02-10"


@pytest.fixture(autouse=True)
def plan_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(plan, problem, timeout_s):
        return plan(problem)

    monkeypatch.setattr(slotting, "offload", here)
    monkeypatch.setattr(slotting, "SECONDS", 0.2)


async def misplaced(world: World) -> None:
    """Mugs go out with every order and lie at the end of the hall; ropes nobody wants lie first."""
    await w.stock(world, "MUG", FAR, 12)
    await w.stock(world, "ROPE", NEAR, 3)
    for number in range(60):
        await w.order(world, f"SO-{number:02d}", ("MUG", 1))


async def proposal(world: World, payback: int = 300) -> Proposal:
    return await slotting.propose(world.db, w.stamp(world, "SUE"), 28, payback)


async def accepted(world: World, *keys: str) -> int:
    async with world.db.transaction() as tx:
        return await slotting.direct(tx, w.stamp(world, "SUE"), keys)


async def test_a_move_that_pays_back_is_proposed_with_what_it_saves(world: World) -> None:
    await misplaced(world)
    found = await proposal(world)
    [step] = found.steps
    assert (step.sku, step.from_bin, step.qty) == ("MUG", FAR, 12)
    assert step.saved_m > 0
    assert found.m_after == pytest.approx(found.m_before - step.saved_m)
    assert step.pays_days <= 300
    assert (await proposal(world, payback=1)).steps == () or step.pays_days <= 1


async def test_without_orders_or_goods_it_says_why_there_is_nothing(world: World) -> None:
    assert (await proposal(world)).why_not == "There are no orders to learn from."
    await w.order(world, "SO-1", ("MUG", 1))
    assert (await proposal(world)).why_not == "No face holds goods."


async def test_two_items_change_places_by_scans_and_the_ledger_holds(world: World) -> None:
    await misplaced(world)
    key = f"{world.items['MUG']}:{world.bins[FAR]}:{world.bins[NEAR]}:{world.items['ROPE']}"
    assert await accepted(world, key, key, "nonsense", "1:2:3:4:5") == 1
    await w.stock(world, "MUG", "A-02-09", 5)
    assert await accepted(world, key) == 0  # it is on its way already
    assert (await proposal(world)).why_not == "No face holds goods."
    tour = await claim(world, "PAUL", "replenish")
    assert tour is not None
    packet = await look(world, "PAUL", reslot.packet, tour.id)
    assert [step.qty for step in packet.steps] == ["12 all of it", "3 all of it"]
    far, near = w.bin_label(FAR), w.bin_label(NEAR)
    first, second = (step.ref for step in packet.steps)
    answer = await send(world, "PAUL", reslot.confirm, first, far, w.gtin("MUG"), near)
    assert answer.say == f"12 × MUG in {NEAR}"
    answer = await send(world, "PAUL", reslot.confirm, second, near, w.gtin("ROPE"), far)
    assert answer.go == "/floor/next"
    assert await w.on_hand(world, "MUG", NEAR) == 12
    assert await w.on_hand(world, "ROPE", FAR) == 3
    assert [told["purpose"] for told in await events(world, "inventory.moved")] == ["relocate"] * 2
    assert await table(world, "SELECT state FROM tour") == [("done",)]
    await ledger_holds(world)


async def test_strict_bins_change_places_too_and_full_ones_refuse(world: World) -> None:
    await misplaced(world)
    async with world.db.transaction() as tx:
        await tx.execute(w.sa.text("UPDATE bin SET mix_items = false, capacity_g = 5000"))
    key = f"{world.items['MUG']}:{world.bins[FAR]}:{world.bins[NEAR]}:{world.items['ROPE']}"
    await accepted(world, key)
    tour = await claim(world, "PAUL", "replenish")
    assert tour is not None
    [first, _] = (await look(world, "PAUL", reslot.packet, tour.id)).steps
    scans = (w.bin_label(FAR), w.gtin("MUG"), w.bin_label(NEAR))
    await w.stock(world, "MUG", FAR, 20)
    with pytest.raises(BinFull):
        await send(world, "PAUL", reslot.confirm, first.ref, *scans)
    async with world.db.transaction() as tx:
        await tx.execute(w.sa.text("UPDATE bin SET capacity_g = NULL"))
    answer = await send(world, "PAUL", reslot.confirm, first.ref, *scans)
    assert answer.say == f"32 × MUG in {NEAR}"


async def test_an_empty_face_is_counted_and_the_move_dropped(world: World) -> None:
    await misplaced(world)
    await accepted(world, f"{world.items['MUG']}:{world.bins[FAR]}:{world.bins['A-01-02']}:0")
    tour = await claim(world, "PAUL", "replenish")
    assert tour is not None
    [step] = (await look(world, "PAUL", reslot.packet, tour.id)).steps
    await send(world, "PAUL", reslot.confirm, step.ref, w.bin_label(FAR), path="gone")
    assert await table(world, "SELECT cause FROM count") == [("dispute",)]
    assert await table(world, "SELECT state FROM task WHERE kind = 'replenish'") == [("skipped",)]
