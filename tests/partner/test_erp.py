"""A whole partner, both ways: an ERP in the wrong order and twice, and a receiver that fails."""

from collections import Counter

import msgspec
import pytest
from aiohttp import web
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.contract.conftest import Served
from tests.events.conftest import QUICK, Bed
from tests.events.receiver import Receiver
from wms.events.worker import drain
from wms.partner import erp
from wms.partner.client import Client


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_the_order_of_its_messages_the_newest_wins(served: Served, seed: int):
    plan = erp.make_plan(seed, 12, "ACME", ["MUG", "TENT"], "PARCEL")
    assert plan == erp.make_plan(seed, 12, "ACME", ["MUG", "TENT"], "PARCEL")
    assert max(Counter(map(msgspec.json.encode, plan.messages)).values()) == 2
    async with served.client() as wms:
        sent = await erp.send(wms, plan, "ACME")
        assert await erp.differences(wms, plan, "ACME") == []
        again = await erp.send(wms, plan, "ACME")
        assert await erp.differences(wms, plan, "ACME") == []
    assert {"created", "updated", "ignored_stale"} <= sent.outcomes.keys()
    assert again.outcomes.keys().isdisjoint({"created", "updated"})


async def test_its_events_arrive_in_order_through_faults_and_parse_as_cloudevents(
    served: Served, receiver: Receiver
):
    bed = Bed(served.world.db, served.settings, served.world.warehouse_id, "W1")
    receiver.fault = lambda body, seen: web.Response(status=503) if seen == 0 else None
    plan = erp.make_plan(7, 6, "ACME", ["MUG"], "PARCEL")
    await bed.subscribe(receiver, "partner", types=["order.*"])
    async with Client(served.url, served.key, "W1") as wms:
        await erp.send(wms, plan, "ACME")
        await drain(bed.db, bed.settings, QUICK)
        log = [e async for e in wms.events(types=["order.*"])]
    told = {f"order/ACME/{external_id}" for external_id in plan.truth}
    mine = [e for e in log if e.partitionkey in told]
    assert receiver.unverified == receiver.overlaps == 0
    for key in told:
        heard = [got.sequence for got in receiver.got if got.key == key]
        assert heard == [int(e.sequence) for e in mine if e.partitionkey == key]
    for got in receiver.got:
        parsed = JSONFormat().read(CloudEvent, msgspec.json.encode(got.body))
        assert parsed.get_id() == got.headers["webhook-id"] == got.id
        assert parsed.get_extension("partitionkey") == got.key
