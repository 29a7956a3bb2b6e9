"""Which writer wins, dry runs, and cancellations that overtake their order."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests import world as w
from tests.api.test_asns import asn
from tests.api.test_items import item
from tests.api.test_orders import order, problem
from tests.world import World

ORDER = "/v1/warehouses/W1/orders/ACME/SO-1"
ASN = "/v1/warehouses/W1/asns/ACME/A-1"


async def test_if_match_changes_only_that_version(erp: httpx.AsyncClient) -> None:
    made = await erp.put(ORDER, json=order())
    assert made.headers["ETag"] == '"1"' == (await erp.get(ORDER)).headers["ETag"]
    changed = await erp.put(ORDER, json=order(priority=1), headers={"If-Match": '"1"'})
    assert (changed.json()["version"], changed.json()["decided_by"]) == (2, "if_match")
    late = problem(await erp.put(ORDER, json=order(priority=2), headers={"If-Match": '"1"'}))
    assert (late["status"], late["type"], late["version"]) == (412, "/problems/version-mismatch", 2)
    retried = await erp.put(ORDER, json=order(priority=1), headers={"If-Match": '"1"'})
    assert retried.json()["outcome"] == "exists"
    other = ORDER.replace("SO-1", "SO-9")
    assert (await erp.put(other, json=order(), headers={"If-Match": '"1"'})).status_code == 412
    assert (await erp.get(other)).status_code == 404
    wrong = await erp.put(ORDER, json=order(), headers={"If-Match": "one"})
    assert problem(wrong)["code"] == "BadHeader"


async def test_an_older_source_version_is_refused_where_asked(erp: httpx.AsyncClient) -> None:
    strict = {"Prefer": "handling=strict"}
    for url, old, new in ((ORDER, order(priority=3), order()), (ASN, asn(supplier="Old"), asn())):
        await erp.put(url, json=new | {"source_version": 4})
        quiet = await erp.put(url, json=old | {"source_version": 3})
        assert (quiet.status_code, quiet.json()["decided_by"]) == (200, "source_version")
        loud = problem(await erp.put(url, json=old | {"source_version": 3}, headers=strict))
        assert (loud["status"], loud["type"]) == (409, "/problems/stale-version")


async def test_a_delivery_has_a_kind_and_takes_if_match(erp: httpx.AsyncClient) -> None:
    await erp.put(ASN, json=asn(kind="po"))
    read = await erp.get(ASN)
    assert (read.json()["kind"], read.headers["ETag"]) == ("po", '"1"')
    wrong = await erp.put(ASN, json=asn(kind="po", supplier="X"), headers={"If-Match": '"7"'})
    assert problem(wrong)["type"] == "/problems/version-mismatch"
    assert problem(await erp.put(ASN, json=asn(kind="gift")))["errors"][0]["path"] == "/kind"


async def test_a_dry_run_promises_and_writes_nothing(erp: httpx.AsyncClient, world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 3)
    lines = [{"line_no": "1", "sku": "MUG", "qty": 2}, {"line_no": "2", "sku": "TENT", "qty": 2}]
    asked = await erp.put(f"{ORDER}?dry_run=true", json=order(lines=lines))
    body = asked.json()
    assert (asked.status_code, body["outcome"], body["fill_rate"]) == (200, "created", 0.5)
    assert [each["fillable"] for each in body["lines"]] == [2, 0]
    assert body["leaves_at"]
    assert not body["ships_whole"]
    whole = await erp.put(f"{ORDER}?dry_run=true", json=order(lines=lines, allow_partial=False))
    assert whole.json()["leaves_at"] is None
    assert (await erp.get(ORDER)).status_code == 404
    assert await w.scalar(world, "SELECT count(*) FROM outbox") == 0


async def test_a_cancellation_may_come_before_its_order(
    erp: httpx.AsyncClient, world: World
) -> None:
    await w.stock(world, "MUG", "A-01-01", 3)
    asked = {"reason": "customer", "cancel_ref": "C-1"}
    kept = await erp.post(f"{ORDER}/cancel", json=asked)
    assert (kept.status_code, kept.json()["verdict"]) == (202, "kept")
    made = await erp.put(ORDER, json=order())
    assert (made.status_code, made.json()["outcome"], made.json()["state"]) == (
        201, "created", "cancelled",
    )  # fmt: skip
    again = await erp.post(f"{ORDER}/cancel", json=asked)
    assert (again.status_code, again.json()) == (202, kept.json())
    told = [each["type"] for each in (await erp.get(ORDER)).json()["events"]]
    assert told == ["order.accepted", "order.cancelled"]
    assert await w.scalar(world, "SELECT sum(promised) FROM order_line") == 0


async def test_a_kept_cancellation_ends_after_a_week(erp: httpx.AsyncClient, world: World) -> None:
    await erp.post(f"{ORDER}/cancel", json={"reason": "customer"})
    async with world.db.transaction() as tx:
        old = sa.text("UPDATE order_cancel SET at = at - CAST(:by AS interval)")
        await tx.execute(old, {"by": timedelta(days=8)})
    assert (await erp.put(ORDER, json=order())).json()["state"] == "open"


async def test_an_order_and_its_cancellation_that_cross_end_cancelled(
    erp: httpx.AsyncClient,
) -> None:
    for number in range(6):
        url = ORDER.replace("SO-1", f"SO-{number}")
        await asyncio.gather(
            erp.put(url, json=order()), erp.post(f"{url}/cancel", json={"reason": "customer"})
        )
        assert (await erp.get(url)).json()["state"] == "cancelled"


async def test_lines_are_cancelled_until_the_order_is_planned(
    erp: httpx.AsyncClient, world: World
) -> None:
    lines = [{"line_no": str(n), "sku": "MUG", "qty": 2} for n in (1, 2)]
    await erp.put(ORDER, json=order(lines=lines))
    ask = {"reason": "customer", "lines": ["2"], "cancel_ref": "C-1"}
    for _ in range(2):
        part = await erp.post(f"{ORDER}/cancel", json=ask)
        assert (part.json()["verdict"], part.json()["version"]) == ("cancelled", 2)
    body = (await erp.get(ORDER)).json()
    assert (body["state"], [line["cancelled"] for line in body["lines"]]) == ("open", [0, 2])
    unknown = await erp.post(f"{ORDER}/cancel", json=ask | {"lines": ["9"], "cancel_ref": "C-2"})
    assert problem(unknown)["errors"][0]["code"] == "unknown-line"
    rest = await erp.post(f"{ORDER}/cancel", json={"reason": "customer", "lines": ["1"]})
    assert rest.json()["verdict"] == "cancelled"
    assert (await erp.get(ORDER)).json()["state"] == "cancelled"
    await w.order(world, "SO-2", ("MUG", 1), state="picking")
    late = await erp.post(
        f"{ORDER.replace('SO-1', 'SO-2')}/cancel", json={"reason": "x", "lines": ["1"]}
    )
    assert problem(late)["type"] == "/problems/change-window-closed"


@pytest.mark.parametrize(
    ("url", "body", "change"),
    [
        ("/v1/warehouses/W1/orders/ACME/SO-1", order(), {"priority": 1}),
        ("/v1/warehouses/W1/asns/ACME/A-1", asn(), {"supplier": "S-2"}),
        ("/v1/owners/ACME/items/BOTTLE", item(), {"description": "Flask"}),
        ("/v1/owners/ACME/parties/C-1", {"name": "Ida", "roles": ["consignee"]}, {"name": "Eva"}),
        ("/v1/warehouses/W1/locations/N-1", {"kind": "pick", "zone": "A", "aisle": "01"},
         {"blocked": True}),
    ],
)  # fmt: skip
async def test_a_count_that_went_on_without_a_change_makes_older_changes_stale(
    erp: httpx.AsyncClient, url: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    """The sender changed it and changed it back; the last word came first."""
    sent = []
    for version, more in ((1, {}), (3, {}), (2, change), (3, change), (4, change)):
        answer = await erp.put(url, json=body | more | {"source_version": version})
        said = answer.json()
        sent.append((answer.status_code, said["outcome"] if "outcome" in said else said["type"]))
    assert sent == [
        (201, "created"), (200, "exists"), (200, "ignored_stale"),
        (409, "/problems/exists-with-different"), (200, "updated"),
    ]  # fmt: skip
