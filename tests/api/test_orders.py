"""The contract of the orders API: outcomes, every error at once, replays, stale versions."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests import world as w
from tests.world import World
from web.errors import PROBLEMS
from wms.access.clients import create_client

PATH = "/v1/warehouses/W1/orders"


def order(**changes: Any) -> dict[str, Any]:
    return {
        "carrier": "PARCEL",
        "ship_to": {"name": "Ida Holm", "city": "Kiel"},
        "lines": [{"line_no": "1", "sku": "MUG", "qty": 2}],
        **changes,
    }


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The answer as a problem document of the closed list."""
    assert answer.headers["content-type"].startswith("application/problem+json")
    document = answer.json()
    slug = document["type"].removeprefix("/problems/")
    assert PROBLEMS[slug].title == document["title"]
    assert document["status"] == answer.status_code == PROBLEMS[slug].status
    assert {"detail", "code", "retryable", "instance"} <= document.keys()
    return document


async def test_put_creates_then_exists_then_updates(erp: httpx.AsyncClient, world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 9)
    made = await erp.put(f"{PATH}/ACME/SO-1", json=order())
    assert made.status_code == 201
    assert made.json() | {"id": ""} == {
        "outcome": "created", "owner": "ACME", "external_id": "SO-1", "id": "", "version": 1,
        "state": "open", "promised": "all", "cutoff_at": made.json()["cutoff_at"],
    }  # fmt: skip
    again = await erp.put(f"{PATH}/ACME/SO-1", json=order())
    assert (again.status_code, again.json()["outcome"]) == (200, "exists")
    changed = await erp.put(f"{PATH}/ACME/SO-1", json=order(priority=5))
    assert (changed.status_code, changed.json()["outcome"]) == (200, "updated")


async def test_every_error_of_a_document_comes_at_once(erp: httpx.AsyncClient) -> None:
    bad = {
        "carrier": 7,
        "priority": 5000,
        "owner": "BREW",
        "lines": [{"line_no": "1", "sku": "MUG", "qty": 0}, {"sku": "MUG", "qty": "3"}, 4],
    }
    answer = await erp.put(f"{PATH}/BREW/SO-1", json=bad)
    document = problem(answer)
    assert document["type"] == "/problems/validation-failed"
    assert [(e["path"], e["code"]) for e in document["errors"]] == [
        ("/carrier", "wrong-type"),
        ("/lines/0/qty", "out-of-range"),
        ("/lines/1/line_no", "required"),
        ("/lines/1/qty", "wrong-type"),
        ("/lines/2", "wrong-type"),
        ("/priority", "out-of-range"),
    ]


async def test_unknown_references_are_errors_too_and_the_rejection_is_told(
    erp: httpx.AsyncClient, world: World
) -> None:
    lines = [{"line_no": "1", "sku": "NOSUCH", "qty": 1}, {"line_no": "1", "sku": "MUG", "qty": 1}]
    document = problem(await erp.put(f"{PATH}/ACME/SO-1", json=order(lines=lines, carrier="X")))
    assert [(e["path"], e["code"]) for e in document["errors"]] == [
        ("/carrier", "unknown-carrier"),
        ("/lines/0/sku", "unknown-item"),
        ("/lines/1/line_no", "duplicate"),
    ]
    told = "SELECT type FROM outbox WHERE okey = 'order/ACME/SO-1'"
    assert await w.scalar(world, told) == "order.rejected"


async def test_a_member_that_nothing_reads_is_named(erp: httpx.AsyncClient) -> None:
    answer = await erp.put(f"{PATH}/ACME/SO-1", json=order(prioritty=3))
    assert answer.json()["unknown_fields"] == ["/prioritty"]


async def test_body_and_path_must_not_contradict(erp: httpx.AsyncClient) -> None:
    document = problem(await erp.put(f"{PATH}/ACME/SO-1", json=order(external_id="SO-2")))
    assert document["errors"][0]["code"] == "contradicts-path"


