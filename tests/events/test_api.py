"""The events API as partners use it: read by position, subscribe, rotate, retry, each its own."""

import httpx
import sqlalchemy as sa
from aiohttp import web
from litestar import Litestar
from standardwebhooks import Webhook

from tests.events.conftest import Bed, partner_of, tell
from tests.events.receiver import Receiver
from wms.events.rules import Tuning
from wms.events.worker import drain


async def test_the_log_is_read_page_by_page_from_any_position(
    bed: Bed, erp: httpx.AsyncClient, quick: Tuning
):
    await bed.tell(*[f"K{n}" for n in range(7)])
    await drain(bed.db, bed.settings, quick)
    url = f"/v1/warehouses/{bed.site}/events"
    seen: list[int] = []
    after = 0
    for _ in range(10):
        page = (await erp.get(url, params={"after": after, "limit": 3})).json()
        seen += [int(event["sequence"]) for event in page["events"]]
        after = page["next_after"]
        if page["caught_up"]:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert page["head_pos"] == 7
    none = (await erp.get(url, params={"types": "load.*"})).json()
    assert (none["events"], none["next_after"], none["caught_up"]) == ([], 7, True)
    one = (await erp.get(f"{url}/{page['events'][0]['id']}")).json()
    assert one == page["events"][0]


async def test_wrong_questions_get_problem_documents(bed: Bed, erp: httpx.AsyncClient):
    url = f"/v1/warehouses/{bed.site}/events"
    for path, status, code in (
        (f"{url}?after=x", 400, "BadPage"),
        (f"{url}?types=order.nothing", 400, "BadPattern"),
        (f"{url}/evt_xyz", 400, "BadEventId"),
        (f"{url}/evt_{'0' * 32}", 404, "UnknownEvent"),
        ("/v1/endpoints/nobody", 404, "UnknownEndpoint"),
        ("/v1/event-schemas/order.shipped/2.json", 404, "UnknownType"),
    ):
        answer = await erp.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_partner_of_one_owner_sees_nothing_of_another(
    app: Litestar, bed: Bed, receiver: Receiver, quick: Tuning
):
    async with bed.db.transaction() as tx:
        owner = sa.text("INSERT INTO owner (code, name) VALUES (:code, '') RETURNING id")
        code = f"O{bed.site}"
        owner_id = (await tx.execute(owner, {"code": code})).scalar_one()
        await tell(tx, bed.warehouse_id, "THEIRS")
        await tell(tx, bed.warehouse_id, "NOBODYS", owner="")
        await tell(tx, bed.warehouse_id, "OURS", owner=code)
    async with await partner_of(app, bed, "client", owner_ids=[owner_id]) as client:
        made = await client.post("/v1/endpoints", json={"code": code, "url": receiver.url,
                                                        "start": "beginning"})  # fmt: skip
        receiver.secret = made.json()["secret"]
        assert (await client.post(f"/v1/endpoints/{code}/verify")).status_code == 200
        await drain(bed.db, bed.settings, quick)
        url = f"/v1/warehouses/{bed.site}/events"
        page = (await client.get(url)).json()
        assert [event["partitionkey"] for event in page["events"]] == ["order/OURS"]
        assert (await client.get(url, params={"owner": "ACME"})).status_code == 403
        new = {"code": "x", "url": receiver.url, "owners": ["ACME"]}
        assert (await client.post("/v1/endpoints", json=new)).status_code == 403
    keys = {got.key for got in receiver.got}
    assert keys == {"order/OURS", f"endpoint/{code}"}


async def test_an_endpoint_is_made_verified_rotated_paused_and_pinged(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    code = f"hook-{bed.site}"
    made = await erp.post("/v1/endpoints", json={"code": code, "url": receiver.url})
    assert made.status_code == 201
    old = made.json()["secret"]
    receiver.secret = old
    assert (
        await erp.post("/v1/endpoints", json={"code": code, "url": receiver.url})
    ).status_code == 409
    assert (await erp.post(f"/v1/endpoints/{code}/verify")).json()["state"] == "active"
    new = (await erp.post(f"/v1/endpoints/{code}/secrets")).json()["secret"]
    assert (await erp.post(f"/v1/endpoints/{code}/ping")).status_code == 202
    await drain(bed.db, bed.settings, quick)
    ping = next(got for got in receiver.got if got.body["type"] == "test.ping")
    assert ping.body["test"] is True
    assert len(ping.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        assert Webhook(secret)
    shown = (await erp.get(f"/v1/endpoints/{code}")).json()
    assert shown["lag"][0]["behind"] == 0
    assert "secret" not in str(shown)
    assert (await erp.post(f"/v1/endpoints/{code}/pause")).json()["state"] == "paused"
    assert (await erp.post(f"/v1/endpoints/{code}/pause")).status_code == 409
    assert (await erp.post(f"/v1/endpoints/{code}/resume")).json()["state"] == "active"
    async with await partner_of(app, bed, "other") as other:
        assert (await other.get(f"/v1/endpoints/{code}")).status_code == 404
        assert (await other.get("/v1/endpoints")).json() == {"endpoints": []}


async def test_dead_deliveries_are_listed_with_their_attempts_and_tried_again(
    bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    code = f"hook-{bed.site}"
    made = await erp.post("/v1/endpoints", json={"code": code, "url": receiver.url,
                                                 "types": ["order.*"]})  # fmt: skip
    receiver.secret = made.json()["secret"]
    await erp.post(f"/v1/endpoints/{code}/verify")
    receiver.fault = lambda body, seen: web.Response(status=422, text="no such order")
    await bed.tell("A")
    await drain(bed.db, bed.settings, quick)
    dead = (await erp.get(f"/v1/endpoints/{code}/deliveries?state=dead")).json()["deliveries"]
    assert [(each["okey"], each["n"], each["last_status"]) for each in dead] == [
        ("order/A", 3, 422)
    ]
    tried = (await erp.get(f"/v1/endpoints/{code}/attempts?failed=true")).json()["attempts"]
    assert [(each["n"], each["body"]) for each in tried] == [
        (3, "no such order"), (2, "no such order"), (1, "no such order"),
    ]  # fmt: skip
    receiver.fault = None
    again = await erp.post(
        f"/v1/endpoints/{code}/deliveries/retry", json={"ids": [dead[0]["event_id"]]}
    )
    assert again.json() == {"retried": 1}
    await drain(bed.db, bed.settings, quick)
    assert [got.key for got in receiver.got] == ["order/A"]


async def test_every_type_has_a_schema(erp: httpx.AsyncClient):
    types = (await erp.get("/v1/event-types")).json()
    assert len(types) > 50
    for each in types:
        schema = (await erp.get(f"/v1/event-schemas/{each['type']}/1.json")).json()
        assert schema["title"] == each["type"]
