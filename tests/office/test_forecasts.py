"""The forecast of each truck: before a release, after it, when it is tight, when nobody plans."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests import world as w
from tests.office.test_pages import until
from tests.world import World
from web.office.drawing import draw_trucks
from wms.access import signin
from wms.outbound import outlook
from wms.outbound.forecast import Due, Pace, People, Trip, predict
from wms.planning.pool import PlanTimeout


@pytest.fixture(autouse=True)
def plan_right_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(plan: Any, problem: Any, timeout_s: float) -> Any:
        return plan(problem)

    monkeypatch.setattr(outlook, "offload", here)
    monkeypatch.setattr(outlook, "LOOK_S", 0.05)


async def sign_in_to_the_floor(world: World, user: str) -> None:
    async with world.db.transaction() as tx:
        attempt = await signin.start_attempt(tx, w.badge(user), w.PIN)
    async with world.db.transaction() as tx:
        await signin.open_session(tx, attempt, f"device-{user}", "W1", datetime.now(UTC))


async def order(world: World, name: str, minutes: int) -> int:
    """An order of three mugs whose truck leaves in so many minutes."""
    leaves = datetime.now(UTC) + timedelta(minutes=minutes)
    made = await w.order(world, name, ("MUG", 3), ship_to={}, cutoff_at=leaves)
    return made["id"]


async def test_nothing_has_to_leave_an_empty_warehouse(
    office: httpx.AsyncClient, world: World
) -> None:
    for url in ("/office/forecast", "/office/release/forecast"):
        answer = await office.get(url)
        assert answer.status_code == 200
        assert "Nothing on the floor has to leave" in answer.text


async def test_a_release_says_before_it_is_pressed_whether_the_truck_is_kept(
    office: httpx.AsyncClient, world: World
) -> None:
    await sign_in_to_the_floor(world, "PIA")
    await w.stock(world, "MUG", "A-01-01", 90)
    await order(world, "SO-1", 60)
    page = (await office.get("/office/release/forecast")).text
    assert "Every truck is kept" in page
    assert "1 picking" in page
    assert "to spare" in page
    assert await w.scalar(world, "SELECT sum(allocated) FROM balance WHERE warehouse_id = :w") == 0


async def test_who_will_be_late_is_named_and_only_the_chosen_are_looked_at(
    office: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 90)
    near = await order(world, "SO-NEAR", 1)
    far = await order(world, "SO-FAR", 90)
    page = (await office.get("/office/release/forecast")).text
    assert "1 order will miss the truck" in page
    assert f'href="/office/orders/{near}">SO-NEAR' in page
    assert "Nobody picks now" in page
    assert "SO-NEAR" not in (await office.get(f"/office/release/forecast?order={far}")).text


async def test_after_a_release_the_floor_itself_is_run_ahead(
    office: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 90)
    await order(world, "SO-1", 90)
    assert "Nothing on the floor" in (await office.get("/office/forecast")).text
    await office.post("/office/waves")
    await until(world, "SELECT state FROM wave WHERE warehouse_id = :w", "released")
    assert "Every truck is kept" in (await office.get("/office/forecast")).text
    async with world.db.transaction() as tx:
        await tx.execute(w.sa.text("UPDATE outbound_order SET hold_reason = 'credit'"))
    assert "Nothing on the floor" in (await office.get("/office/forecast")).text


async def test_a_busy_planner_makes_the_walks_guesses_not_the_page_slow(
    office: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any, **__: Any) -> Any:
        raise PlanTimeout("no planning worker was free")

    monkeypatch.setattr(outlook, "offload", busy)
    await w.stock(world, "MUG", "A-01-01", 90)
    await order(world, "SO-1", 60)
    page = (await office.get("/office/release/forecast")).text
    assert "walks are guessed" in page
    assert "Every truck is kept" in page


async def test_a_page_that_asks_again_does_not_plan_again(
    office: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def counting(plan: Any, problem: Any, timeout_s: float) -> Any:
        asked.append(len(problem.orders))
        return plan(problem)

    monkeypatch.setattr(outlook, "offload", counting)
    await w.stock(world, "MUG", "A-01-01", 90)
    await order(world, "SO-1", 60)
    pages = [(await office.get("/office/release/forecast")).text for _ in range(2)]
    assert asked == [1]
    assert all("Every truck is kept" in page for page in pages)


def test_the_axis_reaches_from_now_to_the_last_truck_and_red_begins_where_it_leaves() -> None:
    now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    dues = [
        Due(order_id=n, external_id=f"SO-{n}", carrier_id=1, carrier="DPD",
            cutoff_at=now + timedelta(minutes=minutes))
        for n, minutes in ((1, 30), (2, 60), (3, 60 * 40))
    ]  # fmt: skip
    trips = [Trip(rank=n, work_s=50 * 60, orders=(n,)) for n in (1, 2, 3)]
    forecast = predict(now, trips, dues, People(pickers=(1, 2)), Pace())
    late, kept, tomorrow = draw_trucks(forecast, ZoneInfo("UTC")).trucks
    assert (late.tone, kept.tone, tomorrow.tone) == ("bad", "warn", "good")
    assert late.leaves is not None
    assert late.done == pytest.approx(late.leaves + late.late, abs=0.02)
    assert tomorrow.leaves is None
    ticks = draw_trucks(forecast, ZoneInfo("UTC")).ticks
    assert [x for x, _ in ticks] == sorted(x for x, _ in ticks)
    assert 3 <= len(ticks) <= 9