async def test_stale_and_different_versions(erp: httpx.AsyncClient, world: World) -> None:
    await erp.put(f"{PATH}/ACME/SO-1", json=order(source_version=4))
    late = await erp.put(f"{PATH}/ACME/SO-1", json=order(source_version=3, priority=9))
    assert (late.status_code, late.json()["outcome"]) == (200, "ignored_stale")
    other = problem(await erp.put(f"{PATH}/ACME/SO-1", json=order(source_version=4, priority=9)))
    assert (other["type"], other["field"]) == ("/problems/exists-with-different", "priority")


async def test_a_batch_takes_the_good_and_answers_each(erp: httpx.AsyncClient) -> None:
    batch = [
        order(owner="ACME", external_id="SO-1"),
        order(owner="ACME", external_id="SO-2", lines=[]),
        order(owner="ACME", external_id="SO-3", carrier="NOPE"),
    ]
    answer = await erp.post(PATH, json=batch)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1, 2)
    assert [each["outcome"] for each in body["outcomes"]] == ["created", "rejected", "rejected"]
    assert body["outcomes"][1]["errors"][0]["path"] == "/lines"


async def test_a_request_key_gives_the_same_answer_and_refuses_another_body(
    erp: httpx.AsyncClient,
) -> None:
    batch = [order(owner="ACME", external_id="SO-1")]
    headers = {"Idempotency-Key": '"k-1"'}
    first = await erp.post(PATH, json=batch, headers=headers)
    again = await erp.post(PATH, json=batch, headers={"Idempotency-Key": "k-1"})
    assert again.json() == first.json()
    assert again.json()["outcomes"][0]["outcome"] == "created"
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await erp.post(PATH, json=[order(owner="ACME", external_id="SO-2")], headers=headers)
    assert problem(other)["type"] == "/problems/idempotency-key-reuse"


async def test_the_same_request_twice_in_flight_is_done_once(erp: httpx.AsyncClient) -> None:
    batch = [order(owner="ACME", external_id=f"SO-{n}") for n in range(5)]
    headers = {"Idempotency-Key": "k-2"}
    answers = await asyncio.gather(
        *(erp.post(PATH, json=batch, headers=headers) for _ in range(3))
    )
    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].json()["accepted"] == 5
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 2


async def test_an_order_is_read_with_lines_and_events(erp: httpx.AsyncClient) -> None:
    await erp.put(f"{PATH}/ACME/SO-1", json=order(), headers={"X-Correlation-Id": "c-77"})
    answer = await erp.get(f"{PATH}/ACME/SO-1")
    body = answer.json()
    assert body["lines"][0] | {"description": ""} == {
        "line_no": "1", "sku": "MUG", "description": "", "ordered": 2, "promised": 0, "waiting": 2,
        "allocated": 0, "picked": 0, "packed": 0, "shipped": 0, "short": 0, "cancelled": 0,
    }  # fmt: skip
    assert [(e["type"], e["version"], e["actor"]) for e in body["events"]] == [
        ("order.accepted", 1, "partner:ERP")
    ]
    assert body["correlation_id"] == "c-77"


async def test_lists_walk_page_by_page(erp: httpx.AsyncClient) -> None:
    await erp.post(PATH, json=[order(owner="ACME", external_id=f"SO-{n}") for n in range(5)])
    seen: list[str] = []
    url = f"{PATH}?limit=2"
    while url:
        answer = await erp.get(url)
        seen += [each["external_id"] for each in answer.json()["orders"]]
        link = answer.headers.get("Link", "")
        url = link[1 : link.index(">")] if link else ""
    assert seen == [f"SO-{n}" for n in range(5)]
    assert problem(await erp.get(f"{PATH}?limit=x"))["code"] == "BadPage"


async def test_hold_release_and_cancel(erp: httpx.AsyncClient) -> None:
    await erp.put(f"{PATH}/ACME/SO-1", json=order())
    held = await erp.post(f"{PATH}/ACME/SO-1/hold", json={"reason": "credit"})
    assert (held.json()["state"], held.json()["version"]) == ("held", 2)
    free = await erp.post(f"{PATH}/ACME/SO-1/release-hold")
    assert (free.json()["state"], free.json()["version"]) == ("open", 3)
    gone = await erp.post(f"{PATH}/ACME/SO-1/cancel", json={"reason": "customer"})
    assert gone.json()["verdict"] == "cancelled"
    again = await erp.post(f"{PATH}/ACME/SO-1/cancel", json={"reason": "customer"})
    assert (again.status_code, again.json()["verdict"]) == (200, "cancelled")
    assert problem(await erp.post(f"{PATH}/ACME/SO-1/hold", json={"reason": "x"}))["stage"]


