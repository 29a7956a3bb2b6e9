"""Badge and PIN: never one for the other, every guess counts, a lock only a supervisor opens."""

import asyncio
from datetime import timedelta

import pytest

from tests import world as build
from tests.world import PIN, World
from wms import barcodes
from wms.access import queries, signin
from wms.access.signin import (
    BadgeLocked,
    BadgeUnknown,
    NotABadge,
    NotAPin,
    WarehouseUnknown,
    WrongPin,
)
from wms.errors import Denied


async def try_pin(world: World, user: str, pin: str) -> signin.Attempt:
    async with world.db.transaction() as tx:
        attempt = await signin.start_attempt(tx, build.badge(user), pin)
    signin.check_pin(attempt, pin)
    return attempt


async def failed_pins(world: World, user: str) -> int:
    return await build.scalar(
        world, "SELECT failed_pins FROM app_user WHERE code = :user AND :w > 0", user=user
    )


async def test_badge_and_pin_open_a_session_of_that_person_and_device(world: World) -> None:
    token = await build.sign_in(world, "PIA")
    async with world.db.reading() as tx:
        session = await signin.find_session(tx, token, world.at)
        signed_in = await queries.list_signed_in(tx, world.warehouse_id, world.at)
    assert session is not None
    assert (session.code, session.roles, session.device) == ("PIA", ("picker",), "device-PIA")
    assert (session.warehouse_id, session.warehouse_code) == (world.warehouse_id, "W1")
    assert [(person.code, person.bin_code) for person in signed_in] == [("PIA", None)]


@pytest.mark.parametrize("scanned", ["", "hello", build.bin_label("A-01-01"), "BD-B.PIA-0", PIN])
async def test_only_a_badge_label_is_a_badge(world: World, scanned: str) -> None:
    async with world.db.transaction() as tx:
        with pytest.raises(NotABadge):
            await signin.start_attempt(tx, scanned, PIN)


@pytest.mark.parametrize("pin", [build.badge("PIA"), "", "12", "1234567", "12a4", "١٢٣٤"])
async def test_a_badge_in_the_pin_field_is_refused_and_counts_no_attempt(
    world: World, pin: str
) -> None:
    with pytest.raises(NotAPin):
        await try_pin(world, "PIA", pin)
    assert await failed_pins(world, "PIA") == 0


async def test_an_unknown_or_inactive_badge_is_denied(world: World) -> None:
    async with world.db.transaction() as tx:
        with pytest.raises(BadgeUnknown):
            await signin.start_attempt(tx, barcodes.label("BD", "NOBODY"), PIN)
        await tx.exec_driver_sql("UPDATE app_user SET active = false WHERE code = 'PIA'")
    with pytest.raises(BadgeUnknown):
        await try_pin(world, "PIA", PIN)


async def test_five_wrong_pins_lock_the_badge_until_it_is_unlocked(world: World) -> None:
    for left in (4, 3, 2, 1):
        with pytest.raises(WrongPin, match=f"{left} more"):
            await try_pin(world, "PIA", "0000")
    with pytest.raises(BadgeLocked):
        await try_pin(world, "PIA", "0000")
    with pytest.raises(BadgeLocked):
        await try_pin(world, "PIA", PIN)
    async with world.db.reading() as tx:
        locked = [person.code for person in await queries.list_people(tx) if person.locked]
    assert locked == ["PIA"]
    async with world.db.transaction() as tx:
        await signin.unlock(tx, "PIA")
        with pytest.raises(signin.UserUnknown):
            await signin.unlock(tx, "NOBODY")
    assert await build.sign_in(world, "PIA")
    assert await failed_pins(world, "PIA") == 0


async def test_parallel_guesses_are_all_counted(world: World) -> None:
    async def guess(number: int) -> str:
        try:
            await try_pin(world, "PIA", f"000{number}")
        except Denied as refusal:
            return refusal.code
        return "in"

    answers = await asyncio.gather(*(guess(number) for number in range(9)))
    assert sorted(answers) == ["BadgeLocked"] * 5 + ["WrongPin"] * 4


async def test_a_device_has_one_person_and_a_session_ends(world: World) -> None:
    first = await build.sign_in(world, "PIA", "handheld-7")
    second = await build.sign_in(world, "PETE", "handheld-7")
    async with world.db.transaction() as tx:
        assert await signin.find_session(tx, first, world.at) is None
        assert await signin.find_session(tx, second, world.at) is not None
        later = world.at + signin.SESSION_LIFE
        assert await signin.find_session(tx, second, later) is None
        assert await signin.forget_sessions(tx, later + timedelta(seconds=1)) == 1
    third = await build.sign_in(world, "PETE", "handheld-7")
    async with world.db.transaction() as tx:
        await signin.sign_out(tx, third)
        await signin.sign_out(tx, third)
        assert await signin.find_session(tx, third, world.at) is None


async def test_a_session_needs_a_warehouse_and_an_active_user(world: World) -> None:
    attempt = await try_pin(world, "PIA", PIN)
    async with world.db.transaction() as tx:
        with pytest.raises(WarehouseUnknown):
            await signin.open_session(tx, attempt, "d", "W9", world.at)
        await tx.exec_driver_sql("UPDATE app_user SET active = false WHERE code = 'PIA'")
        with pytest.raises(BadgeUnknown):
            await signin.open_session(tx, attempt, "d", "W1", world.at)
