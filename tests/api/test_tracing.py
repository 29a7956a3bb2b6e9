"""The sender's id follows a document through all its events; odd bytes never break anything."""

from typing import Any

import httpx
import pytest

from tests.api.test_asns import asn
from tests.api.test_orders import order, problem
from tests.floor.acting import table
from tests.world import World

PATH = "/v1/warehouses/W1/orders"


async def test_the_senders_id_is_on_every_event_of_the_order(
    erp: httpx.AsyncClient, world: World
) -> None:
    made = await erp.put(f"{PATH}/ACME/SO-1", json=order(), headers={"X-Correlation-Id": "c-1"})
    assert made.headers["X-Correlation-Id"] == "c-1"
    assert made.headers["X-Request-Id"]
    for verb in ("hold", "release-hold", "cancel"):
        answer = await erp.post(
            f"{PATH}/ACME/SO-1/{verb}", json={"reason": "x"}, headers={"X-Request-Id": "other"}
        )
        assert answer.headers["X-Correlation-Id"] == "other"
        assert answer.headers["X-Request-Id"] != "other"
    await erp.put("/v1/warehouses/W1/asns/ACME/A-1", json=asn(), headers={"X-Request-Id": "c-2"})
    told = await table(world, "SELECT type, correlation_id FROM outbox ORDER BY id")
    assert told == [
        ("order.accepted", "c-1"), ("order.held", "c-1"), ("order.hold_released", "c-1"),
        ("order.cancelled", "c-1"), ("asn.accepted", "c-2"),
    ]  # fmt: skip


async def test_a_refusal_names_the_attempt(erp: httpx.AsyncClient) -> None:
    answer = await erp.get(f"{PATH}/ACME/NOPE", headers={"X-Correlation-Id": "c-3"})
    document = problem(answer)
    assert document["instance"] == f"/requests/{answer.headers['X-Request-Id']}"
    assert document["correlation_id"] == answer.headers["X-Correlation-Id"] == "c-3"


ODD: list[tuple[str, str, Any]] = [
    ("GET", "/v1/owners/%00/items", None),
    ("GET", "/v1/owners/ACME/items/%00", None),
    ("GET", "/v1/owners/ACME/items?after=9999999999999999.99999999999999999999", None),
    ("GET", "/v1/owners/ACME/items?updated_since=0001-01-01", None),
    ("GET", "/v1/barcodes/%00%ff", None),
    ("GET", "/v1/items/proposals?state=%00", None),
    ("POST", "/v1/items/proposals/99999999999999999999999/accept", None),
    ("GET", "/v1/jobs/99999999999999999999999", None),
    ("GET", "/v1/warehouses/W1/locations/%00", None),
    ("GET", "/v1/warehouses/%00/locations", None),
    ("GET", "/v1/warehouses/W1/orders/ACME/%00", None),
    ("GET", "/v1/warehouses/W1/orders?state=%00", None),
    ("GET", "/v1/warehouses/W1/orders?after=1.99999999999999999999999", None),
    ("GET", "/v1/warehouses/W1/asns?state=%00&limit=99999999999999999999", None),
    ("GET", "/v1/warehouses/W1/asns/%00/%00", None),
    ("GET", "/v1/owners/ACME/parties/%00", None),
    ("POST", "/v1/warehouses/W1/orders/%00/%00/cancel", {"reason": "x"}),
    ("POST", "/v1/warehouses/W1/orders/ACME/%00/cancel", {"reason": "x"}),
    ("POST", "/v1/warehouses/W1/asns/%00/1/cancel", {"reason": "x"}),
    ("PUT", "/v1/warehouses/W1/orders/ACME/S", order(source_version=2**63)),
    ("PUT", "/v1/warehouses/W1/orders/ACME/S", order(cutoff_at="0001-01-01T00:00:00+14:00")),
    ("PUT", "/v1/warehouses/W1/orders/ACME/S", order(ship_to={"name": "a\x00"})),
    ("PUT", "/v1/warehouses/W1/asns/ACME/S", asn(expected_at="9999-12-31T23:59:59-14:00")),
    ("PUT", "/v1/warehouses/W1/asns/ACME/S", asn(expected_at="0001-01-01T00:00:00+14:00")),
    ("PUT", "/v1/owners/ACME/field-owners", [1]),
    ("PUT", "/v1/owners/ACME/field-owners", {"weight": 1}),
    ("PUT", "/v1/owners/ACME/field-owners", {"\x00": ""}),
]


@pytest.mark.parametrize("kind", ["paths", "numbers and bytes"])
async def test_odd_input_gets_a_problem_of_the_list(erp: httpx.AsyncClient, kind: str) -> None:
    wrong = []
    for method, url, body in ODD[:13] if kind == "paths" else ODD[13:]:
        answer = await erp.request(method, url, json=body)
        if not 400 <= answer.status_code < 500:
            wrong.append((method, url, body, answer.status_code))
        else:
            problem(answer)
    assert wrong == []
