"""The access pages: badges unlocked, PINs reset by who may, keys shown once; all of it audited."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests import world as w
from tests.world import PIN, World
from web.app import create_app
from wms.access import audit
from wms.access.audit import Entry, Wanted
from wms.settings import Settings

CLIENTS = "/office/access/clients"


@pytest_asyncio.fixture(loop_scope="session")
async def app(world: World) -> AsyncIterator[Litestar]:
    made = create_app(Settings(database_url=world.db.url, pool_size=4), background=False)
    yield made
    await made.state.db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", headers=headers
    ) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, user: str, pin: str = PIN) -> int:
    form = {"badge": w.badge(user), "pin": pin}
    return (await browser.post("/office/login", data=form)).status_code


async def entries(world: World, **wanted: str) -> list[Entry]:
    async with world.db.reading() as tx:
        return await audit.list_oldest(tx, Wanted(**wanted), 0, 100)


async def said(browser: httpx.AsyncClient, url: str, **form: str) -> str:
    answer = await browser.post(url, data=form)
    assert answer.status_code == 303
    return (await browser.get(answer.headers["location"])).text


async def test_a_supervisor_unlocks_a_badge_and_resets_a_pin_of_the_floor(
    browser: httpx.AsyncClient, world: World
) -> None:
    for _ in range(5):
        await sign_in(browser, "PIA", "0000")
    await sign_in(browser, "SUE")
    page = (await browser.get("/office/access")).text
    assert "locked" in page
    assert CLIENTS not in page
    assert "is unlocked" in await said(browser, "/office/access/people/PIA/unlock")
    assert "locked</span>" not in (await browser.get("/office/access")).text
    token = await w.sign_in(world, "PIA")
    assert "never a PIN" in await said(browser, "/office/access/people/PIA/pin", pin="12a4")
    assert "new PIN" in await said(browser, "/office/access/people/PIA/pin", pin="975310")
    async with world.db.reading() as tx:
        left = await tx.execute(text("SELECT count(*) FROM session s JOIN app_user u"
                                     " ON u.id = s.user_id WHERE u.code = 'PIA'"))  # fmt: skip
    assert (left.scalar_one(), bool(token)) == (0, True)
    assert await sign_in(browser, "PIA") == 401
    assert await sign_in(browser, "PIA", "975310") == 303
    acts = [(entry.actor, entry.act, entry.subject) for entry in await entries(world)]
    assert acts == [
        ("user:SUE", "badge.unlocked", "user/PIA"), ("user:SUE", "pin.reset", "user/PIA"),
    ]  # fmt: skip


async def test_a_supervisor_cannot_take_over_an_admin(
    browser: httpx.AsyncClient, world: World
) -> None:
    await sign_in(browser, "SUE")
    for act, form in (("pin", {"pin": "9753"}), ("unlock", {})):
        assert "Only an admin" in await said(
            browser, f"/office/access/people/ADA/{act}", **form
        )
    for url in (CLIENTS, "/office/access/audit"):
        assert (await browser.get(url)).status_code == 403
    refused = await browser.post(CLIENTS, data={"code": "EVIL", "warehouse": "W1"})
    assert refused.status_code == 403
    assert await entries(world) == []


async def test_an_admin_makes_a_client_whose_key_is_shown_once(
    browser: httpx.AsyncClient, app: Litestar, world: World
) -> None:
    await sign_in(browser, "ADA")
    form = {"code": "SHOP", "days": "30", "warehouse": "W1", "owner": "ACME",
            "scope": ["orders:read", "items:read"]}  # fmt: skip
    made = await browser.post(CLIENTS, data=form)
    assert made.headers["cache-control"] == "no-store"
    (key,) = set(re.findall(r"wms_[0-9a-f]{12}_[\w-]{43}", made.text))
    assert key not in (await browser.get(CLIENTS)).text
    headers = {"authorization": f"Bearer {key}"}
    orders = "/v1/warehouses/W1/orders"
    assert (await browser.get(orders, headers=headers)).status_code == 200
    assert (await browser.put(f"{orders}/ACME/1", json={}, headers=headers)).status_code == 403
    again = await browser.post(CLIENTS, data=form)
    assert "already an API client SHOP" in again.text
    second = await browser.post(f"{CLIENTS}/SHOP/keys", data={"days": "7"})
    assert "go on working" in second.text
    assert "two live keys" in (await browser.post(f"{CLIENTS}/SHOP/keys")).text
    kid = key.split("_")[1]
    assert "opens nothing" in await said(browser, f"{CLIENTS}/SHOP/keys/{kid}/revoke")
    app.state.pop("sessions")  # what this process remembers for a few seconds
    await sign_in(browser, "ADA")
    gone = await browser.get(orders, headers=headers)
    assert (gone.status_code, gone.headers["www-authenticate"][:28]) == (
        401, 'Bearer error="invalid_token"',
    )  # fmt: skip
    log = await entries(world, subject="client/SHOP")
    assert [entry.act for entry in log] == ["client.added", "client.key_made", "client.key_revoked"]
    assert log[0].after["scopes"] == ["orders:read", "items:read"]
    assert "127.0.0.1" in log[0].origin
    page = (await browser.get("/office/access/audit?act=client.")).text
    assert page.count("client/SHOP") >= 3
    assert key.split("_", 2)[2] not in page


async def test_what_a_client_may_open_changes_with_both_copies_in_the_log(
    browser: httpx.AsyncClient, world: World
) -> None:
    await sign_in(browser, "ADA")
    await browser.post(CLIENTS, data={"code": "BI", "warehouse": "W1", "scope": "items:read"})
    for form, words in (
        ({"warehouse": "W1", "scope": "moon:read"}, "no scope moon:read"),
        ({"warehouse": "W9", "scope": "items:read"}, "no warehouse W9"),
        ({"warehouse": "W1", "owner": "BREW", "scope": "inventory:read"}, "BI is changed"),
    ):
        assert words in await said(browser, f"{CLIENTS}/BI/change", **form)
    assert "switched off" in await said(browser, f"{CLIENTS}/BI/off")
    assert "no API client" in await said(browser, f"{CLIENTS}/NOBODY/off")
    _, changed, off = await entries(world, subject="client/BI")
    assert (changed.before["owners"], changed.after["owners"]) == ([], ["BREW"])
    assert off.act == "client.switched_off"


async def test_nothing_of_the_log_changes_and_no_secret_is_in_it(world: World) -> None:
    async with world.db.transaction() as tx:
        copy = {"name": "x", "secret": "s3", "keys": [{"key": "k3", "kid": "1"}], "pin": ""}
        await audit.record(tx, w.stamp(world, "SUE"), "thing.made", "thing/1", after=copy)
    (entry,) = await entries(world, act="thing.")
    assert entry.after == {
        "name": "x", "secret": "(hidden)", "keys": [{"key": "(hidden)", "kid": "1"}], "pin": "",
    }  # fmt: skip
    assert (entry.actor, entry.warehouse) == ("user:SUE", "W1")
    for statement in ("UPDATE audit_entry SET actor = ''", "DELETE FROM audit_entry",
                      "TRUNCATE audit_entry"):  # fmt: skip
        with pytest.raises(DBAPIError, match="audit_entry"):
            async with world.db.transaction() as tx:
                await tx.execute(text(statement))
