"""One of everything that belongs to ACME, made by the house, under the name ZEBRA-1.

Besides it a partner of BREW that writes, one that only reads, and one of another warehouse.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from litestar import Litestar
from sqlalchemy import text

from tests import world as w
from tests.api.test_shipments import proof
from tests.carriers.shipped import shipped
from tests.world import World
from wms.access.clients import create_client
from wms.access.rules import SCOPES
from wms.db import insert
from wms.events.envelope import Site, read_id
from wms.events.keys import Vault
from wms.events.links import Links
from wms.events.worker import EventWorker
from wms.masterdata import tables as master
from wms.settings import Settings

THERE, NOWHERE = "ZEBRA-1", "ZEBRA-2"
SITE = "/v1/warehouses/W1"
EVENT_NOWHERE = "evt_01941f297c007aaa8bbb1234567890ab"
CSV = "owner,external_id,carrier,lines.line_no,lines.sku,lines.qty\nACME,{0}F,PARCEL,1,ZEBRA-1,1\n"
# What names a thing of a resource: that of ACME, and one that is not.
NOT_THERE = {"shipments": "999999-9", "events": EVENT_NOWHERE}


@dataclass
class House:
    """The application, what was made in it (ids by resource), and who asks."""

    app: Litestar
    world: World
    settings: Settings
    ids: dict[str, str] = field(default_factory=dict)
    asking: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def let_in(
        self, code: str, *, scopes: tuple[str, ...] = tuple(SCOPES), owners: tuple[str, ...] = (),
        site: int | None = None,
    ) -> httpx.AsyncClient:  # fmt: skip
        """A partner; of this warehouse and all owners if nothing is said."""
        if code not in self.asking:
            async with self.world.db.transaction() as tx:
                key = await create_client(
                    tx, code, warehouse_ids=[site or self.world.warehouse_id], scopes=scopes,
                    owner_ids=[self.world.owners[each] for each in owners],
                )  # fmt: skip
            self.asking[code] = client(self.app, key)
        return self.asking[code]

    def id_of(self, resource: str, name: str) -> str:
        """The number of ACME's thing, or one that nothing has."""
        return self.ids[resource] if name == THERE else NOT_THERE.get(resource, "999999")

    async def state(self) -> set[str]:
        """All rows that ACME or its name stand in, but for what others keep under that name."""
        async with self.world.db.reading() as tx:
            parts = [
                f"SELECT '{name} ' || CAST(t AS text) AS said FROM {name} t"
                f" WHERE CAST(t AS text) ILIKE '%zebra-1%' {'OR t.owner_id = :acme' * owned}"
                for name, owned in (await tx.execute(TABLES)).all()
            ]
            every = text(
                f"SELECT said FROM ({' UNION ALL '.join(parts)}) x WHERE said !~ 'WRITER|AWAY'"
            )
            found = await tx.execute(every, {"acme": self.world.owners["ACME"]})
            return set(found.scalars())


# All but what is told of the asking itself.
TABLES = text(
    """
    SELECT t.relname, EXISTS (SELECT 1 FROM pg_attribute a
                               WHERE a.attrelid = t.oid AND a.attname = 'owner_id') AS owned
      FROM pg_class t
     WHERE t.relnamespace = CAST('public' AS regnamespace) AND t.relkind IN ('r', 'p')
       AND NOT t.relispartition
       AND t.relname NOT IN ('audit_entry', 'inbound_kept', 'milestone_parked')
     ORDER BY 1
    """
)


