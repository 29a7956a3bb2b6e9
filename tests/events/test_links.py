"""Events too large to send: the link in their place opens the data to its partner alone."""

from datetime import UTC, datetime, timedelta

import httpx
import sqlalchemy as sa
from litestar import Litestar

from tests.events.conftest import Bed, partner_of, stamp
from tests.events.receiver import Receiver
from wms.events.catalog import OrderAccepted
from wms.events.envelope import Site, read_id
from wms.events.groups import Party, doc
from wms.events.keys import Vault
from wms.events.links import Links
from wms.events.outbox import emit
from wms.events.rules import Tuning
from wms.events.worker import drain


async def huge(bed: Bed, key: str, owner: str) -> None:
    ship_to = Party(name="Ann Example", city="Y" * 70_000)
    data = OrderAccepted(order=doc("order", 1, key, owner=owner), ship_to=ship_to)
    async with bed.db.transaction() as tx:
        await emit(tx, stamp(bed.warehouse_id), "order.accepted", f"order/{key}", data, owner=owner)


async def refusal(client: httpx.AsyncClient, link: str) -> tuple[int, str]:
    answer = await client.get(link)
    return answer.status_code, answer.json()["code"]


async def test_a_link_shows_the_data_as_it_would_have_come_to_its_partner_for_a_week(
    app: Litestar, bed: Bed, erp: httpx.AsyncClient, receiver: Receiver, quick: Tuning
):
    code = f"O{bed.site}"
    async with bed.db.transaction() as tx:
        owner = sa.text("INSERT INTO owner (code, name) VALUES (:code, '') RETURNING id")
        owner_id = (await tx.execute(owner, {"code": code})).scalar_one()
    mine = await partner_of(app, bed, "mine", owner_ids=[owner_id])
    new = {"code": code, "url": receiver.url, "types": ["order.*"], "mask_profile": "strict"}
    receiver.secret = (await mine.post("/v1/endpoints", json=new)).json()["secret"]
    assert (await mine.post(f"/v1/endpoints/{code}/verify")).status_code == 200
    await huge(bed, "OURS", code)
    await huge(bed, "THEIRS", "ACME")
    assert await drain(bed.db, bed.settings, quick)
    (got,) = receiver.got
    assert (receiver.unverified, "data" in got.body) == (0, False)
    link = str(got.body["dataref"]).removeprefix(bed.settings.base_url)
    shown = (await mine.get(link)).json()
    assert shown["order"]["external_id"] == "OURS"
    assert shown["ship_to"] == {"city": "Y" * 70_000}  # the partner's own reads hash the name
    assert await refusal(erp, link) == (403, "LinkWrong")
    erp.headers.pop("authorization")
    assert (await erp.get(link)).status_code == 401

    theirs = await bed.value(
        "SELECT event_id FROM event_log WHERE warehouse_id = :id AND okey = 'order/THEIRS'",
        id=bed.warehouse_id,
    )
    site, now = Site(bed.site, ""), datetime.now(UTC)
    for wrong in (
        link.replace("expires=1", "expires=2"), link.replace(code, "other"), link.split("&")[0],
        Links(site, code, b"guessed").to(read_id(got.id), now),
        link.replace(got.id, f"evt_{theirs.hex}"),
    ):  # fmt: skip
        assert await refusal(mine, wrong) == (403, "LinkWrong")
    ours = Links(site, code, Vault(bed.settings).link_key)
    assert (await mine.get(ours.to(read_id(got.id), now))).json() == shown
    assert await refusal(mine, ours.to(theirs, now)) == (404, "UnknownEvent")
    old = ours.to(read_id(got.id), now - timedelta(days=7, hours=1))
    assert await refusal(mine, old) == (403, "LinkExpired")
    await mine.aclose()
