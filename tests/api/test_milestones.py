"""Carrier statuses: once, in any order, before their carton, over the API and signed webhooks."""

import base64
import hmac
import time
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text
from standardwebhooks import Webhook

from tests.api.partners import partner
from tests.carriers.shipped import shipped
from tests.world import NOW, World, scalar
from wms.carriers.chores import follow_carriers

PATH = "/v1/milestones"


def status(raw: str = "delivered", tracking: str = "T-1", hours: float = 5, **more: Any) -> dict:
    at = NOW + timedelta(hours=hours)
    return {"source": "easypost", "tracking_no": tracking, "raw_code": raw,
            "occurred_at": at.isoformat()} | more  # fmt: skip




async def told(world: World, type: str) -> list[dict[str, Any]]:
    async with world.db.reading() as tx:
        found = await tx.execute(
            text("SELECT data FROM outbox WHERE type = :type ORDER BY id"), {"type": type}
        )
        return [msgspec.json.decode(each) for each in found.scalars()]


async def test_a_status_is_recorded_once_and_its_state_told_once(
    erp: httpx.AsyncClient, world: World
) -> None:
    ship = await shipped(world, "SO-1", "T-1")
    first = await erp.post(PATH, json=status())
    assert (first.status_code, first.json()) == (
        201,
        {"outcome": "created", "tracking_no": "T-1", "milestone": "delivered",
         "shipment_id": ship["id"], "warehouse": "W1"},
    )  # fmt: skip
    again = await erp.post(PATH, json=status())
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    late = await erp.post(PATH, json=status("in_transit", hours=1))
    assert (late.status_code, late.json()["out_of_order"]) == (201, True)
    assert len(await told(world, "shipment.milestone_recorded")) == 2
    assert [each["orders"] for each in await told(world, "shipment.delivered")] == [["SO-1"]]


async def test_a_shipment_is_delivered_when_its_last_carton_is(
    erp: httpx.AsyncClient, world: World
) -> None:
    await shipped(world, "SO-1", "T-1", "T-2")
    await erp.post(PATH, json=status())
    assert await told(world, "shipment.delivered") == []
    await erp.post(PATH, json=status("failure", "T-2", hours=2))
    await erp.post(PATH, json=status("failure", "T-2", hours=3))
    assert [each["attempts"] for each in await told(world, "shipment.delivery_failed")] == [1]
    await erp.post(PATH, json=status("delivered", "T-2", hours=4))
    assert len(await told(world, "shipment.delivered")) == 1


async def test_a_status_that_comes_before_its_carton_waits_for_it(
    erp: httpx.AsyncClient, world: World
) -> None:
    parked = await erp.post(PATH, json=status(tracking="T-9"))
    assert (parked.status_code, parked.json()["outcome"]) == (201, "parked")
    assert (await erp.post(PATH, json=status(tracking="T-9"))).json()["outcome"] == "exists"
    assert await follow_carriers(world.db) == 0
    await shipped(world, "SO-1", "T-9")
    assert await follow_carriers(world.db) == 1
    assert await scalar(world, "SELECT count(*) FROM milestone_parked") == 0
    [said] = await told(world, "shipment.milestone_recorded")
    assert (said["milestone"], said["tracking_no"]) == ("delivered", "T-9")
    assert (await erp.post(PATH, json=status(tracking="T-9"))).json()["outcome"] == "exists"
    await erp.post(PATH, json=status(tracking="T-0"))
    async with world.db.transaction() as tx:
        old = "UPDATE milestone_parked SET received_at = now() - interval '31 days'"
        await tx.execute(text(old))
    assert await follow_carriers(world.db) == 1
    assert await scalar(world, "SELECT count(*) FROM milestone_parked") == 0