def client(app: Litestar, key: str) -> httpx.AsyncClient:
    """An HTTP client with a key, or without any."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://wms.test", headers=headers)


async def build(app: Litestar, world: World, settings: Settings) -> House:
    """Everything of ACME, and the like of BREW under the name TAPIR-1."""
    house = House(app, world, settings)
    async with world.db.transaction() as tx:
        other = await insert(
            tx, master.warehouse, code="W2", name="Other", timezone="Europe/Berlin",
            gs1_prefix="9521235",
        )  # fmt: skip
    erp = await house.let_in("HOUSE")
    await house.let_in("WRITER", owners=("BREW",))
    await house.let_in("READER", owners=("BREW",))
    await house.let_in("AWAY", site=other)
    await _documents(house, erp)
    await _left(house, erp)
    await _heard(house, erp)
    return house


async def _done(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, (answer.request.url, answer.text)
    return answer.json()


async def _documents(house: House, erp: httpx.AsyncClient) -> None:
    for owner, name in (("ACME", THERE), ("BREW", "TAPIR-1")):
        of = f"/v1/owners/{owner}"
        levels = [{"level": "each", "base_qty": 1, "weight_g": 5, "barcodes": [f"{name}-B"]}]
        item = {"description": f"{name} item", "levels": levels}
        await _done(await erp.put(f"{of}/items/{name}", json=item))
        await _done(await erp.put(f"{of}/field-owners", json={"weight": "SCALE"}))
        levels[0]["weight_g"] = 6
        await _done(await erp.put(f"{of}/items/{name}", json=item))
        party = {"name": name, "roles": ["consignee"]}
        await _done(await erp.put(f"{of}/parties/{name}", json=party))
        found = "SELECT id FROM item WHERE sku = :sku"
        world = house.world
        world.items[name] = await w.scalar(world, found, sku=name)
        world.item_owners[name] = world.owners[owner]
        await w.stock(world, name, "A-01-01", 50)
        await _done(await erp.put(f"{SITE}/orders/{owner}/{name}", json=order(name)))
        bad = await erp.put(f"{SITE}/orders/{owner}/{name}-BAD", json=order(f"{name}-NOT"))
        assert bad.status_code == 422
        await _done(await erp.put(f"{SITE}/asns/{owner}/{name}", json=asn(name)))
    waiting = (await erp.get("/v1/items/proposals")).json()["proposals"]
    house.ids["proposals"] = next(str(each["id"]) for each in waiting if each["sku"] == THERE)
    wrong = (await erp.get(f"{SITE}/exceptions")).json()["exceptions"]
    house.ids["exceptions"] = next(each["id"] for each in wrong if each["owner"] == "ACME")
    await _done(await erp.put(f"{SITE}/appointments/{THERE}", json=appointment(9)))
    file = {"kind": "orders", "name": THERE}
    sent = await _done(await erp.post(f"{SITE}/files", params=file, content=CSV.format(THERE)))
    house.ids["files"] = sent["id"]
    await _done(await erp.put(f"/v1/file-mappings/{THERE}", json={"kind": "orders"}))
    asked = f"{SITE}/inventory/adjustment-requests"
    await _done(await erp.post(asked, json=correction(THERE, 1)))
    headers = {"Content-Type": "application/x-ndjson", "Prefer": "respond-async"}
    line = '{"owner": "ACME", "external_id": "ZEBRA-1J"}'
    job = await _done(await erp.post(f"{SITE}/orders:batch", content=line, headers=headers))
    house.ids["jobs"] = str(job["id"])


async def _left(house: House, erp: httpx.AsyncClient) -> None:
    gone = await shipped(house.world, "ZEBRA-1S", "ZEBRA-1T", sku=THERE)
    await shipped(house.world, "TAPIR-1S", "TAPIR-1T", sku="TAPIR-1")
    house.ids["shipments"] = gone["id"]
    pod = await _done(await erp.post(f"{SITE}/shipments/{gone['id']}/pods", json=proof()))
    house.ids["pods"] = pod["id"]
    await _done(await erp.post("/v1/milestones", json=milestone("ZEBRA-1T", 1)))
    await _done(await erp.put("/v1/milestone-codes/ZEBRA-1", json={"codes": {"z": "delivered"}}))
    await _done(await erp.put(f"/v1/hook-connections/{THERE}", json={"source": THERE}))


def link_to(house: House, event: str) -> dict[str, str]:
    """What a delivery to ACME's endpoint says where the data of an event is, as we sign it."""
    links = Links(Site("W1"), THERE, Vault(house.settings).link_key)
    return dict(parse_qsl(urlsplit(links.to(read_id(event), datetime.now(UTC))).query))


async def _heard(house: House, erp: httpx.AsyncClient) -> None:
    await _done(await erp.post("/v1/endpoints", json={"code": THERE, "url": HOOK}))
    await EventWorker(house.world.db, house.settings).seal()
    await _done(await erp.post(f"{SITE}/consumers/{THERE}/commit", json={"pos": 1}))
    events = (await erp.get(f"{SITE}/events?owner=ACME")).json()["events"]
    house.ids["events"] = next(e["id"] for e in events if "ZEBRA-1" in e["subject"])
    replay = {"reason": "lost", "owners": ["ACME"]}
    started = await _done(await erp.post(f"/v1/endpoints/{THERE}/replays", json=replay))
    house.ids["replays"] = started["replays"][0]["id"]
    await _done(await erp.post(f"{SITE}/reconciliation/snapshots"))
    said = {"consumer": THERE, "verdict": "processed"}
    await _done(await erp.post(f"/v1/events/{house.ids['events']}/receipts", json=said))


HOOK = "http://127.0.0.1:9/hook"


def order(sku: str) -> dict[str, Any]:
    lines = [{"line_no": "1", "sku": sku, "qty": 2}]
    return {"carrier": "PARCEL", "ship_to": {"name": f"{sku} Holm", "city": "Kiel"}, "lines": lines}


def asn(sku: str) -> dict[str, Any]:
    lines = [{"line_no": "1", "sku": sku, "qty": 2}]
    return {"expected_at": "2026-03-02T09:00:00Z", "lines": lines}


def appointment(hour: int) -> dict[str, Any]:
    return {"carrier": "PARCEL", "dock": "DOCK-1", "starts_at": f"2026-03-02T{hour:02}:00:00Z",
            "ends_at": f"2026-03-02T{hour:02}:30:00Z",
            "asns": [{"owner": "ACME", "external_id": THERE}]}  # fmt: skip


def correction(name: str, qty: int) -> dict[str, Any]:
    return {"request_id": name, "owner": "ACME", "sku": name, "qty": qty, "bin": "A-01-01",
            "reason": "found"}  # fmt: skip


def milestone(tracking: str, hour: int) -> dict[str, Any]:
    return {"source": "easypost", "tracking_no": tracking, "raw_code": "in_transit",
            "occurred_at": f"2026-03-02T{hour:02}:00:00Z"}  # fmt: skip
