"""What is not settled in time goes one level up, once; many are ended with one reason."""

from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from tests import world as w
from tests.exceptions.test_life import now, opened
from tests.office.conftest import browser, office
from tests.world import World
from wms.exceptions import escalating, life, queries, rules

__all__ = ["browser", "office"]


async def escalated(world: World, minutes: int) -> int:
    """How many go up when so many minutes have passed."""
    stamp = now(world)
    async with world.db.transaction() as tx:
        later = now(world, at=stamp.at + timedelta(minutes=minutes))
        return await escalating.escalate_due(tx, later)


async def table(world: World, statement: str) -> list[tuple[Any, ...]]:
    async with world.db.reading() as tx:
        return [tuple(each) for each in await tx.execute(sa.text(statement))]


async def test_it_goes_up_once_keeps_its_person_and_begins_anew_below(world: World) -> None:
    id = await opened(world, "receipt_discrepancy", "receipt/1/over")
    async with world.db.transaction() as tx:
        await life.assign(tx, now(world), id, "SUE")
    due = rules.CODES["receipt_discrepancy"].due_minutes
    assert await escalated(world, due - 5) == 0
    assert await escalated(world, due + 5) == 1
    assert await escalated(world, due + 500) == 0
    [told] = await table(world, "SELECT CAST(data AS jsonb) FROM outbox"
                                " WHERE type = 'exception.escalated'")  # fmt: skip
    assert (told[0]["from_team"], told[0]["team"], told[0]["assignee"]) == (
        "receiving", "shift-lead", "SUE",
    )  # fmt: skip
    async with world.db.transaction() as tx:
        await life.resolve(tx, now(world), id)
    await opened(world, "receipt_discrepancy", "receipt/1/over", facts={"again": 1})
    assert await table(world, "SELECT team, escalated_at FROM exception") == [("receiving", None)]
    assert set(rules.NEXT_LEVEL) | set(rules.NEXT_LEVEL.values()) == set(rules.TEAMS)


async def test_many_end_with_one_reason_and_each_stands_in_the_audit_log(
    world: World, office: httpx.AsyncClient
) -> None:
    ids = [await opened(world, "no_bin", f"lpn/{n}") for n in range(4)]
    async with world.db.transaction() as tx:
        await life.resolve(tx, now(world), ids[3], "before")
    chosen = {"act": "discarded", "id": [str(ids[0]), str(ids[3])], "why": "test plates"}
    url = "/office/exceptions/bulk"
    none = await office.post(url, data={**chosen, "why": " "}, follow_redirects=True)
    assert "without a reason" in none.text
    some = await office.post(url, data=chosen, follow_redirects=True)
    assert "1 discarded." in some.text
    rest = {"act": "resolved", "all": "1", "shown": [str(id) for id in ids], "why": "racks are up"}
    done = await office.post(url, data=rest, follow_redirects=True)
    assert "2 resolved." in done.text
    assert "Time to resolve" in done.text
    assert await table(
        world, "SELECT act, subject, actor, why FROM audit_entry ORDER BY id"
    ) == [
        ("exception.discarded", f"exception/{ids[0]}", "user:SUE", "test plates"),
        ("exception.resolved", f"exception/{ids[1]}", "user:SUE", "racks are up"),
        ("exception.resolved", f"exception/{ids[2]}", "user:SUE", "racks are up"),
    ]  # fmt: skip
    async with world.db.reading() as tx:
        [took] = await queries.list_repair_times(tx, now(world))
    assert (took.code, took.ended, took.late) == ("no_bin", 3, 0)
    empty = await office.post(url, data=rest, follow_redirects=True)
    assert "Nothing was changed" in empty.text
    assert await w.scalar(world, "SELECT count(*) FROM audit_entry") == 3
