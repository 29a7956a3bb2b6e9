"""Delivered and proven may be billed, whichever of the two is told first."""

from typing import Any

import httpx

from tests import world as w
from tests.api.conftest import app, erp
from tests.api.test_shipments import proof
from tests.carriers.shipped import shipped
from tests.world import World
from wms.carriers.billing import Proof, blockers

__all__ = ["app", "erp"]


async def delivered(erp: httpx.AsyncClient, number: str) -> None:
    told = {"tracking_no": number, "raw_code": "delivered", "source": "parcel",
            "occurred_at": "2026-03-03T10:00:00Z"}  # fmt: skip
    assert (await erp.post("/v1/milestones", json=told)).status_code == 201


async def verdicts(world: World, shipment: str) -> list[Any]:
    return await w.scalar(
        world, "SELECT coalesce(jsonb_agg(jsonb_build_array(type, CAST(data AS jsonb) ->"
        " 'blockers', CAST(data AS jsonb) -> 'evidence') ORDER BY id), '[]') FROM outbox"
        " WHERE okey = :key AND type LIKE 'billing.%'", key=f"shipment/{shipment}",
    )  # fmt: skip


async def test_it_may_be_billed_when_delivered_and_proven_in_either_order(
    erp: httpx.AsyncClient, world: World
) -> None:
    first = (await shipped(world, "SO-1", "T1"))["id"]
    second = (await shipped(world, "SO-2", "T2"))["id"]
    await erp.post(f"/v1/warehouses/W1/shipments/{first}/pods", json=proof())
    assert await verdicts(world, first) == []
    await delivered(erp, "T1")
    [[type, _, evidence]] = await verdicts(world, first)
    assert (type, evidence[0], len(evidence)) == ("billing.eligible", "shipment.delivered", 2)
    await delivered(erp, "T2")
    assert await verdicts(world, second) == [["billing.blocked", ["proof_missing"], None]]
    for _ in range(2):  # the same proof again tells nothing
        await erp.post(f"/v1/warehouses/W1/shipments/{second}/pods", json=proof())
    assert [each[0] for each in await verdicts(world, second)] == [
        "billing.blocked", "billing.eligible",
    ]  # fmt: skip


def test_a_proof_of_damage_does_not_open_the_bill() -> None:
    assert blockers([]) == ["proof_missing"]
    assert blockers([Proof("1", False)]) == ["proof_not_clean"]
    assert blockers([Proof("1", False), Proof("2", True)]) == []
