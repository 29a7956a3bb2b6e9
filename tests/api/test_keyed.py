"""Answers kept under an Idempotency-Key are kept as their reader may see them."""

from typing import Any

import msgspec
from litestar import Litestar, Response, post

from tests.api.partners import partner
from tests.world import World, scalar
from web.api.security import REQUEST, partner_of
from web.api.writes import keyed
from wms.db import Tx

STREET = "Lange Reihe 7"


class Kept(msgspec.Struct):
    city: str
    street: str


@post("/v1/warehouses/{code:str}/probes", status_code=200)
async def probe(request: REQUEST) -> Response[Any]:
    asked = await partner_of(request, "orders:write")

    async def act(_tx: Tx) -> tuple[int, Kept]:
        return 200, Kept(city="Hamburg", street=STREET)

    return await keyed(request, asked, {}, act)


async def test_a_kept_answer_is_masked_for_its_reader_and_at_rest(
    app: Litestar, world: World
) -> None:
    app.register(probe)
    url, headers = "/v1/warehouses/W1/probes", {"Idempotency-Key": "k1"}
    async with partner(app, world, "TMS", scopes=["orders:write"]) as client:
        first = await client.post(url, headers=headers)
        again = await client.post(url, headers=headers)
    assert first.json()["city"] == "Hamburg"
    assert first.json()["street"].startswith("h_")
    assert again.content == first.content
    assert "Idempotency-Replayed" in again.headers
    kept = await scalar(world, "SELECT count(*) FROM api_request WHERE answer LIKE '%Lange%'")
    assert kept == 0
    async with partner(app, world, "DESK", scopes=["orders:write", "masks:admin"]) as client:
        assert (await client.post(url, headers=headers)).json()["street"] == STREET
