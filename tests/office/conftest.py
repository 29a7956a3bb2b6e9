"""The office over HTTP, signed in as the supervisor; planning by the simple rule, right here."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests import world as w
from tests.world import World
from web.app import create_app
from wms.outbound import waves
from wms.outbound.carton_plan import BoxProblem, PlannedCarton
from wms.outbound.wave_plan import Problem, WavePlan, plan_simply
from wms.settings import Settings


@pytest.fixture(autouse=True)
def plan_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def simply(problem: Problem) -> WavePlan:
        return plan_simply(problem)

    async def none(problem: BoxProblem) -> tuple[PlannedCarton, ...]:
        return ()

    monkeypatch.setattr(waves, "_plan", simply)
    monkeypatch.setattr(waves, "_boxes", none)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with nobody signed in."""
    app = create_app(Settings(database_url=world.db.url, pool_size=4), background=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", headers=headers
    ) as client:
        yield client
    await app.state.db.close()


async def sign_in(browser: httpx.AsyncClient, user: str) -> httpx.Response:
    form = {"badge": w.badge(user), "pin": w.PIN}
    return await browser.post("/office/login", data=form)


@pytest_asyncio.fixture(loop_scope="session")
async def office(browser: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same browser with the supervisor signed in."""
    assert (await sign_in(browser, "SUE")).headers["location"] == "/office"
    return browser
