"""Batches of lines and their jobs: one outcome a line, each effect once, through a restart too."""

import asyncio
import contextlib
import json
from typing import Any

import httpx
import sqlalchemy as sa

from tests import world as w
from tests.api.test_asns import asn
from tests.api.test_items import item
from tests.api.test_orders import order, problem
from tests.world import World
from wms.jobs import running

ORDERS = "/v1/warehouses/W1/orders:batch"
LINES = {"Content-Type": "application/x-ndjson"}


def lines(*documents: Any) -> bytes:
    return b"\n".join(
        each if isinstance(each, bytes) else json.dumps(each).encode() for each in documents
    )


def orders(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [order(owner="ACME", external_id=f"SO-{n}", **changes) for n in range(count)]


def read(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("application/x-ndjson"), answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def count(world: World, table: str = "outbound_order") -> int:
    return await w.scalar(world, f"SELECT count(*) FROM {table}")


async def test_each_line_gets_its_outcome_by_number(erp: httpx.AsyncClient, world: World) -> None:
    good, other = orders(2)
    huge = b'{"x":"' + b"x" * 300_000 + b'"}'
    body = lines(good, b"", b"{", [1], other | {"carrier": "NO"}, huge, other, b"\xff{}")
    answer = await erp.post(ORDERS, content=body, headers=LINES)
    assert [(each["line"], each["outcome"], each.get("code", "")) for each in read(answer)] == [
        (1, "created", ""), (3, "rejected", "NotJson"), (4, "rejected", "BadDocument"),
        (5, "rejected", ""), (6, "rejected", "NotJson"), (7, "created", ""),
        (8, "rejected", "NotJson"),
    ]  # fmt: skip
    assert read(answer)[3]["errors"][0]["code"] == "unknown-carrier"
    assert await count(world) == 2
    assert problem(await erp.post(ORDERS, content=body))["status"] == 415
    assert problem(await erp.post(ORDERS, content=b"\n", headers=LINES))["status"] == 422


async def test_deliveries_and_items_come_in_lines_too(
    erp: httpx.AsyncClient, world: World
) -> None:
    body = lines(
        asn(owner="ACME", external_id="A-1"), asn(owner="ACME", external_id="A-2", dock="NO"),
        asn(owner="ACME", external_id="A-3"),
    )  # fmt: skip
    answer = await erp.post("/v1/warehouses/W1/asns:batch", content=body, headers=LINES)
    assert [each["outcome"] for each in read(answer)] == ["created", "rejected", "created"]
    body = lines(item(sku="A"), item(sku="B"), {"sku": "MUG", "velocity": "b"}, item(owner="BREW"))
    answer = await erp.post("/v1/owners/ACME/items:batch", content=body, headers=LINES)
    assert [(each["outcome"], each.get("code", "")) for each in read(answer)] == [
        ("created", ""), ("rejected", "BarcodeConflict"), ("updated", ""),
        ("rejected", "BadDocument"),
    ]  # fmt: skip


async def test_atomic_takes_all_or_none(erp: httpx.AsyncClient, world: World) -> None:
    batch = orders(3)
    bad = lines(*batch[:2], batch[2] | {"carrier": "NO"})
    answer = await erp.post(f"{ORDERS}?mode=atomic", content=bad, headers=LINES)
    assert [each["outcome"] for each in read(answer)] == ["rolled_back", "rolled_back", "rejected"]
    assert await count(world) == 0
    answer = await erp.post(f"{ORDERS}?mode=atomic", content=lines(*batch), headers=LINES)
    assert [each["outcome"] for each in read(answer)] == ["created"] * 3


async def test_a_key_of_a_line_brings_its_first_outcome(
    erp: httpx.AsyncClient, world: World
) -> None:
    batch = [each | {"idempotency_key": f"k-{n}"} for n, each in enumerate(orders(3))]
    first = read(await erp.post(ORDERS, content=lines(*batch, batch[0]), headers=LINES))
    assert [each["outcome"] for each in first] == ["created"] * 4
    assert first[3] == first[0] | {"line": 4, "replayed": True}
    answers = await asyncio.gather(
        *(erp.post(ORDERS, content=lines(*batch), headers=LINES) for _ in range(3))
    )
    assert {answer.text for answer in answers} == {answers[0].text}
    assert all(each["outcome"] == "created" and each["replayed"] for each in read(answers[0]))
    reused = read(await erp.post(ORDERS, content=lines(batch[0] | {"priority": 3}), headers=LINES))
    assert reused[0]["code"] == "RequestKeyReused"
    assert await count(world) == 3


async def test_a_large_batch_becomes_a_job_that_survives_a_restart(
    erp: httpx.AsyncClient, world: World, monkeypatch: Any
) -> None:
    batch = orders(1001)
    batch[150] |= {"carrier": "NO"}
    headers = LINES | {"Idempotency-Key": "nightly"}
    asked = await erp.post(ORDERS, content=lines(*batch), headers=headers)
    assert (asked.status_code, asked.json()["state"], asked.json()["lines"]) == (
        202, "waiting", 1001,
    )  # fmt: skip
    job = f"/v1/jobs/{asked.json()['id']}"
    again = await erp.post(ORDERS, content=lines(*batch), headers=headers)
    assert again.json() == asked.json()
    taken = 0
    real = running._run

    async def dies(*args: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 4:
            raise KeyboardInterrupt  # the process is gone in the middle of a chunk
        return await real(*args)

    monkeypatch.setattr(running, "_run", dies)
    with contextlib.suppress(KeyboardInterrupt):
        await running.run_jobs(world.db)
    part = (await erp.get(job)).json()
    assert (part["state"], part["done"], part["rejected"]) == ("running", 300, 1)
    assert await count(world) == 299
    await asyncio.gather(running.run_jobs(world.db), running.run_jobs(world.db))
    whole = (await erp.get(job)).json()
    assert (whole["state"], whole["done"], whole["accepted"]) == ("done", 1001, 1000)
    assert [(each["line"], each["outcome"]) for each in whole["errors"]] == [(151, "rejected")]
    assert await count(world) == 1000
    assert len(read(await erp.get(f"{job}/outcomes"))) == 1001
    assert [each["line"] for each in read(await erp.get(f"{job}/errors"))] == [151]
    assert problem(await erp.get("/v1/jobs/1234567"))["status"] == 404


async def test_an_atomic_job_is_undone_as_a_whole(erp: httpx.AsyncClient, world: World) -> None:
    batch = orders(120)
    batch[119] |= {"carrier": "NO"}
    prefer = LINES | {"Prefer": "respond-async"}
    asked = await erp.post(f"{ORDERS}?mode=atomic", content=lines(*batch), headers=prefer)
    await running.run_jobs(world.db)
    job = (await erp.get(f"/v1/jobs/{asked.json()['id']}")).json()
    assert (job["state"], job["accepted"], job["rejected"]) == ("done", 0, 120)
    assert await count(world) == 0
    async with world.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE job SET created_at = created_at - interval '31 days'"))
        await running.forget_jobs(tx, w.stamp(world, at=running.datetime.now(running.UTC)))
    assert (await erp.get(f"/v1/jobs/{job['id']}")).status_code == 404


async def test_limits_of_a_batch(erp: httpx.AsyncClient) -> None:
    many = await erp.post(ORDERS, content=b"{}\n" * 10_001, headers=LINES)
    assert (problem(many)["status"], problem(many)["code"]) == (413, "BatchTooLarge")
    large = await erp.post(ORDERS, content=b"x" * (20 * 1024 * 1024 + 1), headers=LINES)
    assert problem(large)["status"] == 413
