"""Documents that were refused are kept with their reasons until somebody settles them."""

from typing import Any

import httpx
import msgspec

from tests import world as w
from tests.exceptions.conftest import sealed
from tests.exceptions.test_life import followed, now
from tests.world import World
from wms.exceptions import letters

HERE = "/v1/warehouses/W1/exceptions"
ORDERS = "/v1/warehouses/W1/orders"
GOOD = {"carrier": "PARCEL", "lines": [{"line_no": "1", "sku": "MUG", "qty": 2}]}
BAD = {"carrier": "NOBODY", "lines": [{"line_no": "1", "sku": "MUG", "qty": 2}]}


async def open_now(erp: httpx.AsyncClient, code: str = "") -> list[dict[str, Any]]:
    return (await erp.get(HERE, params={"code": code} if code else {})).json()["exceptions"]


async def kept(world: World, exception: dict[str, Any]) -> list[letters.Letter]:
    async with world.db.reading() as tx:
        return await letters.list_letters(tx, now(world), int(exception["id"]))


async def test_a_refused_order_is_kept_byte_for_byte_until_a_good_one_comes(
    world: World, erp: httpx.AsyncClient
) -> None:
    sent = b'{"carrier": "NOBODY",  "lines": [{"line_no": "1", "sku": "MUG", "qty": 2}]}'
    for _ in range(2):  # a sender that repeats itself leaves one letter
        assert (await erp.put(f"{ORDERS}/ACME/SO-1", content=sent)).status_code == 422
    (found,) = await open_now(erp)
    assert (found["code"], found["subject"]) == ("order_rejected", "order/ACME/SO-1")
    assert (found["team"], found["owner"]) == ("customer-service", "ACME")
    assert found["facts"]["errors"][0]["path"] == "/carrier"
    (letter,) = await kept(world, found)
    assert (letter.body.encode(), letter.sender, letter.state) == (sent, "partner:ERP", "failed")
    shown = (await erp.get(f"{HERE}/{found['id']}")).json()["documents"][0]
    assert "body" not in shown
    await followed(world)  # the event of the rejection says nothing new
    assert (await open_now(erp))[0]["times"] == 1

    assert (await erp.put(f"{ORDERS}/ACME/SO-1", json=GOOD)).status_code == 201
    await followed(world)
    assert await open_now(erp) == []
    assert (await kept(world, found))[0].state == "superseded"


async def test_what_is_no_json_at_all_is_kept_too_and_a_dry_run_is_not(
    world: World, erp: httpx.AsyncClient
) -> None:
    await erp.put(f"{ORDERS}/ACME/SO-9?dry_run=true", json=BAD)
    assert await open_now(erp) == []
    await erp.put(f"{ORDERS}/ACME/SO-2", content=b'{"carrier\x00": \xff')
    await erp.put("/v1/warehouses/W1/asns/ACME/D-1", json={"lines": []})
    found = {each["code"]: each for each in await open_now(erp)}
    assert set(found) == {"order_rejected", "asn_rejected"}
    (letter,) = await kept(world, found["order_rejected"])
    assert letter.body == '{"carrier": �'
    assert found["asn_rejected"]["team"] == "receiving"


async def test_of_a_batch_only_what_failed_is_kept(world: World, erp: httpx.AsyncClient) -> None:
    batch = [
        {"owner": "ACME", "external_id": "A", **GOOD},
        {"owner": "ACME", "external_id": "B", **BAD},
        {"owner": "ACME", "external_id": "C", "lines": 7},
    ]
    answer = await erp.post(ORDERS, json=batch)
    assert answer.json()["rejected"] == 2
    found = await open_now(erp)
    assert {each["subject"] for each in found} == {"order/ACME/B", "order/ACME/C"}


async def test_of_lines_what_failed_is_kept_until_a_good_one_comes(
    world: World, erp: httpx.AsyncClient
) -> None:
    lines = [
        msgspec.json.encode({"owner": "ACME", "external_id": name, **body})
        for name, body in (("A", GOOD), ("B", BAD), ("C", {"lines": 7}))
    ]
    url, ndjson = f"{ORDERS}:batch", {"Content-Type": "application/x-ndjson"}
    for _ in range(2):  # sent again, it is the same letter
        await erp.post(url, content=b"\n".join([*lines, b"no json"]), headers=ndjson)
    found = await open_now(erp, "order_rejected")
    assert {each["subject"] for each in found} == {"order/ACME/B", "order/ACME/C"}
    assert [len(await kept(world, each)) for each in found] == [1, 1]
    good = msgspec.json.encode({"owner": "ACME", "external_id": "B", **GOOD})
    await erp.post(url, content=good, headers=ndjson)
    await followed(world)
    left = [each["code"] for each in await open_now(erp)]
    assert sorted(left) == ["lines_refused", "order_rejected"]
    (nameless,) = await open_now(erp, "lines_refused")
    assert (nameless["times"], nameless["facts"]["count"]) == (2, 1)


async def test_a_change_that_comes_too_late_is_somebodys_until_the_order_is_cancelled(
    world: World, erp: httpx.AsyncClient
) -> None:
    await w.order(world, "SO-3", ("MUG", 1), state="released")
    answer = await erp.put(f"{ORDERS}/ACME/SO-3", json=GOOD)
    assert answer.status_code == 409
    (found,) = await open_now(erp)
    assert found["code"] == "order_change_refused"
    assert (await erp.post(f"{ORDERS}/ACME/SO-3/cancel", json={"reason": "x"})).status_code == 200
    await followed(world)
    await sealed(world)
    assert await open_now(erp) == []
