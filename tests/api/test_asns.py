"""The contract of the deliveries API: outcomes, all errors at once, the window of change."""

from typing import Any

import httpx

from tests import world as build
from tests.api.test_orders import problem
from tests.floor.acting import events, send
from tests.world import World
from wms import barcodes
from wms.access.clients import create_client
from wms.inbound import receiving

PATH = "/v1/warehouses/W1/asns"
LP1 = barcodes.label("LP", "00001")


def asn(**changes: Any) -> dict[str, Any]:
    return {
        "expected_at": "2026-03-02T09:00:00+00:00",
        "supplier": "Mill",
        "lines": [
            {"line_no": "1", "sku": "MUG", "qty": 48},
            {"line_no": "2", "sku": "TENT", "qty": 5},
        ],
        **changes,
    }


async def test_put_creates_then_exists_then_updates(erp: httpx.AsyncClient, world: World) -> None:
    made = await erp.put(f"{PATH}/ACME/A-1", json=asn())
    assert (made.status_code, made.json()["outcome"], made.json()["version"]) == (201, "created", 1)
    again = await erp.put(f"{PATH}/ACME/A-1", json=asn())
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    lines = [{"line_no": "1", "sku": "MUG", "qty": 60}]
    changed = await erp.put(f"{PATH}/ACME/A-1", json=asn(lines=lines))
    assert (changed.json()["outcome"], changed.json()["version"]) == ("updated", 2)
    read = (await erp.get(f"{PATH}/ACME/A-1")).json()
    assert [(line["sku"], line["qty"]) for line in read["lines"]] == [("MUG", 60)]
    [told] = await events(world, "asn.updated")
    assert (told["changed_fields"], told["lines_removed"]) == (["lines"], ["2"])


async def test_an_older_version_is_ignored(erp: httpx.AsyncClient) -> None:
    await erp.put(f"{PATH}/ACME/A-1", json=asn(source_version=5))
    stale = await erp.put(f"{PATH}/ACME/A-1", json=asn(source_version=4, supplier="Old"))
    assert (stale.status_code, stale.json()["outcome"]) == (200, "ignored_stale")
    twice = await erp.put(f"{PATH}/ACME/A-1", json=asn(source_version=5, supplier="Other"))
    assert problem(twice)["type"] == "/problems/exists-with-different"


async def test_all_errors_come_at_once(erp: httpx.AsyncClient) -> None:
    schema = await erp.put(f"{PATH}/ACME/A-1", json=asn(expected_at="soon", lines=[]))
    assert {each["path"] for each in problem(schema)["errors"]} == {"/expected_at", "/lines"}
    lines = [
        {"line_no": "1", "sku": "NONE", "qty": 1},
        {"line_no": "1", "sku": "MUG", "qty": 1, "sscc": "095212340000000001"},
        {"line_no": "3", "sku": "MUG", "qty": 1, "expires_on": "2027-01-01"},
    ]
    answer = problem(await erp.put(f"{PATH}/ACME/A-1", json=asn(lines=lines, dock="NOWHERE")))
    assert answer["type"] == "/problems/validation-failed"
    assert {(each["path"], each["code"]) for each in answer["errors"]} == {
        ("/dock", "unknown-location"),
        ("/lines/0/sku", "unknown-item"),
        ("/lines/1/line_no", "duplicate"),
        ("/lines/1/sscc", "check-digit"),
        ("/lines/2/lot", "required"),
    }
    assert (await erp.get(f"{PATH}/ACME/A-1")).status_code == 404


async def test_an_announced_plate_belongs_to_one_delivery(erp: httpx.AsyncClient) -> None:
    lines = [{"line_no": "1", "sku": "MUG", "qty": 1, "sscc": barcodes.sscc("9521234", 7)}]
    assert (await erp.put(f"{PATH}/ACME/A-1", json=asn(lines=lines))).status_code == 201
    assert (await erp.put(f"{PATH}/ACME/A-1", json=asn(lines=lines))).status_code == 200
    answer = problem(await erp.put(f"{PATH}/ACME/A-2", json=asn(lines=lines)))
    assert [each["code"] for each in answer["errors"]] == ["sscc-in-use"]


async def test_received_lines_stay_and_others_may_still_change(
    erp: httpx.AsyncClient, world: World
) -> None:
    made = (await erp.put(f"{PATH}/ACME/A-1", json=asn())).json()
    ref = f"receive/{made['id']}"
    await send(world, "RITA", receiving.confirm, ref, build.gtin("MUG"), "48", LP1)
    mugs, tents = asn()["lines"]
    closed = await erp.put(f"{PATH}/ACME/A-1", json=asn(lines=[mugs | {"qty": 50}, tents]))
    assert problem(closed)["type"] == "/problems/change-window-closed"
    more = await erp.put(f"{PATH}/ACME/A-1", json=asn(lines=[mugs, tents | {"qty": 6}]))
    assert more.json()["outcome"] == "updated"
    read = (await erp.get(f"{PATH}/ACME/A-1")).json()
    assert [(line["qty"], line["received"]) for line in read["lines"]] == [(48, 48), (6, 0)]
    assert read["receipts"][0]["lpn"] == LP1
    [listed] = (await erp.get(PATH)).json()["asns"]
    assert (listed["state"], listed["received"], listed["qty"]) == ("receiving", 48, 54)


async def test_a_delivery_is_cancelled_once_and_not_when_goods_came(
    erp: httpx.AsyncClient, world: World
) -> None:
    await erp.put(f"{PATH}/ACME/A-1", json=asn())
    gone = await erp.post(f"{PATH}/ACME/A-1/cancel", json={"reason": "truck broke down"})
    assert (gone.json()["outcome"], gone.json()["state"]) == ("cancelled", "cancelled")
    again = await erp.post(f"{PATH}/ACME/A-1/cancel")
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    late = await erp.put(f"{PATH}/ACME/A-1", json=asn(supplier="Other"))
    assert problem(late)["type"] == "/problems/exists-with-different"
    made = (await erp.put(f"{PATH}/ACME/A-2", json=asn())).json()
    ref = f"receive/{made['id']}"
    await send(world, "RITA", receiving.confirm, ref, build.gtin("MUG"), "48", LP1)
    refused = await erp.post(f"{PATH}/ACME/A-2/cancel")
    assert problem(refused)["type"] == "/problems/change-window-closed"
    assert (await erp.post(f"{PATH}/ACME/A-9/cancel")).status_code == 404


async def test_a_key_opens_only_its_owners(erp: httpx.AsyncClient, world: World) -> None:
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, "BREW-ERP", warehouse_ids=[world.warehouse_id], owner_ids=[world.owners["BREW"]]
        )
    headers = {"Authorization": f"Bearer {key}"}
    answer = await erp.put(f"{PATH}/ACME/A-1", json=asn(), headers=headers)
    assert problem(answer)["type"] == "/problems/forbidden-owner"
    await erp.put(f"{PATH}/ACME/A-1", json=asn())
    for method, url in (("GET", ""), ("POST", "/cancel")):
        answer = await erp.request(method, f"{PATH}/ACME/A-1{url}", headers=headers)
        assert problem(answer)["type"] == "/problems/forbidden-owner"
    assert (await erp.get(PATH, headers=headers)).json() == {"asns": []}
