"""A consumer finds out over HTTP exactly which events it lost, in few requests."""

import os
import random
from typing import Any

import httpx
import pytest

from tests import world as w
from tests.reconciliation.conftest import fill_log
from tests.reconciliation.consumer import Consumer, digest
from tests.world import World
from wms.access.clients import create_client

MILLION = 1_000_000
EVENTS = int(os.environ.get("WMS_STREAM_EVENTS", "20000"))  # a million takes a minute to fill in
STREAM = "/reconciliation/stream"
COMPARE = f"{STREAM}/compare"


async def everything(world: World) -> dict[int, str]:
    async with world.db.reading() as tx:
        found = await tx.exec_driver_sql("SELECT pos, event_id FROM event_log ORDER BY pos")
        return {row.pos: f"evt_{row.event_id.hex}" for row in found}


async def test_what_was_lost_is_found_in_few_requests_that_grow_by_the_logarithm(
    world: World, partner: httpx.AsyncClient
) -> None:
    await fill_log(world, EVENTS)
    whole = await everything(world)
    for lost in (1, 5):
        consumer = Consumer(partner, cuts=16, leaf=64)
        gone = random.Random(lost).sample(range(1, EVENTS + 1), lost)
        consumer.held = {pos: id for pos, id in whole.items() if pos not in gone}
        assert await consumer.find_missing(1, EVENTS) == {pos: whole[pos] for pos in gone}
        assert consumer.asked <= consumer.most_requests(EVENTS)
        assert consumer.most_requests(MILLION) <= 20
    consumer.held = whole
    consumer.asked = 0
    assert await consumer.find_missing(1, EVENTS) == {}
    assert consumer.asked == 1


async def test_the_log_in_ranges_hours_and_types_adds_up_and_hashes_as_documented(
    world: World, partner: httpx.AsyncClient
) -> None:
    await fill_log(world, 5000)
    held = await everything(world)
    for by, parts in (("range", 7), ("hour", 2), ("type", 1)):
        answer = (await partner.get(STREAM, params={"by": by, "parts": 7})).json()
        assert (answer["from_pos"], answer["to_pos"], answer["head_pos"]) == (1, 5000, 5000)
        assert len(answer["parts"]) == parts
        assert sum(part["count"] for part in answer["parts"]) == 5000
        for part in answer["parts"]:
            ids = (held[pos] for pos in range(part["first_pos"], part["last_pos"] + 1))
            assert part["hash"] == digest(ids)


async def test_a_gap_is_somebodys_exception_until_the_range_is_compared_and_equal(
    world: World, partner: httpx.AsyncClient
) -> None:
    await fill_log(world, 300)
    consumer = Consumer(partner, cuts=4, leaf=10)
    whole = await everything(world)
    consumer.held = {pos: id for pos, id in whole.items() if pos != 77}
    await consumer.find_missing(1, 300)
    state = "SELECT state || ' ' || times FROM exception WHERE warehouse_id = :w"
    assert await w.scalar(world, state) == "open 1"
    await consumer.find_missing(78, 300)  # another range is equal: that says nothing
    assert await w.scalar(world, state) == "open 1"
    consumer.held = whole
    await consumer.find_missing(1, 300)
    assert await w.scalar(world, state) == "resolved 1"
    ahead = {"ranges": [{"from_pos": 250, "to_pos": 900, "hash": "00"}]}
    await partner.post(COMPARE, json=ahead)  # of what has not come yet nothing can differ
    assert await w.scalar(world, state) == "open 2"
    await consumer.find_missing(250, 300)
    assert await w.scalar(world, state) == "resolved 2"
    ahead = {"ranges": [{"from_pos": 301, "to_pos": 900, "hash": "00"}]}
    await partner.post(COMPARE, json=ahead)
    assert await w.scalar(world, state) == "resolved 2"


async def test_ids_that_the_log_does_not_have_are_named(
    world: World, partner: httpx.AsyncClient
) -> None:
    await fill_log(world, 3)
    ids = list((await everything(world)).values())
    body = {"ranges": [{"from_pos": 1, "to_pos": 3, "ids": [ids[0], ids[2], "evt_" + "0" * 32]}]}
    (found,) = (await partner.post(COMPARE, json=body)).json()["differing"]
    assert found["missing"] == [{"id": ids[1], "pos": 2}]
    assert found["unknown"] == ["evt_" + "0" * 32]


async def test_a_partner_of_one_owner_compares_that_owners_events_only(
    world: World, partner: httpx.AsyncClient
) -> None:
    await fill_log(world, 10)
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, "BREWER", warehouse_ids=[world.warehouse_id], owner_ids=[world.owners["BREW"]]
        )
    brewer = {"Authorization": f"Bearer {key}"}
    body = {"ranges": [{"from_pos": 1, "to_pos": 10, "count": 0}]}
    assert (await partner.post(COMPARE, json=body, headers=brewer)).json()["equal"]
    assert not (await partner.post(COMPARE, json=body)).json()["equal"]
    assert (await partner.get(STREAM, params={"by": "type"})).json()["by"] == "type"


@pytest.mark.parametrize(("body", "status"), [
    ({"ranges": []}, 422), ({"ranges": [{"from_pos": -1, "to_pos": 2}]}, 422),
    ({"ranges": [{"from_pos": 1, "to_pos": 2**60}]}, 422), ([], 422),
    ({"ranges": [{"from_pos": 0, "to_pos": 2**52}]}, 422),
    ({"ranges": [{"from_pos": 1, "to_pos": 30_000, "ids": []}]}, 422),
    ({"ranges": [{"from_pos": 1, "to_pos": 2, "ids": ["evt_\0"]}]}, 400),
    ({"ranges": [{"from_pos": 9, "to_pos": 2, "ids": []}]}, 200),
])  # fmt: skip
async def test_what_can_never_be_right_is_refused(
    partner: httpx.AsyncClient, body: Any, status: int
) -> None:
    answer = await partner.post(COMPARE, json=body)
    assert answer.status_code == status, answer.text
    for query in ({"by": "day"}, {"from_pos": "-1"}, {"parts": "x"}):
        assert (await partner.get(STREAM, params=query)).status_code == 400
    assert (await partner.get(STREAM, params={"from_pos": 9})).json()["parts"] == []
