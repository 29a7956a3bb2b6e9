"""Orders in: every outcome, all errors at once, soft promises that no two intakes share."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from tests import world as w
from tests.world import World
from wms.errors import Conflict
from wms.outbound import orders
from wms.outbound.order_documents import OrderDoc, Outcome


def doc(external_id: str = "SO-1", *lines: tuple[str, int], **changes: Any) -> OrderDoc:
    values: dict[str, Any] = {
        "owner": "ACME",
        "external_id": external_id,
        "carrier": "PARCEL",
        "lines": [
            {"line_no": str(number), "sku": sku, "qty": qty}
            for number, (sku, qty) in enumerate(lines or (("MUG", 3),), 1)
        ],
    }
    return msgspec.convert(values | changes, OrderDoc)


async def accept(world: World, *docs: OrderDoc, **changes: Any) -> list[Outcome]:
    async with world.db.transaction() as tx:
        return await orders.accept(tx, w.stamp(world, **changes), docs)


async def promised(world: World) -> int:
    return await w.scalar(
        world, "SELECT coalesce(sum(promised), 0) FROM order_line WHERE warehouse_id = :w"
    )


async def events(world: World) -> list[tuple[str, int | None]]:
    async with world.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT type, keyseq FROM outbox WHERE okey LIKE 'order/%' ORDER BY id")
        )
        return [(row.type, row.keyseq) for row in found]


async def test_an_order_is_made_promised_and_told(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 2)
    [made] = await accept(world, doc())
    assert (made.outcome, made.version, made.state, made.promised) == ("created", 1, "open", "part")
    assert made.cutoff_at == datetime(2026, 3, 2, 14, 0, tzinfo=UTC)  # 15:00 in Berlin
    assert await promised(world) == 2
    assert await events(world) == [("order.accepted", 1)]


async def test_the_same_document_again_changes_nothing(world: World) -> None:
    await accept(world, doc())
    [again] = await accept(world, doc())
    assert (again.outcome, again.version) == ("exists", 1)
    assert await events(world) == [("order.accepted", 1)]


async def test_a_newer_document_changes_an_order_that_has_not_started(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 10)
    await accept(world, doc(source_version=1))
    [changed] = await accept(world, doc("SO-1", ("MUG", 5), ("LAMP", 1), source_version=2))
    assert (changed.outcome, changed.version, changed.promised) == ("updated", 2, "part")
    assert await promised(world) == 5
    assert await events(world) == [("order.accepted", 1), ("order.updated", 2)]


async def test_an_older_document_is_ignored(world: World) -> None:
    await accept(world, doc(source_version=5))
    [late] = await accept(world, doc("SO-1", ("MUG", 9), source_version=4))
    assert late.outcome == "ignored_stale"
    assert await w.scalar(world, "SELECT ordered FROM order_line WHERE warehouse_id = :w") == 3


async def test_one_version_with_two_contents_is_told_apart(world: World) -> None:
    await accept(world, doc(source_version=5))
    [other] = await accept(world, doc("SO-1", ("MUG", 9), source_version=5))
    assert other.outcome == "exists_with_different_lines"


async def test_what_is_released_no_longer_changes(world: World) -> None:
    await w.order(world, "SO-1", ("MUG", 3), state="released", ship_to={})
    [other] = await accept(world, doc("SO-1", carrier="FREIGHT"))
    assert other.outcome == "exists_with_different_carrier"


async def test_a_change_keeps_the_cutoff_it_has(world: World) -> None:
    [made] = await accept(world, doc())
    [changed] = await accept(world, doc("SO-1", ("MUG", 4)), at=world.at + timedelta(hours=12))
    assert (changed.outcome, changed.cutoff_at) == ("updated", made.cutoff_at)


async def test_every_wrong_reference_is_named_and_the_good_orders_go_in(world: World) -> None:
    bad = doc("SO-2", ("MUG", 1), ("NOSUCH", 1), carrier="PIGEON")
    strange = doc("SO-3", owner="WHO")
    slow = doc("SO-4", service="overnight")
    good, wrong, whose, when = await accept(world, doc(), bad, strange, slow)
    assert good.outcome == "created"
    assert wrong.outcome == "rejected"
    assert [(e.path, e.code) for e in wrong.errors] == [
        ("/carrier", "unknown-carrier"),
        ("/lines/1/sku", "unknown-item"),
    ]
    assert [(e.path, e.code) for e in whose.errors] == [("/owner", "unknown-owner")]
    assert [(e.path, e.code, e.allowed) for e in when.errors] == [
        ("/service", "unknown-service", ["standard"])
    ]
    assert await events(world) == [
        ("order.accepted", 1),
        ("order.rejected", None),
        ("order.rejected", None),
        ("order.rejected", None),
    ]


async def test_twice_in_one_request_is_an_error_of_the_second(world: World) -> None:
    first, second = await accept(world, doc(), doc("SO-1", ("MUG", 9)))
    assert (first.outcome, second.outcome) == ("created", "rejected")


async def test_parallel_intakes_never_promise_the_same_unit(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 10)
    await w.stock(world, "LAMP", "A-01-02", 10)
    lines = [(("MUG", 3), ("LAMP", 3)), (("LAMP", 3), ("MUG", 3))]
    batches = [[doc(f"SO-{n}-{k}", *lines[k % 2]) for k in range(3)] for n in range(4)]
    await asyncio.gather(*(accept(world, *batch) for batch in batches))
    assert await promised(world) == 20
    assert (
        await w.scalar(world, "SELECT count(*) FROM outbound_order WHERE warehouse_id = :w") == 12
    )


async def test_the_same_new_order_from_two_sides_is_one_order(world: World) -> None:
    outcomes = await asyncio.gather(accept(world, doc()), accept(world, doc()))
    assert sorted(each.outcome for [each] in outcomes) == ["created", "exists"]


async def test_hold_and_release_hold(world: World) -> None:
    [made] = await accept(world, doc())
    async with world.db.transaction() as tx:
        held = await orders.hold(tx, w.stamp(world), int(made.id), "credit")
        again = await orders.hold(tx, w.stamp(world), int(made.id), "credit")
    assert (held.state, held.hold_reason, again.version) == ("held", "credit", held.version)
    async with world.db.transaction() as tx:
        free = await orders.release_hold(tx, w.stamp(world), int(made.id))
    assert (free.state, free.hold_reason) == ("open", "")
    assert await events(world) == [
        ("order.accepted", 1),
        ("order.held", 2),
        ("order.hold_released", 3),
    ]


async def test_a_shipped_order_cannot_be_held(world: World) -> None:
    order = await w.order(world, "SO-1", ("MUG", 3), state="shipped")
    with pytest.raises(Conflict, match="is shipped"):
        async with world.db.transaction() as tx:
            await orders.hold(tx, w.stamp(world), order["id"], "credit")
