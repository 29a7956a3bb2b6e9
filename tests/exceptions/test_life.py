"""One row a trouble: opened, told again, owned, ended, opened anew; and cures that come by log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from tests import world as w
from tests.exceptions.conftest import sealed
from tests.world import World
from wms.access.clients import create_client
from wms.events import catalog
from wms.events.groups import loc, stk
from wms.events.outbox import emit
from wms.exceptions import following, life, rules
from wms.exceptions.life import Found

HERE = "/v1/warehouses/W1/exceptions"


def now(world: World, **changes: Any) -> Any:
    return w.stamp(world, "SUE", **{"at": datetime.now(UTC), **changes})


async def opened(world: World, code: str = "dead_letters", subject: str = "x", **more: Any) -> int:
    async with world.db.transaction() as tx:
        return await life.open_exception(tx, now(world), code, subject, **more)


async def only(erp: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    found = (await erp.get(HERE, params=query)).json()["exceptions"]
    assert len(found) == 1
    return found[0]


async def test_the_same_trouble_is_one_exception_that_counts_and_opens_anew(
    world: World, erp: httpx.AsyncClient
) -> None:
    first = await opened(world, facts={"n": 1})
    assert await opened(world, facts={"n": 1}) == first  # nothing new was said
    assert await opened(world, facts={"n": 2}) == first
    seen = await only(erp)
    assert (seen["times"], seen["reopened"], seen["team"]) == (2, 0, "integration")
    done = await erp.post(f"{HERE}/{first}/resolve", json={"how": "sent by hand"})
    assert done.json()["exception"]["state"] == "resolved"
    assert (await erp.get(HERE)).json() == {"exceptions": []}
    assert await opened(world, facts={"n": 2}) == first
    seen = await only(erp)
    assert (seen["state"], seen["reopened"], seen["ended_how"]) == ("open", 1, "")
    history = (await erp.get(f"{HERE}/{first}")).json()["history"]
    assert [step["did"] for step in history] == [
        "opened again", "resolved", "reported again", "opened",
    ]  # fmt: skip
    told = await w.scalar(
        world, "SELECT array_agg(type ORDER BY id) FROM outbox WHERE warehouse_id = :w"
        " AND type LIKE 'exception.%'",
    )  # fmt: skip
    assert told == ["exception.opened", "exception.resolved", "exception.opened"]


async def test_an_exception_is_given_to_a_person_and_discarded_only_with_a_reason(
    world: World, erp: httpx.AsyncClient
) -> None:
    one = f"{HERE}/{await opened(world)}"
    assert (await erp.post(f"{one}/assign", json={"user": "NOBODY"})).status_code == 404
    given = await erp.post(f"{one}/assign", json={"user": "SUE", "note": "look at the ERP"})
    assert given.json()["exception"]["assignee"] == "SUE"
    assert (await erp.post(f"{one}/discard", json={"reason": " "})).status_code == 400
    assert (await erp.post(f"{one}/discard", json={})).status_code == 422
    gone = await erp.post(f"{one}/discard", json={"reason": "test data"})
    assert gone.json()["exception"]["ended_by"] == "partner:ERP"
    assert (await erp.post(f"{one}/discard", json={"reason": "again"})).status_code == 200
    late = await erp.post(f"{one}/assign", json={"user": "SUE"})
    assert (late.status_code, late.json()["code"]) == (409, "ExceptionEnded")


async def test_history_is_never_changed(world: World) -> None:
    await opened(world)
    with pytest.raises(DBAPIError, match="append-only"):
        async with world.db.transaction() as tx:
            await tx.exec_driver_sql("UPDATE exception_step SET note = 'nothing happened'")


async def test_pages_lead_through_all_and_the_one_due_first_comes_first(
    world: World, erp: httpx.AsyncClient
) -> None:
    async with world.db.transaction() as tx:
        for number in range(7):
            since = datetime.now(UTC) - timedelta(hours=number)
            await life.open_found(tx, now(world), "no_bin", Found(
                subject=f"lpn/{number}", facts={}, since=since,
            ))  # fmt: skip
    url, seen = f"{HERE}?team=shift-lead&limit=3", []
    while url:
        answer = await erp.get(url)
        seen += answer.json()["exceptions"]
        url = answer.links.get("next", {}).get("url", "")
    assert [each["subject"] for each in seen] == [f"lpn/{n}" for n in reversed(range(7))]
    assert seen[0]["late_minutes"] == 6 * 60 - rules.CODES["no_bin"].due_minutes
    assert seen[-1]["late_minutes"] == 0


@pytest.mark.parametrize("path", [
    "/9999999999999999999999", "/x", "/%00", "?after=1.99999999999999999999", "?after=9e9.1",
    "?limit=a", "?team=%00", "?after=99999999999999999999999.1",
])  # fmt: skip
async def test_what_can_never_be_right_is_refused(erp: httpx.AsyncClient, path: str) -> None:
    answer = await erp.get(HERE + path)
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_partner_of_one_owner_sees_only_that_owners_exceptions(
    world: World, erp: httpx.AsyncClient
) -> None:
    mine = await opened(world, "cancel_refused", "order/ACME/1", owner="ACME")
    other = await opened(world, "cancel_refused", "order/BREW/1", owner="BREW")
    nobodys = await opened(world)
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, "SHOP", warehouse_ids=[world.warehouse_id], owner_ids=[world.owners["ACME"]]
        )
    shop = {"Authorization": f"Bearer {key}"}
    found = (await erp.get(HERE, headers=shop)).json()["exceptions"]
    assert [each["id"] for each in found] == [str(mine)]
    for hidden in (other, nobodys):
        body = {"reason": "not mine"}
        url = f"{HERE}/{hidden}/discard"
        assert (await erp.post(url, json=body, headers=shop)).status_code == 404


async def tell(world: World, type: str, key: str, data: Any, **stamp: Any) -> None:
    async with world.db.transaction() as tx:
        await emit(tx, now(world, **stamp), type, key, data)


async def followed(world: World) -> None:
    await sealed(world)
    async with world.db.transaction() as tx:
        await following.follow(tx, now(world, actor="system:exceptions"))


async def test_what_the_floor_reports_opens_and_what_settles_it_ends_it(
    world: World, erp: httpx.AsyncClient
) -> None:
    short = catalog.TaskExceptionRaised(
        code="short", task_id=1, tour_id=2, location=loc("A-01-01"), stock=stk("MUG", "ACME", 3)
    )
    stuck = catalog.TaskExceptionRaised(code="no_bin", location=loc("STAGE-IN", lpn="LP1"))
    await tell(world, "task.exception_raised", "tour/2", short)
    await tell(world, "task.exception_raised", "tour/3", stuck)
    await followed(world)
    await followed(world)  # nothing is read twice
    found = (await erp.get(HERE, params={"team": "shift-lead"})).json()["exceptions"]
    assert {(each["code"], each["subject"], each["times"]) for each in found} == {
        ("short_pick", "bin/A-01-01", 1), ("no_bin", "lpn/LP1", 1),
    }  # fmt: skip
    counted = catalog.CountCompleted(count_id=1, bin="A-01-01", outcome="posted")
    put = catalog.PutawayCompleted(stock=stk("MUG", "ACME", 3), to=loc("R-01-01"), lpn="LP1")
    await tell(world, "count.completed", "count/1", counted)
    await tell(world, "putaway.completed", "stock/ACME/MUG", put)
    await followed(world)
    assert (await erp.get(HERE)).json() == {"exceptions": []}
    ended = (await erp.get(HERE, params={"state": "resolved", "code": "no_bin"})).json()
    assert ended["exceptions"][0]["ended_how"] == "The plate was put away into R-01-01."
    assert ended["exceptions"][0]["ended_by"] == "system:exceptions"


async def test_a_cure_never_ends_what_was_reported_after_it(world: World) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    await tell(world, "count.completed", "count/1",
               catalog.CountCompleted(count_id=1, bin="A-01-01"), at=before)  # fmt: skip
    await opened(world, "short_pick", "bin/A-01-01")
    await followed(world)
    state = "SELECT state FROM exception WHERE warehouse_id = :w"
    assert await w.scalar(world, state) == "open"
