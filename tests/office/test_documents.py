"""The supervisor's page of documents as they came: corrected, and sent again as their sender."""

import httpx
import msgspec

from tests.api.test_items import item
from tests.api.test_jobs import LINES, lines, orders
from tests.world import World, scalar
from wms.access.clients import create_client
from wms.access.rules import SCOPES
from wms.jobs import kept
from wms.jobs.running import run_jobs
from wms.worker import chore_stamp

ITEM = "/v1/owners/ACME/items/BOTTLE"


async def partner(world: World) -> dict[str, str]:
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, "ERP", warehouse_ids=[world.warehouse_id], scopes=tuple(SCOPES)
        )
    return {"Authorization": f"Bearer {key}"}


async def test_a_refused_document_is_corrected_and_sent_again_for_its_sender(
    office: httpx.AsyncClient, world: World
) -> None:
    erp = await partner(world)
    bad = item() | {"description": 7, "note": "<b>"}
    refused = await office.put(ITEM, json=bad, headers=erp | {"X-Correlation-Id": "c-9"})
    assert refused.status_code == 422
    listed = (await office.get("/office/documents")).text
    assert f"PUT {ITEM}" in listed
    assert "The document has 1 error" in listed
    shown = await office.get("/office/documents/1")
    assert "/description" in shown.text
    assert "&lt;b&gt;" in shown.text
    assert (await office.get("/office/documents/1/content")).content == refused.request.content

    still = await office.post("/office/documents/1/again", data={"body": '{"levels": 1}'})
    assert "Refused+again" in still.headers["location"]
    good = msgspec.json.encode(item()).decode()
    done = await office.post("/office/documents/1/again", data={"body": good})
    assert "Taken+in" in done.headers["location"]
    assert await scalar(world, "SELECT count(*) FROM item WHERE sku = 'BOTTLE'") == 1
    told = await scalar(world, "SELECT count(*) FROM outbox WHERE type = 'item.created'")
    assert told == 1
    async with world.db.reading() as tx:
        stamp = chore_stamp(world.warehouse_id, "test")
        sent, _, first = await kept.list_kept(tx, stamp, "all")
    assert (sent.sender, sent.sent_by, sent.original_id) == ("ERP", "user:SUE", first.id)
    assert (sent.state, first.state, sent.correlation_id) == ("done", "done", "c-9")
    open_now = await scalar(world, "SELECT count(*) FROM exception WHERE state = 'open'")
    assert open_now == 0
    twice = await office.post("/office/documents/1/again", data={"body": good})
    assert "taken+in+already" in twice.headers["location"]


async def test_a_batch_that_nobody_answered_is_sent_again_as_it_came(
    office: httpx.AsyncClient, world: World
) -> None:
    erp = await partner(world)
    batch = lines(*orders(3))
    url = "/v1/warehouses/W1/orders:batch?mode=atomic"
    assert (await office.post(url, content=batch, headers=erp | LINES)).status_code == 200
    async with world.db.transaction() as tx:  # as if its process had died before it answered
        await tx.exec_driver_sql(
            "UPDATE inbound_kept SET state = 'received', at = at - interval '1 hour'"
        )
        await kept.give_up(tx, chore_stamp(world.warehouse_id, "test"))
    listed = (await office.get("/office/documents")).text
    assert "the process that took it ended" in listed
    done = await office.post("/office/documents/1/again")
    assert "Taken+in" in done.headers["location"]
    assert await scalar(world, "SELECT count(*) FROM outbound_order") == 3
    assert "good end" in (await office.get("/office/documents")).text
    assert await scalar(world, "SELECT count(*) FROM exception WHERE state = 'open'") == 0


async def test_a_batch_of_which_lines_stayed_out_ends_when_a_person_has_all_of_it_in(
    office: httpx.AsyncClient, world: World
) -> None:
    erp = await partner(world)
    good, url = orders(2), "/v1/warehouses/W1/orders:batch"
    still = "SELECT count(*) FROM exception WHERE state = 'open'"
    for more in ({}, {"Prefer": "respond-async"}):
        await office.post(url, content=lines(good[0], b"{"), headers=erp | LINES | more)
        await run_jobs(world.db)
        page = f"/office/documents/{await scalar(world, 'SELECT max(id) FROM inbound_kept')}"
        assert "1 of 2 lines did not go in." in (await office.get(page)).text
        done = await office.post(f"{page}/again", data={"body": lines(good[0], b"[").decode()})
        assert "Not+all+of+it" in done.headers["location"]
        done = await office.post(f"{page}/again", data={"body": lines(*good).decode()})
        assert "Taken+in" in done.headers["location"]
        assert await scalar(world, still) == 0


async def test_a_document_that_is_not_there(office: httpx.AsyncClient) -> None:
    assert (await office.get("/office/documents/99")).status_code == 404
