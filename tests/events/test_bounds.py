"""What a partner may open bounds its endpoints: narrowed, masked, and at rest when it is off."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from tests.events.conftest import Bed, tell
from tests.events.receiver import Receiver
from tests.events.test_delivery import parked
from wms.access import clients
from wms.db import Tx, insert
from wms.events.bounds import bound
from wms.events.rules import Tuning
from wms.events.worker import drain
from wms.masterdata.tables import owner

ALL = ["events:read", "webhooks:write", "masks:admin"]


async def partner(
    bed: Bed, receiver: Receiver, **more: Any
) -> tuple[str, str, list[str], list[int]]:
    """A partner of all owners with an endpoint; two owners, and their ids."""
    erp, owners = f"erp-{bed.site}", [f"{name}-{bed.site}" for name in ("mine", "other")]
    async with bed.db.transaction() as tx:
        ids = [await insert(tx, owner, code=each, name=each) for each in owners]
        await clients.create_client(tx, erp, warehouse_ids=[bed.warehouse_id], scopes=ALL)
    code = await bed.subscribe(receiver, **more)
    async with bed.db.transaction() as tx:
        made = sa.text("UPDATE endpoint SET created_by = :by WHERE code = :code")
        await tx.execute(made, {"by": f"partner:{erp}", "code": code})
    return erp, code, owners, ids


async def change(bed: Bed, code: str, owners: list[int], scopes: list[str]) -> None:
    """As the office page does it."""
    async with bed.db.transaction() as tx:
        await clients.change_client(
            tx, code, warehouse_ids=[bed.warehouse_id], owner_ids=owners, scopes=scopes
        )
        await follow(tx, code)


async def follow(tx: Tx, code: str) -> None:
    await bound(tx, await clients.get_view(tx, code), "user:ADA", datetime.now(UTC))


async def endpoint(bed: Bed, code: str) -> Any:
    async with bed.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT state, owners, mask_profile FROM endpoint WHERE code = :code"),
            {"code": code},
        )
        return tuple(found.one())


async def test_a_narrowed_partner_hears_no_other_owner_and_one_switched_off_hears_nothing(
    bed: Bed, receiver: Receiver, quick: Tuning
) -> None:
    erp, code, (mine, other), ids = await partner(bed, receiver, mask_profile="full")

    async def happens(number: int) -> None:
        async with bed.db.transaction() as tx:
            for each in (mine, other):
                await tell(tx, bed.warehouse_id, f"{each}-{number}", owner=each)

    await happens(1)
    assert await drain(bed.db, bed.settings, quick)
    assert {got.body["owner"] for got in receiver.got} == {mine, other}

    await change(bed, erp, ids[:1], ALL[:2])
    assert await endpoint(bed, code) == ("active", [mine], "default")
    receiver.got.clear()
    await happens(2)
    assert await drain(bed.db, bed.settings, quick)
    assert {got.body["owner"] for got in receiver.got} == {mine}

    await change(bed, erp, ids[1:], ALL[:2])  # nothing is left of what it heard
    assert await endpoint(bed, code) == ("paused", [other], "default")
    async with bed.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE endpoint SET state = 'active' WHERE code = :code"),
                         {"code": code})  # fmt: skip
        await clients.switch_off(tx, erp)
        await follow(tx, erp)
    assert (await endpoint(bed, code))[0] == "paused"


async def test_what_waits_for_a_retry_is_not_sent_after_all(
    bed: Bed, receiver: Receiver, quick: Tuning
) -> None:
    erp, _, (mine, other), ids = await partner(bed, receiver)
    async with bed.db.transaction() as tx:
        for each in (mine, other):
            await tell(tx, bed.warehouse_id, each, owner=each)
    receiver.fault = lambda body, seen: web.Response(status=422)
    assert await drain(bed.db, bed.settings, quick)
    assert {okey for okey, _, _ in await parked(bed)} == {f"order/{mine}", f"order/{other}"}
    await change(bed, erp, ids[:1], ALL)
    assert {okey for okey, _, _ in await parked(bed)} == {f"order/{mine}"}
