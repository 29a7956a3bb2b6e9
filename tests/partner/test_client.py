"""The typed client: every call is in the published document, and works on the real application."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.contract.conftest import Served
from tests.events.conftest import QUICK
from web.api.openapi import openapi
from web.app import create_app
from wms.events.compatibility import breaking
from wms.events.worker import drain
from wms.inbound.asn_documents import AsnDoc
from wms.outbound.order_documents import OrderDoc
from wms.partner.calls import CALLS
from wms.partner.client import ApiProblem
from wms.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = create_app(Settings(database_url="postgresql://nobody@localhost/none"), background=False)
    return msgspec.json.decode(msgspec.json.encode(openapi(app, "1")))


def order(number: int, **changes: Any) -> OrderDoc:
    values = {
        "owner": "ACME", "external_id": f"C-{number}", "carrier": "PARCEL",
        "lines": [{"line_no": "1", "sku": "MUG", "qty": 2}],
    }  # fmt: skip
    return msgspec.convert(values | changes, OrderDoc)


def without(found: list[str], *harmless: str) -> list[str]:
    return [each for each in found if not any(words in each for words in harmless)]


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_published_as_the_client_makes_it(name: str, document: dict[str, Any]):
    call = CALLS[name]
    published = document["paths"][call.path][call.method.lower()]
    names = {each["name"] for each in published["parameters"] if each["in"] == "query"}
    assert set(call.query) <= names
    rest = {"$defs": document["components"]["schemas"]}
    if call.takes is None:
        assert not published.get("requestBody", {}).get("required", False)
    else:
        asked = published["requestBody"]["content"]["application/json"]["schema"]
        sent = breaking(msgspec.json.schema(call.takes), asked | rest)
        assert without(sent, "may be missing", "has another") == []
    for status, answer in published["responses"].items():
        if status in call.statuses:
            told = answer["content"]["application/json"]["schema"]
            told = told["anyOf"][0] if "anyOf" in told else told
            read = breaking(msgspec.json.schema(call.answers), told | rest)
            assert without(read, "newly required", "has another") == []


async def test_orders_and_deliveries_over_the_client(served: Served):
    async with served.client() as wms:
        assert (await wms.put_order(order(1))).outcome == "created"
        assert (await wms.put_order(order(1))).outcome == "exists"
        changed = await wms.put_order(order(1, priority=3), version=1)
        assert (changed.outcome, changed.version) == ("updated", 2)
        batch = await wms.post_orders([order(2), order(3, carrier="NONE")])
        assert [each.outcome for each in batch.outcomes] == ["created", "rejected"]
        assert (await wms.hold_order("ACME", "C-2", "credit")).hold_reason == "credit"
        assert (await wms.release_hold("ACME", "C-2")).hold_reason == ""
        listed = [each.external_id async for each in wms.list_orders(limit=1)]
        assert sorted(listed) == ["C-1", "C-2"]
        assert (await wms.cancel_order("ACME", "C-2", "changed mind")).verdict == "cancelled"
        assert (await wms.get_order("ACME", "C-2")).state == "cancelled"
        asn = msgspec.convert(
            {"owner": "ACME", "external_id": "D-1", "expected_at": "2026-03-02T09:00:00Z",
             "lines": [{"line_no": "1", "sku": "MUG", "qty": 4}]}, AsnDoc,
        )  # fmt: skip
        assert (await wms.put_asn(asn)).outcome == "created"
        assert (await wms.cancel_asn("ACME", "D-1", "lost")).outcome == "cancelled"
        assert (await wms.get_asn("ACME", "D-1")).state == "cancelled"


async def test_refusals_carry_every_error(served: Served):
    async with served.client() as wms:
        with pytest.raises(ApiProblem, match="BadDocument") as caught:
            await wms.put_order(order(9, carrier="NONE", service="none"))
        assert caught.value.status == 422
        assert [each.path for each in caught.value.problem.errors] == ["/carrier"]
        with pytest.raises(ApiProblem) as caught:
            await wms.get_order("ACME", "NOSUCH")
        assert (caught.value.status, caught.value.problem.code) == (404, "UnknownOrder")


async def test_lists_walk_all_pages(served: Served):
    async with served.client() as wms:
        levels = [each.sku async for each in wms.levels(limit=2)]
        assert len(levels) > 2
        assert len(levels) == len(set(levels))
        assert [each.on_hand async for each in wms.balances(sku="MUG")] == [500]
        skus = [each.sku async for each in wms.list_items("ACME", limit=1)]
        assert "MUG" in skus
        assert (await wms.get_item("ACME", "MUG")).sku == "MUG"


async def test_a_consumer_goes_on_where_it_stopped_and_answers_for_what_it_did(served: Served):
    async with served.client() as wms:
        for number in range(20, 24):
            await wms.put_order(order(number))
        await drain(served.world.db, served.settings, QUICK)
        all_of_it = [each async for each in wms.events(types=["order.*"], limit=2)]
        assert all(int(a.sequence) < int(b.sequence) for a, b in pairwise(all_of_it))
        seen: list[str] = []
        for stop_after in (3, len(all_of_it) - 2):  # the page begun comes again
            async for event in wms.follow("erp", types=["order.*"], limit=2, idle_s=0):
                seen.append(event.id)
                stop_after -= 1
                if not stop_after:
                    break
        assert list(dict.fromkeys(seen)) == [each.id for each in all_of_it]
        assert len(seen) == len(all_of_it) + 1
        receipt = await wms.say(seen[0], "rejected", consumer="erp", code="no-customer")
        assert receipt.verdict == "rejected"
