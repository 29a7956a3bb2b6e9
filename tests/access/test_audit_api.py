"""The audit log over HTTP: each client sees what concerns it; reads of money are told."""

import httpx
import msgspec

from tests.access.conftest import PROXY, Agent
from tests.world import World, stamp
from wms.access import audit, clients
from wms.access.audit import Who
from wms.access.rules import SCOPES


async def key_of(world: World, code: str, **more: object) -> dict[str, str]:
    async with world.db.transaction() as tx:
        key = await clients.create_client(
            tx, code, **{"warehouse_ids": [world.warehouse_id], "scopes": tuple(SCOPES), **more}  # type: ignore[arg-type]
        )
    return {"authorization": f"Bearer {key}"}


async def seen(partner: httpx.AsyncClient, headers: dict[str, str], **asked: str) -> list[str]:
    answer = await partner.get("/v1/audit", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return [f"{entry['actor']} {entry['act']}" for entry in answer.json()["entries"]]


async def test_a_client_sees_its_warehouses_and_one_bound_to_owners_only_itself(
    world: World, partner: httpx.AsyncClient
) -> None:
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("INSERT INTO warehouse (id, code, name) "
                                 "OVERRIDING SYSTEM VALUE VALUES (9, 'W9', 'Away')")  # fmt: skip
        for actor, place in (("user:SUE", world.warehouse_id), ("user:BOB", 9), ("user:ADA", None)):
            who = Who(actor=actor, warehouse_id=place)
            await audit.record(tx, who, "thing.made", "thing/1")
    own = await key_of(world, "ERP")
    bound = await key_of(world, "SHOP", owner_ids=[world.owners["ACME"]])
    things = {"act": "thing."}
    assert await seen(partner, own, **things) == ["user:ADA thing.made", "user:SUE thing.made"]
    assert await seen(partner, bound, **things) == []
    assert await seen(partner, bound, actor="user:SUE") == []
    assert set(await seen(partner, bound)) == {"partner:SHOP api.audit:read"}
    narrow = await key_of(world, "BI", scopes=["orders:read"])
    assert (await partner.get("/v1/audit", headers=narrow)).status_code == 403


async def test_pages_lead_on_and_the_export_is_whole(
    world: World, partner: httpx.AsyncClient
) -> None:
    headers = await key_of(world, "ERP")
    async with world.db.transaction() as tx:
        for n in range(5):
            await audit.record(tx, stamp(world), "thing.made", f"thing/{n}", after={"n": n})
    url, subjects = "/v1/audit?act=thing.&limit=2", []
    while url:
        answer = await partner.get(url, headers=headers)
        subjects += [entry["subject"] for entry in answer.json()["entries"]]
        url = answer.links.get("next", {}).get("url", "")
    assert subjects == [f"thing/{n}" for n in (4, 3, 2, 1, 0)]
    export = await partner.get("/v1/audit/export?act=thing.", headers=headers)
    lines = [msgspec.json.decode(line) for line in export.content.splitlines()]
    assert [line["after"]["n"] for line in lines] == [0, 1, 2, 3, 4]
    assert export.headers["content-type"].startswith("application/x-ndjson")
    for wrong in ("after=x", "limit=²", "actor=%00", "act=" + "x" * 300):
        refused = await partner.get(f"/v1/audit?{wrong}", headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (400, "/problems/bad-request")


async def test_writes_that_no_other_log_tells_are_told_with_their_origin(
    world: World, agent: Agent
) -> None:
    headers = await key_of(world, "ERP")
    async with agent(PROXY) as partner:
        asked = await partner.post("/v1/endpoints", json={"nonsense": 1}, headers=headers)
        told = (await partner.get("/v1/audit?act=api.webhooks:write", headers=headers)).json()
    (entry,) = told["entries"]
    assert (entry["actor"], entry["subject"]) == ("partner:ERP", "POST /v1/endpoints")
    assert (entry["origin"], entry["request_id"]) == (
        PROXY, asked.headers["x-request-id"],
    )  # fmt: skip


async def test_a_client_reads_what_its_key_opens(world: World, partner: httpx.AsyncClient) -> None:
    headers = await key_of(
        world, "SHOP", owner_ids=[world.owners["ACME"]], scopes=["orders:read"]
    )
    mine = (await partner.get("/v1/client", headers=headers)).json()
    assert (mine["code"], mine["scopes"], mine["warehouses"], mine["owners"]) == (
        "SHOP", ["orders:read"], ["W1"], ["ACME"],
    )  # fmt: skip
    assert [key["live"] for key in mine["keys"]] == [True]
    assert (await partner.get("/v1/client")).status_code == 401
