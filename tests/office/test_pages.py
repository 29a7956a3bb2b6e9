"""The supervisor's pages: empty and full, what they may do, and what they refuse."""

import asyncio
import re
from datetime import timedelta

import httpx
import pytest

from tests import world as w
from tests.office.conftest import sign_in
from tests.world import World
from wms.tasks import engine

PAGES = ["", "/now", "/orders", "/release", "/waves", "/counts", "/exceptions", "/events"]


async def order_state(world: World, name: str = "SO-1") -> str:
    return await w.scalar(
        world, "SELECT state FROM outbound_order WHERE warehouse_id = :w AND external_id = :name",
        name=name,
    )  # fmt: skip


async def until(world: World, statement: str, wanted: object) -> None:
    """Waits for a value that background planning writes."""
    for _ in range(1500):
        if await w.scalar(world, statement) == wanted:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{statement} never became {wanted}")


async def released(office: httpx.AsyncClient, world: World) -> str:
    """A released wave of one order; the URL of its page."""
    await w.stock(world, "MUG", "A-01-01", 9)
    await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1), ship_to={})
    answer = await office.post("/office/waves")
    await until(world, "SELECT state FROM wave WHERE warehouse_id = :w", "released")
    return answer.headers["location"]


async def test_nobody_looks_without_signing_in(browser: httpx.AsyncClient) -> None:
    for page in PAGES:
        answer = await browser.get(f"/office{page}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/office/login")


async def test_a_picker_is_refused(browser: httpx.AsyncClient, world: World) -> None:
    await sign_in(browser, "PIA")
    answer = await browser.get("/office")
    assert answer.status_code == 403
    assert "supervisor" in answer.text


async def test_a_wrong_pin_is_told(browser: httpx.AsyncClient, world: World) -> None:
    form = {"badge": w.badge("SUE"), "pin": "9999"}
    answer = await browser.post("/office/login", data=form)
    assert answer.status_code == 401
    assert "Wrong PIN" in answer.text


async def test_another_site_cannot_release(office: httpx.AsyncClient) -> None:
    answer = await office.post("/office/waves", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_shows_an_empty_warehouse(office: httpx.AsyncClient, page: str) -> None:
    answer = await office.get(f"/office{page}")
    assert answer.status_code == 200
    assert "style=" not in answer.text
    assert not re.search(r"<script(?![^>]*src)", answer.text)


async def test_a_release_is_previewed_done_and_followed(
    office: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    await w.stock(world, "LAMP", "STAGE-IN", 5)
    await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1), ship_to={})
    preview = (await office.get("/office/release")).text
    assert "go in part" in preview
    assert "in_putaway" in preview
    answer = await office.post("/office/waves")
    assert answer.status_code == 303
    await until(world, "SELECT state FROM wave WHERE warehouse_id = :w", "released")
    page = (await office.get(answer.headers["location"])).text
    assert 'class="plan"' in page
    assert "0 / 1" in page
    assert "SO-1" in (await office.get("/office/orders?state=released")).text


async def test_only_the_chosen_orders_are_released(office: httpx.AsyncClient, world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    one = await w.order(world, "SO-1", ("MUG", 3), ship_to={})
    await w.order(world, "SO-2", ("MUG", 3), ship_to={})
    await office.post("/office/waves", data={"chosen": "1", "order": str(one["id"])})
    await until(world, "SELECT state FROM wave WHERE warehouse_id = :w", "released")
    assert (await order_state(world), await order_state(world, "SO-2")) == ("released", "open")


async def test_a_program_gets_the_release_as_json(office: httpx.AsyncClient, world: World) -> None:
    await w.order(world, "SO-1", ("MUG", 3), ship_to={})
    answer = await office.post("/office/waves", headers={"Accept": "application/json"})
    assert answer.json()["wave_id"] is None
    assert [left["cause"] for left in answer.json()["left"]] == ["out_of_stock"]


async def test_a_wave_is_pulled_back(office: httpx.AsyncClient, world: World) -> None:
    url = await released(office, world)
    answer = await office.post(f"{url}/pull-back")
    assert "1+orders+of+1+tours" in answer.headers["location"]
    assert await order_state(world) == "open"
    assert "only a released wave" in (await office.get((await office.post(f"{url}/pull-back"))
                                                       .headers["location"])).text  # fmt: skip


async def test_a_claimed_tour_is_drawn_and_named(office: httpx.AsyncClient, world: World) -> None:
    url = await released(office, world)
    async with world.db.transaction() as tx:
        await engine.claim_next(tx, w.stamp(world), ["pick"])
    page = (await office.get(url)).text
    assert 'class="walk c0"' in page
    assert ">Pia<" in page
    assert (await office.get(f"{url}/progress")).status_code == 200


@pytest.mark.parametrize(
    ("act", "state"), [("hold", "held"), ("cancel", "cancelled"), ("close-out", "shorted")]
)
async def test_a_supervisor_acts_on_an_order(
    office: httpx.AsyncClient, world: World, act: str, state: str
) -> None:
    order = await w.order(world, "SO-1", ("MUG", 3), ship_to={"name": "Ida Holm"})
    url = f"/office/orders/{order['id']}"
    answer = await office.post(f"{url}/{act}", data={"reason": "credit"})
    assert answer.status_code == 303
    assert await order_state(world) == state
    page = (await office.get(url)).text
    assert "Ida Holm" in page
    assert "order." in page
    if act == "hold":
        await office.post(f"{url}/release-hold")
        assert await order_state(world) == "open"


async def test_lists_walk_on_and_filters_hold(office: httpx.AsyncClient, world: World) -> None:
    for number in range(55):
        await w.order(world, f"SO-{number:02d}", ("MUG", 1), ship_to={})
    first = (await office.get("/office/orders")).text
    more = re.search(r'href="([^"]+)" rel="next"', first)
    assert more is not None
    second = (await office.get(more[1].replace("&amp;", "&"))).text
    assert "SO-49" in first
    assert "SO-50" not in first
    assert "SO-50" in second
    found = (await office.get("/office/orders?search=-07")).text
    assert "SO-07" in found
    assert "SO-08" not in found


@pytest.mark.parametrize("path", ["/office/orders/99", "/office/waves/99", "/office/nothing"])
async def test_what_is_not_there_is_said_on_a_page(office: httpx.AsyncClient, path: str) -> None:
    answer = await office.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("query", ["cutoff=x", "cutoff=2026-01-01", "carrier=x", "state=zz"])
async def test_nonsense_in_the_address_asks_for_nothing(
    office: httpx.AsyncClient, query: str
) -> None:
    assert (await office.get(f"/office/orders?{query}")).status_code == 200
    assert (await office.get(f"/office/release?{query}")).status_code == 200


async def test_goods_in_silent_hands_are_handed_over(
    office: httpx.AsyncClient, world: World
) -> None:
    await released(office, world)
    async with world.db.transaction() as tx:
        tour = await engine.claim_next(
            tx, w.stamp(world, at=world.at - timedelta(days=1)), ["pick"]
        )
        assert tour is not None
        await tx.execute(w.sa.text("UPDATE tour SET goods_in_hand = true"))
    assert "Pia" in (await office.get("/office/exceptions")).text
    to = {"to": str(world.users["PETE"])}
    await office.post(f"/office/tours/{tour.id}/hand-over", data=to)
    assert await w.scalar(world, "SELECT claimed_by FROM tour") == world.users["PETE"]
