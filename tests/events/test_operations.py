"""What an integrator's own desk does: health, probes, samples, filters, discards, replays."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from aiohttp import web
from litestar import Litestar

from tests.events.conftest import Bed, partner_of
from tests.events.receiver import Receiver
from tests.events.test_delivery import until, working
from tests.events.test_feed import hook, url
from wms.events import replays
from wms.events.envelope import read_id
from wms.events.queries import get_endpoint
from wms.events.replays import Selector
from wms.events.rules import Tuning
from wms.events.worker import EventWorker, drain


async def test_health_tells_lag_rates_and_what_is_stuck(
    bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    _, path = await hook(erp, bed, receiver)
    receiver.fault = lambda body, seen: (
        web.Response(status=422) if body["partitionkey"] == "order/BAD" else None
    )
    await bed.tell("A", "BAD", "B")
    assert await drain(bed.db, bed.settings, quick)
    await bed.tell("C")
    await EventWorker(bed.db, bed.settings).seal()
    health = (await erp.get(f"{path}/health")).json()
    assert (health["state"], health["breaker"]) == ("active", "closed")
    assert health["last_5m"] == {"attempts": 5, "ok": 2, "success": 0.4}
    assert health["last_5m"] == health["last_24h"]
    assert health["p95_ms"] is not None
    (site,) = health["sites"]
    assert (site["warehouse"], site["dead"], site["due"], site["keys"]) == (bed.site, 1, 0, 0)
    assert site["lag_events"] >= 1
    assert site["oldest_unsent_at"] is not None
    assert site["lag_s"] > 0


async def test_a_dead_delivery_is_found_traced_given_up_with_a_reason_and_still_seen(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    _, path = await hook(erp, bed, receiver)
    receiver.fault = lambda body, seen: web.Response(status=422)
    await bed.tell("A", "B")
    assert await drain(bed.db, bed.settings, quick)

    async def listed(**query: str) -> list[str]:
        found = await erp.get(f"{path}/deliveries", params=query)
        return [each["okey"] for each in found.json()["deliveries"]]

    assert await listed(state="dead") == ["order/A", "order/B"]
    assert await listed(key="order/B", **{"class": "consumer_error"}) == ["order/B"]
    assert await listed(since=datetime.now(UTC).isoformat()) == []
    page = await erp.get(f"{path}/deliveries", params={"limit": 1})
    onward = page.headers["link"].partition(">")[0].removeprefix("<")
    assert [each["okey"] for each in (await erp.get(onward)).json()["deliveries"]] == ["order/B"]
    id = page.json()["deliveries"][0]["event_id"]
    tried = (await erp.get(f"{path}/deliveries/{id}/attempts")).json()["attempts"]
    assert [each["n"] for each in tried] == [3, 2, 1]
    given_up = f"{path}/deliveries/discard"
    assert (await erp.post(given_up, json={"ids": [id], "reason": ""})).status_code == 422
    answer = await erp.post(given_up, json={"ids": [id], "reason": "sent by hand"})
    assert answer.json() == {"discarded": 1}
    assert await listed() == ["order/B"]
    (gone,) = (await erp.get(f"{path}/deliveries?state=discarded")).json()["deliveries"]
    assert (gone["okey"], gone["reason"]) == ("order/A", "sent by hand")
    assert gone["discarded_by"].startswith("partner:erp-")
    await EventWorker(bed.db, bed.settings).seal()
    told = (await erp.get(url(bed, "events"), params={"types": "delivery.discarded"})).json()
    assert [each["data"]["event_id"] for each in told["events"]] == [id]
    again = {"key": "order/B"}
    assert (await erp.post(f"{path}/deliveries/retry", json=again)).json() == {"retried": 1}
    assert (await erp.get(f"{path}/deliveries?state=lost")).json()["code"] == "BadFilter"


async def test_a_probe_that_is_answered_lets_an_open_breaker_look_at_once(
    bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    slow = msgspec.structs.replace(quick, breaker_s=(0.02, 0.02, 600.0))
    _, path = await hook(erp, bed, receiver)
    ill = True
    receiver.fault = lambda body, seen: web.Response(status=503) if ill else None

    async def open_breaker() -> bool:
        return (await erp.get(f"{path}/health")).json()["breaker"] == "open"

    async with working(bed, slow):
        await bed.tell(*[f"K{n}" for n in range(12)])
        await until(open_breaker)
        failed = (await erp.post(f"{path}/probe")).json()
        assert (failed["status"], failed["probed"]) == (503, False)
        ill = False
        tried = (await erp.post(f"{path}/probe")).json()
        assert (tried["status"], tried["outcome"], tried["probed"]) == (204, "ok", True)
        await receiver.wait_for(13, 20)
    assert receiver.unverified == 0


async def test_a_sample_of_any_type_is_sent_outside_the_stream(
    bed: Bed, erp: httpx.AsyncClient, receiver: Receiver
):
    _code, path = await hook(erp, bed, receiver)
    before = await bed.value("SELECT count(*) FROM outbox WHERE warehouse_id = :id",
                             id=bed.warehouse_id)  # fmt: skip
    tried = (await erp.post(f"{path}/ping", json={"type": "order.shipped"})).json()
    assert (tried["type"], tried["outcome"]) == ("order.shipped", "ok")
    (got,) = receiver.got
    assert (got.id, got.body["type"], got.body["test"]) == (tried["id"], "order.shipped", True)
    assert got.headers["webhook-test"] == "true"
    assert receiver.unverified == 0
    after = await bed.value("SELECT count(*) FROM outbox WHERE warehouse_id = :id",
                            id=bed.warehouse_id)  # fmt: skip
    assert before == after
    logged = (await erp.get(f"{path}/attempts")).json()["attempts"]
    assert [(each["trigger"], each["pos"], each["outcome"]) for each in logged] == [
        ("test", 0, "ok")
    ]
    assert (await erp.post(f"{path}/ping", json={"type": "order.x"})).status_code == 404


async def test_a_filter_is_tested_on_a_given_event_before_it_is_saved(
    bed: Bed, erp: httpx.AsyncClient, receiver: Receiver
):
    filter = {"field": "data.order.status", "eq": "shipped"}
    _, path = await hook(erp, bed, receiver, predicate=filter)
    event = {"type": "order.shipped", "partitionkey": "order/A", "owner": "ACME"}

    async def judged(**more: object) -> tuple[bool, str]:
        answer = (await erp.post(f"{path}/test-filter", json=more)).json()
        return answer["wanted"], answer["because"]

    shipped = {**event, "data": {"order": {"status": "shipped"}}}
    assert await judged(event=shipped) == (True, "")
    assert await judged(event={**event, "data": {}}) == (False, "filter")
    assert await judged(event={**shipped, "type": "asn.accepted"}) == (False, "type")
    assert await judged(event=shipped, owners=["OTHER"]) == (False, "owner")
    other = {"field": "keyseq", "min": 3}
    assert await judged(event={**shipped, "keyseq": "2"}, predicate=other) == (False, "filter")
    for wrong in ({"event": shipped, "predicate": {"x": 1}}, {"id": "evt_x"}):
        assert (await erp.post(f"{path}/test-filter", json=wrong)).status_code == 400


async def test_a_mask_that_shows_more_needs_an_admins_word(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient, receiver: Receiver
):
    body = {"code": f"m-{bed.site}", "url": receiver.url}
    for profile, status in (("full", 403), ("finance", 403), ("none", 400), ("strict", 201)):
        made = await erp.post("/v1/endpoints", json={**body, "mask_profile": profile})
        assert (profile, made.status_code) == (profile, status)
    odd = await erp.post("/v1/endpoints", json={**body, "ownres": ["A"], "max_batch": 0})
    assert [error["path"] for error in odd.json()["errors"]] == ["/max_batch", "/ownres"]
    scopes = ["webhooks:write", "masks:admin"]
    async with await partner_of(app, bed, "hq", scopes=scopes) as head:
        made = await head.post(
            "/v1/endpoints", json={**body, "code": f"f-{bed.site}", "mask_profile": "full"}
        )
    assert made.status_code == 201


async def test_a_replay_is_counted_started_once_followed_and_told(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    _, path = await hook(erp, bed, receiver)
    await bed.tell("A", "B", "A")
    assert await drain(bed.db, bed.settings, quick)
    sent = [got.id for got in receiver.got]
    receiver.got.clear()
    counted = (await erp.post(f"{path}/replays/preview", json={"key": "order/A"})).json()
    assert [(each["type"], each["events"]) for each in counted["types"]] == [("order.updated", 2)]
    assert counted["bytes"] > 0
    assert [each["warehouse"] for each in counted["warehouses"]] == [bed.site]
    foreign = (await erp.post(f"{path}/replays/preview", json={"types": ["endpoint.*"]})).json()
    assert foreign["events"] == 0  # it would not hear them live
    assert (await erp.post(f"{path}/replays", json={"key": "order/A"})).status_code == 422
    body = {"key": "order/A", "reason": "ERP restored", "mode": "probe"}
    (probe,) = (await erp.post(f"{path}/replays", json=body)).json()["replays"]
    assert (probe["total"], probe["requested_by"]) == (1, f"partner:erp-{bed.site}")
    assert (await erp.post(f"{path}/replays", json=body)).json()["code"] == "ReplayRunning"

    async def ended() -> bool:
        return (await erp.get(f"{path}/replays/{probe['id']}")).json()["state"] == "done"

    async with working(bed, quick):
        await until(ended)
        (whole,) = (
            await erp.post(f"{path}/replays", json={"reason": "all", "rate_per_s": 50})
        ).json()["replays"]
        await receiver.wait_for(3)
    assert next(got.id for got in receiver.got) == sent[0]
    assert {got.id for got in receiver.got} == set(sent)
    assert all(got.headers["webhook-replay"] == "true" for got in receiver.got)
    listed = (await erp.get(f"{path}/replays")).json()["replays"]
    assert [each["id"] for each in listed] == [whole["id"], probe["id"]]
    told = (await erp.get(url(bed, "events"), params={"types": "replay.started"})).json()
    assert [each["data"]["reason"] for each in told["events"]] == ["ERP restored", "all"]
    monkeypatch.setattr(replays, "STARTS_PER_HOUR", 2)
    await erp.post(f"{path}/replays/{whole['id']}/cancel")
    assert (await erp.post(f"{path}/replays", json=body)).status_code == 429
    assert (await erp.get(f"{path}/replays/0")).status_code == 404
    async with await partner_of(app, bed, "weak", scopes=["webhooks:write"]) as weak:
        assert (await weak.get(f"{path}/replays")).json()["code"] == "ScopeMissing"


async def test_a_replay_of_named_events_tells_what_they_are_but_not_what_it_would_not_hear(
    bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    code, path = await hook(erp, bed, receiver)
    await bed.tell("A", "B")
    assert await drain(bed.db, bed.settings, quick)
    found = (await erp.get(url(bed, "events"))).json()["events"]
    orders = [each for each in found if each["type"] == "order.updated"]
    others = [each for each in found if each["type"] != "order.updated"]
    assert others, "what became of the endpoint is in the log, too"
    ids = [each["id"] for each in [*others, *orders]]
    body = {"ids": ids, "reason": "lost", "rate_per_s": 1}
    (shown,) = (await erp.post(f"{path}/replays", json=body)).json()["replays"]
    expected = [
        {"id": each["id"], "type": "order.updated", "subject": each["subject"],
         "key": each["partitionkey"], "pos": int(each["sequence"])}
        for each in orders
    ]  # fmt: skip
    assert shown["events"] == expected
    assert (await erp.get(f"{path}/replays")).json()["replays"][0]["events"] == expected
    async with bed.db.transaction() as tx:
        wide = Selector(ids=[read_id(id) for id in ids])  # as a person of the office may ask
        await replays.cancel(tx, bed.warehouse_id, (await get_endpoint(tx, code)).id,
                             int(shown["id"]))  # fmt: skip
        id = await replays.start(tx, bed.warehouse_id, (await get_endpoint(tx, code)).id, wide,
                                 "user:ADA", "why", datetime.now(UTC))  # fmt: skip
    assert (await erp.get(f"{path}/replays/{id}")).json()["events"] == expected
