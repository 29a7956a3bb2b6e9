"""The floor's pages between tasks over HTTP: the hub, and refusals that no page caught."""

from datetime import UTC, datetime

import httpx
from litestar import Litestar

from tests.api.conftest import app as app
from tests.world import World, sign_in
from web.scanner import frame
from wms.steps import Question


async def test_the_hub_logs_out_and_a_refusal_takes_the_next_scan(
    app: Litestar, world: World
) -> None:
    world.at = datetime.now(UTC)
    cookies = {"session": await sign_in(world, "SUE")}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", cookies=cookies,
        headers={"Accept": "text/html", "Sec-Fetch-Site": "same-origin"},
    ) as client:  # fmt: skip
        gone = await client.get("/floor/pick/999999999999")
        assert gone.status_code == 404
        assert 'action="/floor/scan"' in gone.text
        assert "<h1><span>Not found</span></h1>" in gone.text
        assert 'action="/floor/logout"' in (await client.get("/floor")).text
        out = await client.post("/floor/logout")
        assert out.headers["location"] == "/floor/login"


def test_a_chip_shows_the_code_that_was_scanned_where_several_were_right() -> None:
    carton = Question(
        fact="carton", ask="Take a carton", show="C08", default="C08",
        accepts={"CT-C04-N": {"carton": "C04"}, "CT-C08-F": {"carton": "C08"}},
    )  # fmt: skip
    plate = Question(fact="lpn", ask="Scan the plate", show="open or new plate", fresh=("LP",))
    item = Question(fact="item", ask="Scan item", show="MUG",
                    accepts={"4006381333931": {"item": "9"}, "MUG": {"item": "9"}})  # fmt: skip
    assert frame._chip(carton, {"carton": "C04"}) == "CT-C04-N"  # pyright: ignore[reportPrivateUsage]
    assert frame._chip(plate, {"lpn": "LP-42-X"}) == "LP-42-X"  # pyright: ignore[reportPrivateUsage]
    assert frame._chip(item, {"item": "9"}) == "MUG"  # pyright: ignore[reportPrivateUsage]