async def test_many_go_in_line_by_line(erp: httpx.AsyncClient, world: World) -> None:
    await shipped(world, "SO-1", "T-1")
    lines = [status(), status("nonsense", occurred_at="yesterday"), status("in_transit", hours=1)]
    body = b"\n".join(map(msgspec.json.encode, lines)) + b"\n\n{\n"
    answer = await erp.post(PATH, content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 207
    assert [(each["line"], each["outcome"]) for each in answer.json()["outcomes"]] == [
        (1, "created"), (2, "rejected"), (3, "created"), (5, "rejected"),
    ]  # fmt: skip
    url = "/v1/warehouses/W1/exceptions?code=lines_refused"
    (found,) = (await erp.get(url)).json()["exceptions"]
    assert (found["facts"]["kind"], found["facts"]["count"]) == ("milestones", 2)
    assert [each["path"][:6] for each in found["facts"]["errors"]] == ["line 2", "line 5"]


async def test_a_partners_own_words_are_data(erp: httpx.AsyncClient, world: World) -> None:
    await shipped(world, "SO-1", "T-1")
    words = {"codes": {"ZUGESTELLT": "delivered"}}
    kept = await erp.put("/v1/milestone-codes/easypost", json=words)
    assert kept.json() == {"codes": {"zugestellt": "delivered"}}
    done = await erp.post(PATH, json=status("Zugestellt"))
    assert done.json()["milestone"] == "delivered"
    assert (await erp.get("/v1/milestone-codes/easypost")).json() == kept.json()
    wrong = await erp.put("/v1/milestone-codes/easypost", json={"codes": {"x": "flown"}})
    assert wrong.status_code == 422


async def test_owners_are_kept_apart(app: Litestar, erp: httpx.AsyncClient, world: World) -> None:
    ship = await shipped(world, "SO-1", "T-1")
    async with partner(app, world, "BREWER", owners=["BREW"]) as brew:
        assert (await brew.post(PATH, json=status())).json()["outcome"] == "parked"
        url = f"/v1/warehouses/W1/shipments/{ship['id']}"
        assert (await brew.get(url)).status_code == 404
        assert (await brew.get("/v1/warehouses/W1/shipments")).json()["shipments"] == []
    assert await follow_carriers(world.db) == 0


async def connection(erp: httpx.AsyncClient, **more: Any) -> Webhook:
    document = {"source": "easypost", "list_at": "/result/events",
                "members": {"tracking_no": "/tracker/code", "raw_code": "/status",
                            "occurred_at": "/datetime"}} | more  # fmt: skip
    made = await erp.put("/v1/hook-connections/easy", json=document)
    assert made.status_code == 201
    return Webhook(made.json()["secret"])


def call(hook: Webhook, id: str, body: bytes, ago: int = 0) -> dict[str, Any]:
    stamp = int(time.time()) - ago
    key = base64.b64decode(hook._whsecret) if isinstance(hook._whsecret, str) else hook._whsecret
    digest = hmac.digest(key, f"{id}.{stamp}.".encode() + body, "sha256")
    signed = "v1," + base64.b64encode(digest).decode()
    headers = {"webhook-id": id, "webhook-timestamp": str(stamp),
               "webhook-signature": f"v1,AAAA {signed}"}  # fmt: skip
    return {"content": body, "headers": headers}


def body_of(raw: str = "delivered") -> bytes:
    one = {"tracker": {"code": "T-1"}, "status": raw, "datetime": status()["occurred_at"]}
    return msgspec.json.encode({"result": {"events": [one]}})


async def test_a_signed_call_is_kept_then_read_once(erp: httpx.AsyncClient, world: World) -> None:
    await shipped(world, "SO-1", "T-1")
    hook = await connection(erp)
    heard = await erp.post("/hooks/easy", **call(hook, "m-1", body_of()))
    assert (heard.status_code, heard.json()) == (
        202, {"outcome": "created", "recorded": 1, "rejected": 0},
    )  # fmt: skip
    again = await erp.post("/hooks/easy", **call(hook, "m-1", body_of()))
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    assert len(await told(world, "shipment.delivered")) == 1
    assert await scalar(world, "SELECT state FROM hook_message") == "done"


@pytest.mark.parametrize("wrong", ["body", "id", "old", "none", "unknown"])
async def test_a_call_that_is_not_signed_right_is_refused(
    erp: httpx.AsyncClient, world: World, wrong: str
) -> None:
    hook = await connection(erp)
    sent = call(hook, "m-1", body_of(), ago=600 if wrong == "old" else 0)
    if wrong == "body":
        sent["content"] = body_of("failure")
    if wrong == "id":
        sent["headers"]["webhook-id"] = "m-2"
    if wrong == "none":
        sent["headers"] = {}
    path = "/hooks/nobody" if wrong == "unknown" else "/hooks/easy"
    answer = await erp.post(path, **sent)
    assert answer.status_code == (404 if wrong == "unknown" else 403)
    assert await scalar(world, "SELECT count(*) FROM hook_message") == 0


async def test_a_call_that_cannot_be_read_is_read_again_when_its_members_change(
    erp: httpx.AsyncClient, world: World
) -> None:
    await shipped(world, "SO-1", "T-1")
    hook = await connection(erp, members={"tracking_no": "/nowhere"})
    heard = await erp.post("/hooks/easy", **call(hook, "m-1", body_of()))
    assert (heard.status_code, heard.json()["rejected"]) == (202, 1)
    assert await scalar(world, "SELECT state FROM hook_message") == "failed"
    wrong = "SELECT subject FROM exception WHERE state = 'open'"
    assert await scalar(world, wrong) == "hooks/easy"
    members = {"tracking_no": "/tracker/code", "raw_code": "/status", "occurred_at": "/datetime"}
    changed = await erp.put("/v1/hook-connections/easy",
                            json={"source": "easypost", "members": members,
                                  "list_at": "/result/events"})  # fmt: skip
    assert (changed.status_code, "secret" in changed.json()) == (200, False)
    async with world.db.transaction() as tx:
        await tx.execute(text("UPDATE hook_message SET received_at = now() - interval '1 hour'"))
    assert await follow_carriers(world.db) == 1
    assert await scalar(world, "SELECT state FROM hook_message") == "done"
    assert await scalar(world, wrong) is None


async def test_connections_are_listed_switched_off_and_on_again_by_their_partner(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    hook = await connection(erp)
    shown = await erp.get("/v1/hook-connections/easy")
    assert shown.json()["list_at"] == "/result/events"
    assert "secret" not in shown.json()
    assert (await erp.get("/v1/hook-connections")).json() == {"connections": [shown.json()]}
    off = await erp.delete("/v1/hook-connections/easy")
    assert (off.status_code, off.json()["active"]) == (200, False)
    refused = await erp.post("/hooks/easy", **call(hook, "m-1", body_of()))
    assert (refused.status_code, refused.json()["code"]) == (403, "ConnectionOff")
    assert await scalar(world, "SELECT count(*) FROM hook_message") == 0
    await erp.put("/v1/hook-connections/easy", json={"source": "easypost"})
    assert (await erp.post("/hooks/easy", **call(hook, "m-1", b"{}"))).status_code == 202
    async with partner(app, world, "OTHER") as other:
        assert (await other.get("/v1/hook-connections")).json() == {"connections": []}
        for method in ("GET", "DELETE"):
            answer = await other.request(method, "/v1/hook-connections/easy")
            assert answer.json()["code"] == "NoSuchConnection"
