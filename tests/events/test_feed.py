"""Those who pull: consumers with a place of their own, masked events, blocks, receipts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from litestar import Litestar

from tests.events.conftest import Bed, partner_of, stamp
from tests.events.receiver import Receiver
from wms.events.catalog import OrderAccepted
from wms.events.groups import Party, doc
from wms.events.outbox import emit
from wms.events.rules import Tuning
from wms.events.worker import EventWorker, drain


def url(bed: Bed, *parts: str) -> str:
    return "/".join([f"/v1/warehouses/{bed.site}", *parts])


async def sealed(bed: Bed, *keys: str) -> None:
    await bed.tell(*keys)
    await EventWorker(bed.db, bed.settings).seal()


async def test_a_consumer_reads_on_after_what_it_committed_and_never_moves_back(
    bed: Bed, erp: httpx.AsyncClient
):
    await sealed(bed, *[f"K{n}" for n in range(6)])
    commit, events = url(bed, "consumers/bi/commit"), url(bed, "events")
    first = (await erp.get(events, params={"consumer": "bi", "limit": 4})).json()
    assert [int(each["sequence"]) for each in first["events"]] == [1, 2, 3, 4]
    assert (await erp.post(commit, json={"pos": 4})).json()["pos"] == 4
    assert (await erp.post(commit, json={"pos": 2})).json()["pos"] == 4
    rest = (await erp.get(events, params={"consumer": "bi"})).json()
    assert [int(each["sequence"]) for each in rest["events"]] == [5, 6]
    ahead = await erp.post(commit, json={"pos": 7})
    assert (ahead.status_code, ahead.json()["code"]) == (422, "AheadOfLog")
    assert (await erp.get(events, params={"after": 6})).json()["caught_up"]
    ahead = await erp.get(events, params={"after": 7})  # as after a restore to before
    assert (ahead.status_code, ahead.json()["code"]) == (422, "AheadOfLog")
    shown = (await erp.get(url(bed, "consumers"))).json()["consumers"]
    assert [(each["name"], each["pos"], each["behind"]) for each in shown] == [("bi", 4, 2)]
    assert shown[0]["oldest_at"] is not None


async def test_a_consumer_seeks_by_place_and_by_time_and_is_its_partners_own(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient
):
    await sealed(bed, "A", "B")
    at = await bed.value("SELECT clock_timestamp()")
    await sealed(bed, "C")
    seek = url(bed, "consumers/bi/seek")
    assert (await erp.post(seek, json={"time": at.isoformat()})).json()["pos"] == 2
    assert (await erp.post(seek, json={"pos": 0})).json()["pos"] == 0
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await erp.post(seek, json={"time": later})).json()["pos"] == 3
    for wrong, status in (({}, 422), ({"pos": 1, "time": later}, 422), ({"pos": -1}, 422)):
        assert (await erp.post(seek, json=wrong)).status_code == status
    async with await partner_of(app, bed, "other") as other:
        assert (await other.get(url(bed, "consumers"))).json() == {"consumers": []}
        assert (await other.delete(url(bed, "consumers/bi"))).status_code == 404
    assert (await erp.delete(url(bed, "consumers/bi"))).status_code == 204
    assert (await erp.post(url(bed, "consumers/a%20b/commit"), json={"pos": 0})).status_code == 400


async def test_who_pulls_sees_people_masked_unless_an_admin_opened_the_key(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient
):
    ship_to = Party(name="Ann Example", city="York", country="GB")
    data = OrderAccepted(order=doc("order", 1, "A"), ship_to=ship_to)
    async with bed.db.transaction() as tx:
        await emit(tx, stamp(bed.warehouse_id), "order.accepted", "order/A", data)
    await sealed(bed)
    masked = (await erp.get(url(bed, "events"))).json()["events"][0]
    assert masked["data"]["ship_to"]["name"].startswith("h_")
    assert masked["actor"].startswith("user:h_")
    assert (await erp.get(url(bed, "events", masked["id"]))).json() == masked
    scopes = ["events:read", "masks:admin"]
    async with await partner_of(app, bed, "hq", scopes=scopes) as head:
        clear = (await head.get(url(bed, "events"))).json()["events"][0]
    assert clear["data"]["ship_to"]["name"] == "Ann Example"
    assert clear["actor"] == "user:PIA"


async def test_blocks_are_listed_and_chain(bed: Bed, erp: httpx.AsyncClient):
    worker = EventWorker(bed.db, bed.settings, Tuning(block_wait_s=0))
    for keys in (("A", "B"), ("C",)):
        await bed.tell(*keys)
        await worker.seal()
        await worker.close_blocks()
    blocks = (await erp.get(url(bed, "blocks"))).json()["blocks"]
    assert [(each["from_pos"], each["to_pos"]) for each in blocks] == [(1, 2), (3, 3)]
    assert blocks[0]["hash"] == blocks[1]["prev_hash"]
    assert (await erp.get(url(bed, "blocks"), params={"after": 1})).json()["blocks"] == blocks[1:]


async def hook(
    erp: httpx.AsyncClient, bed: Bed, receiver: Receiver, **more: Any
) -> tuple[str, str]:
    """A verified endpoint of the partner; its code and its URL in the API."""
    code = f"hook-{bed.site}"
    body = {"code": code, "url": receiver.url, "types": ["order.*"], **more}
    made = await erp.post("/v1/endpoints", json=body)
    assert made.status_code == 201, made.text
    receiver.secret = made.json()["secret"]
    assert (await erp.post(f"/v1/endpoints/{code}/verify")).status_code == 200
    return code, f"/v1/endpoints/{code}"


async def test_the_last_receipt_counts_and_a_rejection_is_an_event(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    code, path = await hook(erp, bed, receiver)
    await bed.tell("A", "B")
    assert await drain(bed.db, bed.settings, quick)
    first, second = (f"/v1/events/{got.id}/receipts" for got in receiver.got)
    said = {"endpoint": code, "verdict": "deferred"}
    assert (await erp.post(first, json=said)).status_code == 201
    pulled = {"consumer": "bi", "verdict": "processed"}
    assert (await erp.post(second, json=pulled)).status_code == 201
    said = {"endpoint": code, "verdict": "rejected", "code": "no-item", "detail": "unknown SKU"}
    answers = [await erp.post(first, json=said) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    kept = answers[1].json()
    assert (kept["verdict"], kept["code"], kept["source"]) == (
        "rejected", "no-item", f"endpoint/{code}",
    )  # fmt: skip
    assert [each["verdict"] for each in kept["history"]] == ["deferred"]
    assert (await erp.get(first)).json() == {"receipts": [kept]}
    await EventWorker(bed.db, bed.settings).seal()
    found = (await erp.get(url(bed, "events"), params={"types": "receipt_verdict.*"})).json()
    assert [each["data"]["event_id"] for each in found["events"]] == [receiver.got[0].id]
    verdicts = (await erp.get(f"{path}/health")).json()["verdicts"]
    assert verdicts == {"rejected": 1}
    async with await partner_of(app, bed, "other") as other:
        assert (await other.post(first, json=said)).json()["code"] == "UnknownEndpoint"
    for wrong in ({"verdict": "processed"}, {**said, "verdict": "lost"}, {**said, "consumer": "x"}):
        assert (await erp.post(first, json=wrong)).status_code == 422
    row = sa.text("SELECT endpoint_id IS NOT NULL, verdict FROM event_receipt ORDER BY pos")
    async with bed.db.reading() as tx:
        mine = [tuple(each) for each in await tx.execute(row)]
    assert (True, "rejected") in mine
    assert (False, "processed") in mine
