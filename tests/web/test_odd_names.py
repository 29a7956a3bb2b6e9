"""Pages and acts of the floor under names that cannot be: told so, never a failure of ours."""

from datetime import UTC, datetime

import httpx
import pytest
from litestar import Litestar

from tests.api.conftest import app as app
from tests.world import World, sign_in
from wms.ids import uuid7

ODD = ["²", "٣", "9" * 30, "-1", "1.5", "bin-²", "lpn-", "0x1", "%00", "a" * 3000, "%ff"]
FLOWS = ("receive", "putaway", "pick", "pack", "load", "count", "putback", "move")


@pytest.mark.parametrize("flow", FLOWS)
async def test_a_page_of_an_odd_name_is_not_there_and_says_what_to_do(
    app: Litestar, world: World, flow: str
) -> None:
    world.at = datetime.now(UTC)
    cookies = {"session": await sign_in(world, "SUE")}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", cookies=cookies
    ) as client:
        for ident in ODD:
            page = await client.get(f"/floor/{flow}/{ident}", headers={"Accept": "text/html"})
            assert page.status_code == 404, (ident, page.text)
            assert "take the next work" in page.text
            assert 'href="/floor"' in page.text
            act = {"key": str(uuid7()), "ref": f"{flow}/{ident}", "version": 1, "scans": []}
            answer = await client.post("/floor/act", json=act)
            assert (answer.status_code, answer.json()["code"]) == (400, "UnknownAct")
            form = {"here": f"/floor/{flow}/{ident}", "code": "X"}
            sent = await client.post("/floor/act", data=form)
            assert sent.status_code == 404, (ident, sent.text)
        far = "bin-999999999999" if flow == "move" else "999999999999"
        gone = await client.get(f"/floor/{flow}/{far}", headers={"Accept": "text/html"})
        assert gone.status_code == 404, gone.text
