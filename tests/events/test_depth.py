"""Replay, batches, conflation, masks, rotation: what a demanding subscriber asks for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aiohttp import web
from standardwebhooks import Webhook

from tests.events.conftest import Bed, stamp
from tests.events.receiver import Receiver
from tests.events.test_delivery import parked, until, working
from wms.events import endpoints, replays
from wms.events.catalog import InventoryLevelChanged, OrderAccepted
from wms.events.groups import Party, doc
from wms.events.keys import Vault
from wms.events.masks import Mask, masked_fields
from wms.events.outbox import emit
from wms.events.queries import get_endpoint
from wms.events.replays import BadSelector, ReplayRunning, Selector
from wms.events.rules import Tuning
from wms.events.worker import drain


async def replay(bed: Bed, code: str, **choice: Any) -> int:
    async with bed.db.transaction() as tx:
        endpoint = await get_endpoint(tx, code)
        return await replays.start(
            tx, bed.warehouse_id, endpoint.id, Selector(**choice), "user:ADA", "test",
            datetime.now(UTC),
        )  # fmt: skip


async def ended(bed: Bed, id: int) -> bool:
    state = "SELECT state FROM replay WHERE warehouse_id = :w AND id = :id"
    return await bed.value(state, w=bed.warehouse_id, id=id) == "done"


async def test_a_replay_sends_what_was_previewed_with_the_same_ids_in_order(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await bed.subscribe(receiver)
    await bed.tell("A", "B", "A", "C")
    assert await drain(bed.db, bed.settings, quick)
    first = [got.id for got in receiver.got if got.key == "order/A"]
    receiver.got.clear()
    async with bed.db.reading() as tx:
        endpoint = await get_endpoint(tx, code)
        found = await replays.preview(tx, bed.warehouse_id, endpoint.id, Selector(okey="order/A"))
    assert [(each.type, each.events) for each in found.types] == [("order.updated", 2)]
    id = await replay(bed, code, okey="order/A")
    with pytest.raises(ReplayRunning):
        await replay(bed, code)
    async with working(bed, quick):
        await until(lambda: ended(bed, id))
    assert [got.id for got in receiver.got] == first
    assert receiver.got[0].headers["webhook-replay"] == "true"
    assert await bed.value("SELECT done FROM replay WHERE id = :id", id=id) == 2


async def test_a_replay_of_what_is_missing_sends_only_that(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await bed.subscribe(receiver)
    receiver.fault = lambda body, seen: (
        web.Response(status=422) if body["partitionkey"] == "order/BAD" else None
    )
    await bed.tell("A", "BAD", "B")
    assert await drain(bed.db, bed.settings, quick)
    assert [row[:2] for row in await parked(bed)] == [("order/BAD", "dead")]
    receiver.fault = None
    receiver.got.clear()
    id = await replay(bed, code, only="missing", types=["order.*"])
    async with working(bed, quick):
        await until(lambda: ended(bed, id))
    assert [got.key for got in receiver.got] == ["order/BAD"]
    async with bed.db.reading() as tx:
        endpoint = await get_endpoint(tx, code)
        for only, events in (("missing", 0), ("failed", 0), ("never", 0), ("all", 3)):
            asked = Selector(only=only, types=["order.*"])
            found = await replays.preview(tx, bed.warehouse_id, endpoint.id, asked)
            assert (only, found.events) == (only, events)
        with pytest.raises(BadSelector):
            await replays.preview(tx, bed.warehouse_id, endpoint.id, Selector(only="some"))


async def test_a_replay_and_the_live_stream_never_overlap_in_a_key(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await bed.subscribe(receiver)
    receiver.fault = lambda body, seen: 0.005
    await bed.tell(*["A", "B"] * 15)
    assert await drain(bed.db, bed.settings, quick)
    id = await replay(bed, code)
    async with working(bed, quick):
        await bed.tell(*["A", "B"] * 15)
        await receiver.wait_for(60)
        await until(lambda: ended(bed, id))
    assert receiver.overlaps == 0
    live = [got.sequence for got in receiver.got if "webhook-replay" not in got.headers]
    again = [got.sequence for got in receiver.got if "webhook-replay" in got.headers]
    for places in (live, again):
        for key in ("order/A", "order/B"):
            mine = {got.sequence for got in receiver.got if got.key == key}
            assert [place for place in places if place in mine] == sorted(mine & set(places))
    assert len(again) == 30


class BatchReceiver(Receiver):
    """Takes arrays; `refuse` are keys it answers 422 for, in a 207."""

    refuse: tuple[str, ...] = ()
    sizes: list[int]
    bytes: list[int]
    most: int = 1000
    seen_poison: bool = False

    async def _hook(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body = msgspec.json.decode(raw)
        if isinstance(body, dict):
            return web.json_response({"nonce": body["data"]["nonce"]})
        Webhook(self.secret).verify(raw, dict(request.headers))
        assert request.headers["webhook-id"].startswith("bat_")
        if len(body) > self.most:
            return web.Response(status=413)
        self.sizes = [*getattr(self, "sizes", []), len(body)]
        self.bytes = [*getattr(self, "bytes", []), len(raw)]
        results = []
        for each in body:
            refused = each["partitionkey"] in self.refuse
            results.append({"id": each["id"], "status": 422 if refused else 200})
            if not refused:
                await self._answer(each, {})
        self._changed.set()
        if self.refuse:
            return web.json_response({"results": results}, status=207)
        return web.Response(status=204)


async def test_batches_keep_order_and_items_keep_their_ids(bed: Bed, quick: Tuning):
    receiver = await BatchReceiver().start()
    await bed.subscribe(receiver, mode="batch", max_batch=10)
    keys = [f"K{n % 3}" for n in range(40)]
    await bed.tell(*keys)
    assert await drain(bed.db, bed.settings, quick)
    assert len(receiver.got) == 40
    assert max(receiver.sizes) == 10
    assert all(places == sorted(places) for places in receiver.first_order().values())
    batches = "SELECT count(DISTINCT batch_id) FROM attempt WHERE warehouse_id = :id"
    assert await bed.value(batches, id=bed.warehouse_id) == len(receiver.sizes)
    await receiver.stop()


async def test_a_207_parks_only_what_it_refuses(bed: Bed, quick: Tuning):
    receiver = await BatchReceiver().start()
    receiver.refuse = ("order/BAD",)
    await bed.subscribe(receiver, mode="batch")
    await bed.tell("A", "BAD", "B", "BAD", "A")
    async with working(bed, quick):
        await receiver.wait_for(3)

        async def both_dead() -> bool:
            return await parked(bed) == [("order/BAD", "dead", 3)] * 2

        await until(both_dead)
    assert [got.key for got in receiver.got] != []
    await receiver.stop()


async def test_a_batch_that_is_too_large_is_halved(bed: Bed, quick: Tuning):
    receiver = await BatchReceiver().start()
    receiver.most = 7
    await bed.subscribe(receiver, mode="batch", max_batch=50)
    await bed.tell(*[f"K{n}" for n in range(40)])
    assert await drain(bed.db, bed.settings, quick)
    assert len({got.id for got in receiver.got}) == 40
    assert await parked(bed) == []
    await receiver.stop()


async def test_a_batch_holds_half_a_megabyte_and_a_huge_event_only_names_its_data(
    bed: Bed, quick: Tuning
):
    receiver = await BatchReceiver().start()
    await bed.subscribe(receiver, mode="batch", types=["inventory.level_changed"])
    skus = ["A", *[f"{n:02d}" * 30_000 for n in range(12)], "Z" * 70_000, "B"]
    for n, sku in enumerate(skus):
        await _level(bed, sku, 1, 0.0, key=f"stock/ACME/{n}")
    assert await drain(bed.db, bed.settings, quick)
    assert max(receiver.bytes) <= 512 * 1024
    assert len(receiver.sizes) == 2
    data = [got.body["data"]["sku"] for got in receiver.got if "dataref" not in got.body]
    assert sorted(data) == sorted(sku for sku in skus if len(sku) < 65_000)
    (huge,) = [got.body for got in receiver.got if "dataref" in got.body]
    assert f"/v1/warehouses/{bed.site}/events/{huge['id']}/data?" in huge["dataref"]
    assert "data" not in huge
    await receiver.stop()


async def _level(bed: Bed, sku: str, on_hand: int, age_s: float, key: str = "") -> None:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    data = InventoryLevelChanged(
        sku=sku, owner="ACME", on_hand=on_hand, allocated=0, available=on_hand
    )
    async with bed.db.transaction() as tx:
        await emit(tx, stamp(bed.warehouse_id, at=at), "inventory.level_changed",
                   key or f"stock/ACME/{sku}", data, owner="ACME")  # fmt: skip


async def test_what_is_missing_cannot_be_asked_where_successes_are_not_logged(
    bed: Bed, receiver: Receiver
):
    code = await bed.subscribe(receiver, log_attempts="failures")
    with pytest.raises(BadSelector):
        await replay(bed, code, only="missing")


@pytest.mark.parametrize(("age_s", "sent"), [(60.0, [9]), (0.0, list(range(10)))])
async def test_a_late_endpoint_that_conflates_gets_only_the_newest_level(
    bed: Bed, receiver: Receiver, quick: Tuning, age_s: float, sent: list[int]
):
    await bed.subscribe(receiver, types=["inventory.level_changed"], conflate=True)
    for on_hand in range(10):
        await _level(bed, "MUG", on_hand, age_s)
    assert await drain(bed.db, bed.settings, quick)
    assert [got.body["data"]["on_hand"] for got in receiver.got] == sent
    assert receiver.got[0].body.get("conflated", 0) == 10 - len(sent)


async def test_masks_hide_people_before_signing_and_the_log_keeps_them(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver)
    full = await Receiver().start()
    await bed.subscribe(full, "full", mask_profile="full")
    ship_to = Party(name="Ann Example", street="1 High St", city="York", country="GB")
    data = OrderAccepted(order=doc("order", 1, "A"), ship_to=ship_to)
    async with bed.db.transaction() as tx:
        await emit(tx, stamp(bed.warehouse_id), "order.accepted", "order/A", data)
    assert await drain(bed.db, bed.settings, quick)
    masked, clear = receiver.got[0].body, full.got[0].body
    assert receiver.unverified == full.unverified == 0
    assert masked["data"]["ship_to"]["name"].startswith("h_")
    assert masked["data"]["ship_to"]["city"] == "York"
    assert masked["actor"].startswith("user:h_")
    assert clear["data"]["ship_to"]["name"] == "Ann Example"
    assert clear["actor"] == "user:PIA"
    assert masked["id"] == clear["id"]
    await full.stop()


def test_a_hash_is_joinable_and_a_drop_leaves_nothing():
    assert ("ship_to", "name") in masked_fields("order.accepted")
    data = '{"ship_to":{"name":"Ann","city":"York"}}'
    one, two = Mask("default", b"k"), Mask("default", b"other")
    assert one.data("order.accepted", data) == one.data("order.accepted", data)
    assert one.data("order.accepted", data) != two.data("order.accepted", data)
    assert Mask("strict", b"k").data("order.accepted", data) == b'{"ship_to":{"city":"York"}}'
    assert Mask("full", b"k").data("order.accepted", data) is None
    assert one.data("wave.released", '{"wave_id":"1"}') is None


async def test_both_keys_sign_until_the_overlap_ends(bed: Bed, receiver: Receiver, quick: Tuning):
    code = await bed.subscribe(receiver)
    old = receiver.secret
    async with bed.db.transaction() as tx:
        made = await endpoints.add_secret(
            tx, code, Vault(bed.settings), "user:ADA", datetime.now(UTC), overlap_days=7
        )
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)  # the old secret still verifies
    receiver.secret = made.secret
    await bed.tell("B")
    assert await drain(bed.db, bed.settings, quick)
    async with bed.db.transaction() as tx:
        ends = "UPDATE endpoint_secret SET expires_at = now() WHERE kid <> :kid"
        await tx.execute(sa.text(ends), {"kid": made.kid})
    await bed.tell("C")
    assert await drain(bed.db, bed.settings, quick)
    assert receiver.unverified == 0
    assert [len(got.headers["webhook-signature"].split()) for got in receiver.got] == [2, 2, 1]
    assert old != made.secret
