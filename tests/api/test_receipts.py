"""Who may say what became of an event, and that the document says the same."""

import pytest
from litestar import Litestar

from tests.api.partners import partner
from tests.api.test_orders import problem
from tests.world import World

EVENT = "/v1/events/evt_01941f29-7c00-7aaa-8bbb-1234567890ab/receipts"


@pytest.mark.parametrize(
    ("scopes", "status"),
    [(["events:read"], 404), (["webhooks:write"], 404), (["orders:read"], 403)],
)
async def test_either_scope_opens_receipts(
    app: Litestar, world: World, scopes: list[str], status: int
) -> None:
    async with partner(app, world, "BI", scopes=scopes) as client:
        answer = await client.get(EVENT)
        assert answer.status_code == status, answer.text
        if status == 403:
            assert problem(answer)["type"] == "/problems/forbidden-scope"
            assert "neither scope events:read nor webhooks:write" in answer.json()["detail"]
        document = (await client.get("/v1/openapi.json")).json()
    for said in document["paths"]["/v1/events/{id}/receipts"].values():
        keys = [each["key"] for each in said["security"] if "key" in each]
        assert keys == [["events:read"], ["webhooks:write"]]
