"""A supervisor sees what is wrong by team, takes it, settles it, and corrects refused documents."""

import json
import re

import httpx

from tests import world as w
from tests.exceptions.test_letters import BAD, GOOD, ORDERS, open_now
from tests.exceptions.test_life import opened
from tests.office.conftest import browser, office
from tests.world import World

__all__ = ["browser", "office"]


async def test_an_exception_is_taken_and_settled_from_the_page(
    office: httpx.AsyncClient, world: World
) -> None:
    id = await opened(world, "no_bin", "lpn/LP1", facts={"bin": "STAGE-IN"})
    shown = (await office.get("/office/exceptions")).text
    assert "No bin has room for a plate." in shown
    assert "STAGE-IN" in shown
    assert "Nothing is wrong for this team" in (await office.get(
        "/office/exceptions", params={"team": "integration"})).text  # fmt: skip
    one = f"/office/exceptions/{id}"
    await office.post(f"{one}/assign")
    assert ">SUE<" in (await office.get("/office/exceptions")).text
    refused = await office.post(f"{one}/discard", data={"why": ""}, follow_redirects=True)
    assert "Say why" in refused.text
    await office.post(f"{one}/resolve", data={"why": "moved to <b>R-02</b>"})
    done = (await office.get(one)).text
    assert "moved to &lt;b&gt;R-02&lt;/b&gt;" in done
    assert "style=" not in done
    assert (await office.get("/office/exceptions/99999999999999999999")).status_code == 404


async def test_a_refused_order_is_corrected_by_hand_and_both_versions_are_kept(
    office: httpx.AsyncClient, erp: httpx.AsyncClient, world: World
) -> None:
    await erp.put(f"{ORDERS}/ACME/SO-1", json=BAD)
    (found,) = await open_now(erp)
    page = f"/office/exceptions/{found['id']}"
    shown = (await office.get(page)).text
    assert "NOBODY" in shown
    (url,) = re.findall(r'action="(/office/letters/\d+/resubmit)"', shown)
    other = await office.post(
        url, data={"body": json.dumps({**GOOD, "external_id": "SO-2"})}, follow_redirects=True
    )
    assert "Refused again." in other.text
    url = re.findall(r'action="(/office/letters/\d+/resubmit)"', other.text)[0]
    done = await office.post(url, data={"body": json.dumps(GOOD, indent=1)}, follow_redirects=True)
    assert "Taken in." in done.text
    assert await open_now(erp) == []
    assert await w.scalar(world, "SELECT count(*) FROM outbound_order WHERE warehouse_id = :w") == 1
    kept = await w.scalar(
        world, "SELECT array_agg(state ORDER BY at, id) FROM inbound_letter WHERE warehouse_id = :w"
    )
    assert kept == ["superseded", "superseded", "accepted"]
    links = "SELECT count(original_id) FROM inbound_letter WHERE warehouse_id = :w"
    assert await w.scalar(world, links) == 2
