"""Putaway over its procedures: targets, other bins, full and blocked bins, mixed plates."""

import asyncio
from typing import Any

import pytest

from tests import world as build
from tests.floor.acting import claim, events, ledger_holds, look, send, table
from tests.world import World
from wms import barcodes
from wms.inbound import putaway, receiving
from wms.inbound.putaway import OthersFirst
from wms.inventory.fits import BinBlocked, BinFull, BinKeepsOneItem, NotStorage
from wms.steps import Answer, Step, WrongScan
from wms.tasks.rules import StaleStep, WorkTaken

LP1, LP2, LP3 = (barcodes.label("LP", f"{n:05d}") for n in (1, 2, 3))
MUG_MM3, MUG_G = 120 * 100 * 80, 400


async def stage(world: World, plate: str, *goods: tuple[str, int], name: str = "ASN-1") -> None:
    """Goods received on a plate that is complete: a putaway tour is ready."""
    asn = await build.asn(world, name, *goods)
    for sku, qty in goods:
        ref = f"receive/{asn['id']}"
        await send(world, "RITA", receiving.confirm, ref, build.gtin(sku), str(qty), plate)
    await send(world, "RITA", receiving.confirm, ref, "yes", path="close")


async def steps(world: World, user: str = "PAUL") -> tuple[Step, ...]:
    """The open steps of the person's tour, claimed if there is none."""
    mine = await table(
        world,
        "SELECT id FROM tour WHERE warehouse_id = :w AND claimed_by = :u AND state = 'claimed'",
        u=world.users[user],
    )
    if not mine:
        tour = await claim(world, user, "putaway")
        assert tour is not None
        mine = [(tour.id,)]
    return (await look(world, user, putaway.packet, mine[0][0])).steps


async def put(world: World, step: Step, *scans: str, path: str = "", user: str = "PAUL") -> Answer:
    return await send(
        world, user, putaway.confirm, step.ref, *scans, path=path, version=step.version
    )


def target(step: Step) -> str:
    return next(q.show for q in step.questions if q.fact == "bin")


async def shape(world: World, bins: str, **columns: Any) -> None:
    """Change columns of the bins whose code is like `bins`."""
    sets = ", ".join(f"{name} = {value}" for name, value in columns.items())
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(f"UPDATE bin SET {sets} WHERE code LIKE '{bins}'")


