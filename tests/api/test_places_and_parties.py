"""The contract of locations and parties: upserts, versions, nothing against the stock."""

from typing import Any

import httpx
import pytest

from tests import world as w
from tests.api.test_orders import problem
from tests.world import World

BINS = "/v1/warehouses/W1/locations"
PARTIES = "/v1/owners/ACME/parties"
SHELF = {"kind": "pick", "zone": "A", "aisle": "01", "y_mm": 1000}
IDA = {"name": "Ida Holm", "roles": ["consignee"], "address": {"city": "Kiel"}}


@pytest.mark.parametrize(
    ("url", "body", "change", "wrong"),
    [
        (f"{BINS}/N-1", SHELF, {"pick_sequence": 7}, {"zone": "NO", "kind": "shop"}),
        (f"{PARTIES}/C-1", IDA, {"name": "Ida H."}, {"roles": ["friend"], "name": "\x00"}),
    ],
)
async def test_put_creates_then_exists_then_updates(
    erp: httpx.AsyncClient, url: str, body: dict[str, Any], change: dict[str, Any],
    wrong: dict[str, Any],
) -> None:  # fmt: skip
    made = await erp.put(url, json=body | {"source_version": 3})
    assert (made.status_code, made.json()["outcome"], made.headers["ETag"]) == (
        201, "created", '"1"',
    )  # fmt: skip
    assert (await erp.put(url, json=body)).json()["outcome"] == "exists"
    updated = await erp.put(url, json=body | change, headers={"If-Match": '"1"'})
    assert (updated.json()["version"], updated.json()["changed_fields"]) == (2, [*change])
    assert ((await erp.get(url)).json() | change)["version"] == 2
    late = await erp.put(url, json=body, headers={"If-Match": '"1"'})
    assert problem(late)["type"] == "/problems/version-mismatch"
    stale = await erp.put(url, json=body | {"source_version": 2})
    assert stale.json()["outcome"] == "ignored_stale"
    same = await erp.put(url, json=body | {"source_version": 3})
    assert problem(same)["type"] == "/problems/exists-with-different"
    assert problem(await erp.put(url, json=body | wrong))["type"] == "/problems/validation-failed"
    assert problem(await erp.get(f"{url}-NO"))["type"] == "/problems/not-found"
    [listed] = (await erp.get(
        url.rsplit("/", 1)[0], params={"updated_since": (await erp.get(url)).json()["updated_at"]}
    )).json().popitem()[1]  # fmt: skip
    assert listed["version"] == 2


async def test_a_location_with_goods_keeps_its_kind_and_takes_no_limit_it_breaks(
    erp: httpx.AsyncClient, world: World
) -> None:
    url = f"{BINS}/A-01-01"
    await w.stock(world, "MUG", "A-01-01", 10)
    await w.stock(world, "LAMP", "A-01-01", 1)
    stored = (await erp.get(url)).json()
    body = {
        name: stored[name]
        for name in ("kind", "zone", "aisle", "x_mm", "y_mm", "pick_sequence", "check_digits")
    }
    for change in (
        {"kind": "reserve"}, {"capacity_g": 100}, {"capacity_mm3": 1000}, {"mix_items": False},
    ):  # fmt: skip
        refused = problem(await erp.put(url, json=body | change))
        assert (refused["code"], refused["field"]) == ("LocationInUse", next(iter(change)))
    enough = await erp.put(url, json=body | {"capacity_g": 100_000, "blocked": True})
    assert enough.json()["changed_fields"] == ["capacity_g", "blocked"]
    assert await w.scalar(world, "SELECT type FROM outbox WHERE okey = 'loc/A-01-01'") == (
        "location.blocked"
    )
    own = await erp.put(f"{BINS}/SUPPLIER", json={"kind": "dock"})
    assert problem(own)["code"] == "OwnLocation"
    nowhere = problem(await erp.put(f"{BINS}/N-2", json={"kind": "pick", "aisle": "77"}))
    assert {(each["path"], each["code"]) for each in nowhere["errors"]} == {
        ("/zone", "required"), ("/aisle", "unknown-aisle"),
    }  # fmt: skip


async def test_an_order_takes_the_address_of_its_party(erp: httpx.AsyncClient) -> None:
    url = "/v1/warehouses/W1/orders/ACME/SO-1"
    body = {"carrier": "PARCEL", "ship_to_party": "C-1",
            "lines": [{"line_no": "1", "sku": "MUG", "qty": 1}]}  # fmt: skip
    unknown = problem(await erp.put(url, json=body))
    assert [each["code"] for each in unknown["errors"]] == ["unknown-party"]
    await erp.put(f"{PARTIES}/C-1", json=IDA)
    assert (await erp.put(url, json=body)).status_code == 201
    assert (await erp.put(url, json=body)).json()["outcome"] == "exists"
    assert (await erp.get(url)).json()["ship_to"] == {"name": "Ida Holm", "city": "Kiel"}
    own = await erp.put(url, json=body | {"ship_to": {"name": "Per"}})
    assert own.json()["outcome"] == "updated"
