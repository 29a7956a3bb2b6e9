"""The slotting page: asks, shows what pays back, sends what was chosen to the floor."""

from typing import Any

import httpx
import pytest

from tests import world as w
from tests.outbound.test_slotting import misplaced
from tests.world import World
from wms.outbound import slotting
from wms.planning.pool import PlanTimeout


@pytest.fixture(autouse=True)
def plan_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(plan: Any, problem: Any, timeout_s: float) -> Any:
        return plan(problem)

    monkeypatch.setattr(slotting, "offload", here)
    monkeypatch.setattr(slotting, "SECONDS", 0.2)


async def test_an_empty_house_is_told_why_and_nonsense_asks_for_the_usual(
    office: httpx.AsyncClient,
) -> None:
    page = (await office.get("/office/slotting?days=x&payback=-3")).text
    assert 'value="28"' in page
    assert 'value="30"' in page
    assert "style=" not in page
    found = (await office.get("/office/slotting/proposal")).text
    assert "no orders to learn from" in found
    none = await office.post("/office/slotting", data={})
    assert "None+chosen" in none.headers["location"]


async def test_chosen_moves_become_work_of_the_floor(
    office: httpx.AsyncClient, world: World
) -> None:
    await misplaced(world)
    # The world stands in its own time: every order counts as one of the last days.
    async with world.db.transaction() as tx:
        await tx.execute(w.sa.text("UPDATE outbound_order SET created_at = now()"))
    page = (await office.get("/office/slotting/proposal?payback=300")).text
    assert "m a day" in page
    key = page.split('name="move" value="')[1].split('"')[0]
    answer = await office.post("/office/slotting", data={"move": [key, "1:1:1:0"]})
    assert "1+move+on+the+way" in answer.headers["location"]
    assert "1+changed" in answer.headers["location"]
    kinds = "SELECT kind FROM tour WHERE warehouse_id = :w"
    assert await w.scalar(world, kinds) == "replenish"
    assert "1 move of earlier proposals" in (await office.get("/office/slotting")).text


async def test_a_busy_planner_is_said_on_the_page(
    office: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any, **__: Any) -> Any:
        raise PlanTimeout("no planning worker was free")

    monkeypatch.setattr(slotting, "offload", busy)
    await misplaced(world)
    async with world.db.transaction() as tx:
        await tx.execute(w.sa.text("UPDATE outbound_order SET created_at = now()"))
    assert "planner is busy" in (await office.get("/office/slotting/proposal")).text