async def test_goods_leave_the_plate_in_a_pick_bin_and_the_plate_is_void(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    answer = await put(world, step, LP1, build.bin_label(target(step)))
    assert (answer.tone, answer.say) == ("task_done", f"48 × MUG in {target(step)}")
    assert await build.on_hand(world, "MUG", target(step)) == 48
    assert await table(world, "SELECT state FROM lpn") == [("void",)]
    [told] = await events(world, "putaway.completed")
    assert told["to"] == {"bin": target(step)}
    assert await build.scalar(world, "SELECT state FROM tour WHERE warehouse_id = :w") == "done"
    await ledger_holds(world)


async def test_the_check_digits_prove_the_bin(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    await put(world, step, LP1, barcodes.check_digits(target(step)))
    assert await build.on_hand(world, "MUG", target(step)) == 48


async def test_the_target_is_beside_the_same_item(world: World) -> None:
    await build.stock(world, "MUG", "A-02-09", 3)
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    assert target(step) == "A-02-09"
    assert step.note == "same item stands there"


async def test_a_plate_too_big_for_pick_bins_stays_whole_in_reserve(world: World) -> None:
    await shape(world, "A-%", capacity_mm3=20 * MUG_MM3)
    await shape(world, "R-%", capacity_lpns=1)
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    assert target(step).startswith("R-")
    assert step.qty == "whole plate"
    await put(world, step, LP1, build.bin_label(target(step)))
    [[state, bin_id]] = await table(world, "SELECT state, bin_id FROM lpn")
    assert (state, bin_id) == ("closed", world.bins[target(step)])
    assert await build.on_hand(world, "MUG", target(step)) == 48
    await ledger_holds(world)


async def test_space_is_promised_so_two_plates_never_get_the_same_room(world: World) -> None:
    await shape(world, "A-%", capacity_mm3=20 * MUG_MM3)
    await shape(world, "R-%", capacity_lpns=1)
    for number, plate in enumerate((LP1, LP2, LP3)):
        await stage(world, plate, ("MUG", 48), name=f"ASN-{number}")
    bins = await table(world, "SELECT to_bin_id FROM task WHERE warehouse_id = :w")
    assert len(set(bins)) == 3


async def test_two_plates_closed_at_once_get_room_of_their_own(world: World) -> None:
    await shape(world, "A-%", blocked="true")
    await shape(world, "R-%", capacity_lpns=1)
    asns = [await build.asn(world, f"ASN-{n}", ("MUG", 48)) for n in range(6)]
    for number, asn in enumerate(asns):
        plate = barcodes.label("LP", f"{number:05d}")
        ref = f"receive/{asn['id']}"
        await send(world, "RITA", receiving.confirm, ref, build.gtin("MUG"), "48", plate)
    await asyncio.gather(
        *[send(world, "RITA", receiving.confirm, f"receive/{asn['id']}", "yes", path="close")
          for asn in asns]
    )  # fmt: skip
    bins = await table(world, "SELECT to_bin_id FROM task WHERE warehouse_id = :w")
    assert len(bins) == len(set(bins)) == 6


async def test_another_legal_bin_is_taken_after_its_second_scan(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    other = "A-02-05" if target(step) != "A-02-05" else "A-02-06"
    with pytest.raises(WrongScan):
        await put(world, step, LP1, build.bin_label(other), build.bin_label("A-02-07"))
    await put(world, step, LP1, build.bin_label(other), build.bin_label(other))
    assert await build.on_hand(world, "MUG", other) == 48


async def test_an_illegal_bin_is_refused_with_its_reason(world: World) -> None:
    await build.stock(world, "TENT", "A-02-05", 1)
    await shape(world, "A-02-05", mix_items="false")
    await shape(world, "A-02-06", capacity_mm3=10 * MUG_MM3)
    await shape(world, "A-02-07", blocked="true")
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    for code, reason in (
        ("A-02-05", BinKeepsOneItem),
        ("A-02-06", BinFull),
        ("A-02-07", BinBlocked),
        ("PACK-1", NotStorage),
    ):
        label = build.bin_label(code)
        with pytest.raises(reason):
            await put(world, step, LP1, label, label)
    assert await build.on_hand(world, "MUG", "STAGE-IN") == 48


async def test_a_full_bin_takes_what_fits_and_is_remembered(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    first = target(step)
    answer = await put(world, step, LP1, build.bin_label(first), "20", path="full")
    assert answer.tone == "care"
    assert await build.on_hand(world, "MUG", first) == 20
    assert await build.on_hand(world, "MUG", "HAND-PAUL") == 28
    [step] = await steps(world)
    assert target(step) != first
    await put(world, step, build.bin_label(target(step)))
    assert await build.on_hand(world, "MUG", target(step)) == 28
    assert await table(world, "SELECT state FROM lpn") == [("void",)]
    await stage(world, LP2, ("MUG", 5), name="ASN-2")
    [step] = await steps(world)
    assert target(step) != first
    await put(world, step, LP2, build.bin_label(first), build.bin_label(first))
    assert await table(world, "SELECT bin_id FROM bin_full") == []  # it took more after all
    assert [each["code"] for each in await events(world, "task.exception_raised")] == ["bin_full"]
    await ledger_holds(world)


async def test_an_empty_bin_that_is_full_is_counted(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    await put(world, step, LP1, build.bin_label(target(step)), path="full")
    [[bin_id, cause]] = await table(world, "SELECT bin_id, cause FROM count")
    assert (bin_id, cause) == (world.bins[target(step)], "plan")
    [step] = await steps(world)
    await put(world, step, LP1, build.bin_label(target(step)))
    await ledger_holds(world)


async def test_a_blocked_bin_is_left_out_from_then_on(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    blocked = target(step)
    await put(world, step, path="blocked")
    assert await build.scalar(
        world, "SELECT blocked FROM bin WHERE warehouse_id = :w AND code = :c", c=blocked
    )
    [step] = await steps(world)
    assert target(step) != blocked
    await put(world, step, LP1, build.bin_label(target(step)))


async def test_a_mixed_plate_is_broken_up_item_by_item(world: World) -> None:
    await stage(world, LP1, ("MUG", 48), ("TENT", 2))
    first, second = await steps(world)
    sku = "MUG" if "MUG" in first.name else "TENT"
    wrong = build.gtin("TENT" if sku == "MUG" else "MUG")
    with pytest.raises(WrongScan):
        await put(world, first, LP1, wrong, build.bin_label(target(first)))
    await put(world, first, LP1, build.gtin(sku), build.bin_label(target(first)))
    assert await table(world, "SELECT goods_in_hand FROM tour") == [(True,)]
    [second] = await steps(world)
    answer = await put(world, second, build.bin_label(target(second)))
    assert answer.tone == "task_done"
    assert await table(world, "SELECT state FROM lpn") == [("void",)]
    assert await build.on_hand(world, "MUG", "HAND-PAUL") == 0
    await ledger_holds(world)


async def test_without_any_room_the_person_finds_a_bin(world: World) -> None:
    await shape(world, "A-%", blocked="true")
    await shape(world, "R-%", blocked="true")
    await stage(world, LP1, ("MUG", 48))
    [told] = await events(world, "task.exception_raised")
    assert told["code"] == "no_bin"
    await shape(world, "A-02-01", blocked="false")
    [step] = await steps(world)
    label = build.bin_label("A-02-01")
    await put(world, step, LP1, label, label)
    assert await build.on_hand(world, "MUG", "A-02-01") == 48


async def test_only_its_person_puts_and_only_once(world: World) -> None:
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    label = build.bin_label(target(step))
    with pytest.raises(WorkTaken):
        await put(world, step, LP1, label, user="ADA")
    await put(world, step, LP1, label)
    with pytest.raises(StaleStep):
        await put(world, step, LP1, label)
    assert await build.on_hand(world, "MUG", target(step)) == 48


async def test_where_no_bin_has_room_the_plate_is_set_aside(world: World) -> None:
    await shape(world, "A-%", blocked="true")
    await shape(world, "R-%", blocked="true")
    await stage(world, LP1, ("MUG", 48))
    [step] = await steps(world)
    answer = await put(world, step, LP1, build.bin_label("CLARIFY"), path="aside")
    assert answer.tone == "task_done"
    assert await build.on_hand(world, "MUG", "CLARIFY") == 48
    assert await table(world, "SELECT state FROM task") == [("cancelled",)]
    codes = [each["code"] for each in await events(world, "task.exception_raised")]
    assert codes == ["no_bin", "set_aside"]
    await ledger_holds(world)


async def test_the_rest_of_an_opened_plate_is_set_aside_or_goes_to_reserve(world: World) -> None:
    await shape(world, "A-%", blocked="true")
    await shape(world, "A-02-05", blocked="false", capacity_mm3=20 * MUG_MM3)
    await shape(world, "R-%", capacity_mm3=30 * MUG_MM3)
    await stage(world, LP1, ("MUG", 48))
    into_pick, rest = await steps(world)
    assert (target(into_pick), target(rest)[0]) == ("A-02-05", "R")
    with pytest.raises(OthersFirst):
        await put(world, rest, LP1, build.bin_label(target(rest)))
    await put(world, into_pick, LP1, build.bin_label("A-02-05"))
    [rest] = await steps(world)
    await put(world, rest, build.bin_label(target(rest)))
    assert await build.on_hand(world, "MUG", target(rest)) == 28
    await ledger_holds(world)
