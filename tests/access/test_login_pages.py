"""The sign-in pages over HTTP: cookies, cross-site posts, open redirects, the guard by role."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State

from tests import world as build
from tests.world import PIN, World
from web import session as web_session
from web.scanner import login
from wms.access import clients
from wms.errors import WmsError
from wms.settings import Settings

KNOWN_DEVICE = "01234567-89ab-cdef-0123-456789abcdef"


@get("/picker", guards=[web_session.needs("picker")])
async def picker_page(request: Request[Any, Any, Any]) -> str:
    session = await web_session.session_of(request)
    stamp = web_session.stamp_of(session)
    return f"{stamp.actor} {session.device} {web_session.initials(session.name)}"


@get("/orders", guards=[web_session.needs_scope("orders:read")])
async def partner_page(request: Request[Any, Any, Any]) -> str:
    client = await web_session.client_of(request)
    return web_session.partner_stamp(client, client.warehouse_ids[0]).actor


def refused(_request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    assert isinstance(error, WmsError)
    return Response(error.code, status_code=403)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        route_handlers=[*login.HANDLERS, picker_page, partner_page],
        state=State({"db": world.db, "settings": Settings()}),
        exception_handlers={WmsError: refused},
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://wms.test") as client:
        yield client


async def enter(browser: httpx.AsyncClient, user: str, **fields: str) -> httpx.Response:
    form = {"badge": build.badge(user), "pin": PIN, **fields}
    return await browser.post("/floor/login", data=form)


async def test_badge_then_pin_leads_to_work_and_out_again(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/floor/login")).status_code == 200
    asked = await browser.post("/floor/login", data={"badge": build.badge("PIA")})
    assert asked.status_code == 200
    assert "Pia" in asked.text
    assert "session" not in browser.cookies
    entered = await enter(browser, "PIA")
    assert (entered.status_code, entered.headers["location"]) == (303, "/floor")
    cookies = entered.headers.get_list("set-cookie")
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie for cookie in cookies)
    device = browser.cookies["device"]
    assert (await browser.get("/picker")).text == f"user:PIA {device} P"
    left = await browser.post("/floor/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/floor/login")
    assert (await browser.get("/picker")).text == "NotSignedIn"
    await enter(browser, "PETE")
    assert browser.cookies["device"] == device


async def test_who_was_signed_out_meanwhile_is_told_so(browser: httpx.AsyncClient) -> None:
    assert "signed out" not in (await browser.get("/floor/login")).text
    await enter(browser, "PIA")
    assert "signed out" not in (await browser.get("/floor/login")).text
    browser.cookies.set("session", "one that ended", domain="wms.test")
    assert "You were signed out" in (await browser.get("/floor/login")).text


async def test_wrong_things_in_the_fields_are_said_and_open_nothing(
    browser: httpx.AsyncClient,
) -> None:
    for fields, said in (
        ({"pin": build.badge("PIA")}, "never a PIN"),
        ({"pin": "0000"}, "Wrong PIN"),
        ({"badge": build.bin_label("A-01-01")}, "not a badge"),
        ({"badge": PIN}, "not a badge"),
    ):
        answer = await enter(browser, "PIA", **fields)
        assert (answer.status_code, said in answer.text) == (401, True), fields
    assert "session" not in browser.cookies


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/floor/next", "/floor/next"),
        ("//evil.example", "/floor"),
        ("/\\evil.example", "/floor"),
        ("https://evil.example", "/floor"),
    ],
)
async def test_next_stays_in_the_house(
    browser: httpx.AsyncClient, wanted: str, leads_to: str
) -> None:
    answer = await enter(browser, "PIA", next=wanted)
    assert answer.headers["location"] == leads_to


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://wms.test"}, 303),
        ({}, 303),
    ],
)
async def test_a_post_from_another_site_is_refused(
    browser: httpx.AsyncClient, headers: dict[str, str], code: int
) -> None:
    form = {"badge": build.badge("PIA"), "pin": PIN}
    answer = await browser.post("/floor/login", data=form, headers=headers)
    assert answer.status_code == code


async def test_a_role_is_asked_and_a_forged_device_is_replaced(browser: httpx.AsyncClient) -> None:
    browser.cookies.set("device", "../../etc", domain="wms.test")
    await enter(browser, "PAT")
    assert (await browser.get("/picker")).text == "RoleMissing"
    devices = [cookie.value for cookie in browser.cookies.jar if cookie.name == "device"]
    assert any(device and len(device) == len(KNOWN_DEVICE) for device in devices)


async def test_with_two_warehouses_the_device_says_once_where_it_is(
    world: World, browser: httpx.AsyncClient
) -> None:
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("INSERT INTO warehouse (code, name) VALUES ('W2', 'Second')")
    assert "Which warehouse" in (await enter(browser, "PIA")).text
    assert "no warehouse W9" in (await browser.get("/floor/login?warehouse=W9")).text
    await browser.get("/floor/login?warehouse=W2")
    assert (await enter(browser, "PIA")).status_code == 303
    where = "SELECT w.code FROM session s JOIN warehouse w ON w.id = s.warehouse_id WHERE :w > 0"
    assert await build.scalar(world, where) == "W2"


async def test_a_partner_needs_a_key_with_the_scope(
    world: World, browser: httpx.AsyncClient
) -> None:
    async with world.db.transaction() as tx:
        ids = [world.warehouse_id]
        reader = await clients.create_client(tx, "ERP", warehouse_ids=ids, scopes=["orders:read"])
        other = await clients.create_client(tx, "TMS", warehouse_ids=ids, scopes=["asns:read"])
    for header, said in (
        (f"Bearer {reader}", "partner:ERP"),
        (f"Bearer {other}", "ScopeMissing"),
        ("Bearer nonsense", "KeyUnknown"),
        ("", "CredentialMissing"),
    ):
        answer = await browser.get("/orders", headers={"authorization": header})
        assert answer.text == said
