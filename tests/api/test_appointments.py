"""Dock appointments: nobody books a dock twice, free times are true, trucks come or are missed."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from sqlalchemy import text

from tests import world as w
from tests.api.partners import partner
from tests.world import NOW, World, scalar
from wms.inbound import appointments
from wms.inbound.appointments import QUARTER, gaps

PATH = "/v1/warehouses/W1/appointments"
DOCKS = "/v1/warehouses/W1/docks/availability?day=2026-03-02&dock=DOCK-1"


def slot(hours: float = 1, minutes: int = 60, **more: Any) -> dict[str, Any]:
    start = NOW + timedelta(hours=hours)
    return {"carrier": "PARCEL", "dock": "DOCK-1", "starts_at": start.isoformat(),
            "ends_at": (start + timedelta(minutes=minutes)).isoformat()} | more  # fmt: skip


async def told(world: World, type: str) -> int:
    return await scalar(world, "SELECT count(*) FROM outbox WHERE type = :type", type=type)


async def test_a_booking_is_made_once_changed_and_called_off(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.asn(world, "ASN-1", ("MUG", 5))
    document = slot(asns=[{"owner": "ACME", "external_id": "ASN-1"}], source_version=2)
    made = await erp.put(f"{PATH}/AP-1", json=document)
    assert (made.status_code, made.json()["outcome"], made.json()["version"]) == (201, "created", 1)
    assert (await erp.put(f"{PATH}/AP-1", json=document)).json()["outcome"] == "exists"
    stale = await erp.put(f"{PATH}/AP-1", json=slot(3, source_version=1))
    assert stale.json()["outcome"] == "ignored_stale"
    moved = await erp.put(f"{PATH}/AP-1", json=document | slot(1.5, source_version=3))
    assert (moved.status_code, moved.json()["version"]) == (200, 2)
    assert moved.json()["asns"] == document["asns"]
    listed = await erp.get(f"{PATH}?day=2026-03-02&state=booked")
    assert [each["external_id"] for each in listed.json()["appointments"]] == ["AP-1"]
    gone = await erp.post(f"{PATH}/AP-1/cancel", json={"reason": "strike"})
    assert (gone.json()["state"], gone.json()["reason"]) == ("cancelled", "strike")
    assert (await erp.post(f"{PATH}/AP-1/cancel")).json()["outcome"] == "exists"
    late = await erp.put(f"{PATH}/AP-1", json=slot(4))
    assert (late.status_code, late.json()["type"]) == (409, "/problems/exists-with-different")
    assert await scalar(world, "SELECT count(*) FROM dock_slot") == 0
    for verb in ("booked", "changed", "cancelled"):
        assert await told(world, f"appointment.{verb}") == 1


async def test_of_many_who_want_one_dock_one_gets_it(erp: httpx.AsyncClient, world: World) -> None:
    wanted = [erp.put(f"{PATH}/AP-{n}", json=slot(1 + n / 10)) for n in range(5)]
    answers = await asyncio.gather(*wanted)
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409, 409]
    assert await scalar(world, "SELECT count(*) FROM appointment") == 1
    refused = next(each for each in answers if each.status_code == 409)
    assert refused.json()["code"] == "DockTaken"
    other = await erp.put(f"{PATH}/AP-9", json=slot(dock="DOCK-FREIGHT"))
    assert other.status_code == 201


async def test_a_change_that_finds_the_dock_taken_changes_nothing(
    erp: httpx.AsyncClient, world: World
) -> None:
    await erp.put(f"{PATH}/AP-1", json=slot(1))
    await erp.put(f"{PATH}/AP-2", json=slot(3))
    assert (await erp.put(f"{PATH}/AP-2", json=slot(1.5))).status_code == 409
    free = (await erp.get(DOCKS)).json()["docks"][0]["free"]
    assert [(each["starts_at"][11:16], each["ends_at"][11:16]) for each in free] == [
        ("23:00", "09:00"), ("10:00", "11:00"), ("12:00", "23:00"),
    ]  # fmt: skip


async def test_trucks_arrive_with_their_goods_or_are_missed(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.asn(world, "ASN-1", ("MUG", 5), state="receiving")
    refs = [{"owner": "ACME", "external_id": "ASN-1"}]
    for name, at, asns in (("AP-1", 1, refs), ("AP-2", 3, []), ("AP-3", 9, [])):
        assert (await erp.put(f"{PATH}/{name}", json=slot(at, asns=asns))).status_code == 201
    stamp = w.stamp(world, "SUE", at=NOW + timedelta(hours=6))
    async with world.db.transaction() as tx:
        assert await appointments.follow(tx, stamp) == 2
    states = [(await erp.get(f"{PATH}/AP-{n}")).json()["state"] for n in (1, 2, 3)]
    assert states == ["arrived", "missed", "booked"]
    late = await erp.post(f"{PATH}/AP-2/outcome", json={"outcome": "arrived"})
    assert late.json()["state"] == "arrived"
    done = await erp.post(f"{PATH}/AP-1/outcome", json={"outcome": "completed"})
    assert done.json()["state"] == "completed"
    wrong = await erp.post(f"{PATH}/AP-3/outcome", json={"outcome": "completed"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "IllegalStep")


async def test_partners_of_some_owners_see_and_name_their_own(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    await w.asn(world, "ASN-1", ("MUG", 5))
    await erp.put(f"{PATH}/AP-1", json=slot(1))
    async with partner(app, world, "BREWER", owners=["BREW"]) as brew:
        assert (await brew.get(f"{PATH}/AP-1")).status_code == 404
        taken = await brew.put(f"{PATH}/AP-1", json=slot(5))
        assert (taken.status_code, taken.json()["code"]) == (409, "NameTaken")
        refs = [{"owner": "ACME", "external_id": "ASN-1"}]
        foreign = await brew.put(f"{PATH}/AP-2", json=slot(5, asns=refs))
        assert foreign.status_code == 422  # as one that nobody announced
        assert (await brew.put(f"{PATH}/AP-2", json=slot(5))).status_code == 201
        assert len((await brew.get(PATH)).json()["appointments"]) == 1


async def test_every_error_is_told_at_once(erp: httpx.AsyncClient) -> None:
    bad = slot(dock="A-01-01", carrier="NOBODY", minutes=0,
               asns=[{"owner": "ACME", "external_id": "?"}])  # fmt: skip
    answer = await erp.put(f"{PATH}/AP-1", json=bad)
    assert answer.status_code == 422
    assert {each["path"] for each in answer.json()["errors"]} == {
        "/carrier", "/dock", "/ends_at", "/asns/0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "url", [f"{PATH}/a%00b", f"{PATH}?day=2026-02-30", f"{PATH}?after=1.99999999999999999999",
            f"{PATH}?state=gone", DOCKS.replace("2026-03-02", "soon")],
)  # fmt: skip
async def test_what_can_never_be_right_is_refused(erp: httpx.AsyncClient, url: str) -> None:
    assert (await erp.get(url)).status_code == 400


async def test_the_table_itself_refuses_a_second_booking(
    erp: httpx.AsyncClient, world: World
) -> None:
    made = await erp.put(f"{PATH}/AP-1", json=slot(1))
    again = text("INSERT INTO dock_slot SELECT warehouse_id, dock_id, at, :id FROM dock_slot")
    async with world.db.engine.connect() as connection:
        with pytest.raises(Exception, match="dock_slot_pkey"):
            await connection.execute(again, {"id": made.json()["id"]})


@given(st.sets(st.integers(0, 95)))
def test_free_and_taken_times_make_a_day(taken: set[int]) -> None:
    until = NOW + 96 * QUARTER
    free = gaps([NOW + n * QUARTER for n in sorted(taken)], NOW, until)
    quarters: set[datetime] = set()
    for each in free:
        at = each.starts_at
        while at < each.ends_at:
            quarters.add(at)
            at += QUARTER
    assert quarters == {NOW + n * QUARTER for n in range(96)} - {NOW + n * QUARTER for n in taken}
