"""Two people at once: on one receipt, on one plate, on one bin. Real transactions, real waiting."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from tests import world as build
from tests.floor.acting import claim, events, ledger_holds, look, send, table
from tests.world import World
from wms import barcodes
from wms.counting import counts
from wms.errors import Busy, WmsError
from wms.inbound import putaway, receiving
from wms.inventory import moving
from wms.steps import Answer
from wms.tasks.wanted import request_count

MUG, TENT = build.gtin("MUG"), build.gtin("TENT")


def plate(number: int) -> str:
    return barcodes.label("LP", f"{number:05d}")


async def told(act: Awaitable[Answer]) -> str:
    """ "ok", or the name of the refusal."""
    try:
        await act
    except WmsError as refusal:
        return refusal.code
    return "ok"


async def patient(world: World, user: str, confirm: Any, ref: str, *scans: str, **kw: Any) -> str:
    """As a device does: what is busy is sent again."""
    for _ in range(20):
        outcome = await told(send(world, user, confirm, ref, *scans, **kw))
        if outcome != Busy.__name__:
            return outcome
    return outcome


async def test_two_receivers_on_one_delivery_never_take_more_than_came(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 60), ("TENT", 10))
    ref = f"receive/{asn['id']}"
    acts = [
        patient(world, user, receiving.confirm, ref, code, qty, plate(10 + number))
        for number, user in enumerate(("RITA", "ADA"))
        for code, qty in [(MUG, "7"), (TENT, "2")] * 5
    ]
    outcomes = await asyncio.gather(*acts)
    assert outcomes.count("ok") == 8 + 5  # 8 × 7 of 60, 5 × 2 of 10
    assert set(outcomes) == {"ok", "OverReceipt"}
    received = await table(world, "SELECT received FROM asn_line ORDER BY id")
    assert received == [(56,), (10,)]
    on_hand = [await build.on_hand(world, sku, "STAGE-IN") for sku in ("MUG", "TENT")]
    assert on_hand == [56, 10]
    assert len(await events(world, "receipt.started")) == 1
    await ledger_holds(world)


async def test_a_delivery_is_closed_once_and_no_act_slips_in_behind(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 60))
    ref = f"receive/{asn['id']}"
    await send(world, "RITA", receiving.confirm, ref, MUG, "60", plate(1))
    outcomes = await asyncio.gather(
        *[patient(world, user, receiving.confirm, ref, "yes", path="close")
          for user in ("RITA", "ADA", "SUE")],
        *[patient(world, "RITA", receiving.confirm, ref, MUG, "1", plate(2), path="over")
          for _ in range(3)],
    )  # fmt: skip
    assert outcomes[:3].count("ok") == 1
    [done] = await events(world, "receipt.completed")
    over = outcomes[3:].count("ok")
    assert done.get("over", 0) == over
    assert await build.on_hand(world, "MUG", "CLARIFY") == over
    await ledger_holds(world)


async def test_a_plate_is_filled_or_put_away_never_both(world: World) -> None:
    asn = await build.asn(world, "ASN-1", ("MUG", 60), ("TENT", 5))
    ref = f"receive/{asn['id']}"
    await send(world, "RITA", receiving.confirm, ref, MUG, "20", plate(1))
    await send(world, "RITA", receiving.confirm, ref, plate(1), path="full")

    async def put_away() -> str:
        tour = await claim(world, "PAUL", "putaway")
        if tour is None:
            return "none"
        [step] = (await look(world, "PAUL", putaway.packet, tour.id)).steps
        label = build.bin_label("A-02-02")
        return await patient(
            world, "PAUL", putaway.confirm, step.ref, plate(1), label, label, version=step.version
        )

    filled, put = await asyncio.gather(
        patient(world, "RITA", receiving.confirm, ref, MUG, "5", plate(1)), put_away()
    )
    held = (
        await build.on_hand(world, "MUG", "STAGE-IN"),
        await build.on_hand(world, "MUG", "A-02-02"),
    )
    assert sum(held) == 20 + 5 * (filled == "ok")
    assert put in ("ok", "none", "StaleStep", "WorkTaken")
    assert (put == "ok") == (held[1] > 0)
    await ledger_holds(world)


async def test_a_count_and_moves_out_of_its_bin_do_not_lose_goods(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 40)
    async with world.db.transaction() as tx:
        await request_count(tx, build.stamp(world, "SUE"), world.bins["A-01-01"], "plan")
    tour = await claim(world, "CARL", "count")
    assert tour is not None
    [step] = (await look(world, "CARL", counts.packet, tour.id)).steps
    here, there = build.bin_label("A-01-01"), build.bin_label("A-01-02")
    outcomes = await asyncio.gather(
        patient(world, "CARL", counts.confirm, step.ref, here, "39", version=step.version),
        *[patient(world, "PAUL", moving.confirm, "move/0", here, MUG, "", "1", there, path="loose")
          for _ in range(8)],
    )  # fmt: skip
    assert set(outcomes[1:]) == {"ok"}
    assert await build.on_hand(world, "MUG", "A-01-02") == 8
    delta = sum(each["delta"] for each in await events(world, "inventory.adjusted"))
    assert await build.on_hand(world, "MUG", "A-01-01") == 32 + delta
    await ledger_holds(world)


async def test_opposite_moves_of_two_plates_both_happen(world: World) -> None:
    for number, bin in ((1, "R-01-01"), (2, "R-02-01")):
        await build.plate(world, f"{number:05d}", bin, kind="pallet", state="closed")
        await build.stock(world, "MUG", bin, 10, lpn=f"{number:05d}")
    ones, twos = (f"lpn-{world.lpns[f'{n:05d}']}" for n in (1, 2))
    for _ in range(4):
        outcomes = await asyncio.gather(
            patient(world, "PAUL", moving.confirm, f"move/{ones}", MUG, "1", plate(2), path="part"),
            patient(world, "ADA", moving.confirm, f"move/{twos}", MUG, "1", plate(1), path="part"),
        )
        assert outcomes == ["ok", "ok"]
    held = [await build.on_hand(world, "MUG", bin) for bin in ("R-01-01", "R-02-01")]
    assert held == [10, 10]
    await ledger_holds(world)