async def test_what_has_left_is_not_cancelled(erp: httpx.AsyncClient, world: World) -> None:
    await w.order(world, "SO-1", ("MUG", 1), state="shipped")
    answer = await erp.post(f"{PATH}/ACME/SO-1/cancel", json={"reason": "customer"})
    document = problem(answer)
    assert (document["type"], document["stage"]) == ("/problems/change-window-closed", "shipped")


@pytest.mark.parametrize(
    ("method", "url", "slug"),
    [
        ("GET", f"{PATH}/ACME/NOPE", "not-found"),
        ("GET", "/v1/warehouses/NOPE/orders", "forbidden-site"),
        ("GET", "/v1/nothing", "not-found"),
        ("DELETE", PATH, "method-not-allowed"),
    ],
)
async def test_what_is_not_there(erp: httpx.AsyncClient, method: str, url: str, slug: str) -> None:
    assert problem(await erp.request(method, url))["type"] == f"/problems/{slug}"


async def test_a_body_that_is_not_json(erp: httpx.AsyncClient) -> None:
    answer = await erp.put(f"{PATH}/ACME/SO-1", content=b"{")
    assert problem(answer)["type"] == "/problems/malformed-body"


async def test_keys_open_only_what_they_name(erp: httpx.AsyncClient, world: World) -> None:
    async with world.db.transaction() as tx:
        narrow = await create_client(
            tx, "SHOP", warehouse_ids=[world.warehouse_id], scopes=["orders:write", "orders:read"],
            owner_ids=[world.owners["BREW"]],
        )  # fmt: skip
        away = await create_client(tx, "AWAY", warehouse_ids=[])
        reader = await create_client(
            tx, "BI", warehouse_ids=[world.warehouse_id], scopes=["inventory:read"]
        )
    await erp.put(f"{PATH}/ACME/SO-1", json=order())

    async def slug(key: str, method: str = "GET", url: str = f"{PATH}/ACME/SO-1") -> str:
        answer = await erp.request(
            method, url, json=order(), headers={"Authorization": f"Bearer {key}"}
        )
        return problem(answer)["type"].removeprefix("/problems/")

    assert await slug("nonsense") == "unauthenticated"
    assert await slug(reader) == "forbidden-scope"
    assert await slug(away) == "forbidden-site"
    assert await slug(narrow) == "forbidden-owner"
    assert await slug(narrow, "PUT", f"{PATH}/ACME/SO-9") == "forbidden-owner"
    assert await slug(narrow, url=f"{PATH}/ACME/SO-9") == "forbidden-owner"  # there or not
    assert await slug(narrow, url=f"{PATH}/NOBODY/SO-9") == "forbidden-owner"
    mine = {"Authorization": f"Bearer {narrow}"}
    assert (await erp.get(PATH, headers=mine)).json() == {"orders": []}


async def test_an_order_for_somebody_elses_owner_is_told_to_nobody(
    erp: httpx.AsyncClient, world: World
) -> None:
    async with world.db.transaction() as tx:
        narrow = await create_client(
            tx, "SHOP", warehouse_ids=[world.warehouse_id], scopes=["orders:write"],
            owner_ids=[world.owners["BREW"]],
        )  # fmt: skip
    mine = {"Authorization": f"Bearer {narrow}", "Content-Type": "application/x-ndjson"}
    lines = [json.dumps(order(owner=owner, external_id="SO-1")) for owner in ("ACME", "BREW")]
    answer = await erp.post(f"{PATH}:batch", content="\n".join(lines), headers=mine)
    outcomes = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["outcome"] for each in outcomes] == ["rejected", "rejected"]
    assert outcomes[0]["errors"][0]["code"] == "forbidden-owner"
    told = await w.scalar(world, "SELECT array_agg(owner) FROM outbox WHERE type LIKE 'order.%'")
    assert told == ["BREW"]
