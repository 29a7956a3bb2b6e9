"""The supervisor's page of corrections that wait."""

import httpx

from tests import world as w
from tests.world import World
from wms.access.rules import ApiClient
from wms.counting import adjustments
from wms.counting.adjustment_documents import AdjustmentDoc


async def waiting(world: World, name: str, qty: int) -> int:
    client = ApiClient(id=1, code="ERP", warehouse_ids=(1,), owner_ids=(), scopes=())
    document = AdjustmentDoc(request_id=name, owner="ACME", sku="MUG", bin="A-01-01", qty=qty,
                             reason="year end <b>")  # fmt: skip
    async with world.db.transaction() as tx:
        asked = await adjustments.request(tx, w.stamp(world, "SUE"), client, document)
    return int(asked.id)


async def test_a_supervisor_approves_one_and_refuses_another(
    office: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 40)
    first, second = await waiting(world, "R-1", -30), await waiting(world, "R-2", 50)
    page = (await office.get("/office/adjustments")).text
    assert "R-1" in page
    assert "year end &lt;b&gt;" in page
    done = await office.post(f"/office/adjustments/{first}", data={"decision": "approve"})
    assert "posted" in done.headers["location"]
    await office.post(f"/office/adjustments/{second}", data={"decision": "refuse", "note": "no"})
    assert await w.on_hand(world, "MUG", "A-01-01") == 10
    page = (await office.get("/office/adjustments")).text
    assert "Nothing to decide" in page
    again = await office.post(f"/office/adjustments/{first}", data={"decision": "refuse"})
    assert "nothing+to+decide" in again.headers["location"]
