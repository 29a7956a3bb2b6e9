"""The other side of the counter: an ERP that announces and orders, a supervisor who releases.

The ERP speaks the API with a key of its own; the supervisor signs in like anybody and uses the
office pages.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.errors import WmsError
from wms.ids import uuid7
from wms.masterdata import csv_forms as forms
from wms.masterdata.csv_read import Folder
from wms.outbound import board
from wms.simulator.device import Device
from wms.simulator.person import Sights
from wms.stamp import Stamp


class PartnerRefused(WmsError):
    say = "The API refused {what}: {status} {body}"


class Papers(msgspec.Struct):
    """What comes in today: documents as the API takes them."""

    warehouse: str
    asns: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    sights: Sights


def read_papers(folder: Folder, orders_max: int | None) -> Papers:
    """The day's documents from the CSV forms; `orders_max` keeps the first so many orders."""
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in folder.of(forms.OrderLineForm):
        lines.setdefault((line.owner, line.order), []).append(
            {"line_no": line.line_no, "sku": line.sku, "qty": line.qty}
        )
    orders = [
        {
            "owner": order.owner, "external_id": order.order, "carrier": order.carrier,
            "service": order.service, "priority": order.priority,
            "ship_to": {"name": order.name, "street": order.street, "city": order.city,
                        "postcode": order.postcode, "country": order.country},
            "lines": lines[order.owner, order.order],
        }
        for order in folder.of(forms.OrderForm)[:orders_max]
    ]  # fmt: skip
    sights = Sights()
    asns = _asns(folder, sights)
    return Papers(folder.of(forms.WarehouseForm)[0].code, asns, orders, sights)


def _asns(folder: Folder, sights: Sights) -> list[dict[str, Any]]:
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in folder.of(forms.AsnLineForm):
        doc: dict[str, Any] = {"line_no": line.line_no, "sku": line.sku, "qty": line.qty}
        if line.lot:
            doc["lot"] = line.lot
        if line.expires_on:
            doc["expires_on"] = line.expires_on.isoformat()
        if line.sscc:
            doc["sscc"] = line.sscc
        lines.setdefault((line.owner, line.asn), []).append(doc)
        expiry = line.expires_on.isoformat() if line.expires_on else ""
        sights.lots[line.asn, line.sku] = (line.lot, expiry)
    return [
        {"owner": asn.owner, "external_id": asn.asn, "supplier": asn.supplier,
         "expected_at": _aware(asn.expected_at, folder).isoformat(),
         "over_tolerance_pct": asn.over_tolerance_pct, "lines": lines[asn.owner, asn.asn]}
        for asn in folder.of(forms.AsnForm)
    ]  # fmt: skip


def _aware(at: datetime, folder: Folder) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=folder.timezone())


class Erp:
    """A partner system with an API key."""

    def __init__(self, base: str, warehouse: str, key: str) -> None:
        self._url = f"{base}/v1/warehouses/{warehouse}"
        self._http = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(total=60)
        )

    async def close(self) -> None:
        await self._http.close()

    async def announce(self, asn: dict[str, Any]) -> str:
        """PUT one delivery; returns the outcome. Raises PartnerRefused."""
        return await self._put("asns", asn)

    async def order(self, order: dict[str, Any]) -> str:
        """PUT one order; returns the outcome. Raises PartnerRefused."""
        return await self._put("orders", order)

    async def _put(self, kind: str, doc: dict[str, Any]) -> str:
        url = f"{self._url}/{kind}/{doc['owner']}/{doc['external_id']}"
        for attempt in range(60):
            try:
                async with self._http.put(url, data=msgspec.json.encode(doc), headers={
                    "content-type": "application/json"}) as answer:  # fmt: skip
                    body = await answer.read()
                    if answer.status in (200, 201):
                        return msgspec.json.decode(body)["outcome"]
                    if answer.status != 503:
                        raise PartnerRefused(what=url, status=answer.status, body=body[:500])
            except (aiohttp.ClientError, TimeoutError):
                pass
            await _pause(attempt)
        raise PartnerRefused(what=url, status="no answer", body="for two minutes")


async def _pause(attempt: int) -> None:

    await asyncio.sleep(min(0.1 * 2**attempt, 3))


def crew_of(users: Sequence[forms.UserForm], workers: int) -> list[forms.UserForm]:
    """So many people that together do every kind of work, pickers and packers most.

    With fewer people than kinds of work, those with most roles come first.
    """
    kinds = ["picker", "packer", "receiver", "putaway", "loader", "counter"]
    wanted = kinds + ["picker", "packer", "picker", "putaway", "receiver", "picker"] * workers
    chosen: list[forms.UserForm] = []
    left = [user for user in users if set(kinds) & set(user.roles)]
    if workers < len(kinds):
        return sorted(left, key=lambda user: -len(user.roles))[:workers]
    for kind in wanted:
        if len(chosen) == workers or not left:
            break
        fits = sorted((u for u in left if kind in u.roles), key=lambda u: len(u.roles))
        if fits:
            chosen.append(fits[0])
            left.remove(fits[0])
    return chosen


async def can_release(tx: Tx, warehouse_id: int) -> bool:
    """What the supervisor sees on the page of a release: whether any order would get goods."""
    stamp = Stamp(warehouse_id=warehouse_id, at=datetime.now(UTC), key=uuid7())
    ids = await board.list_candidates(tx, stamp)
    return (await board.what_if(tx, stamp, ids)).units_got > 0


async def release_waiting(device: Device) -> int:
    """A supervisor sends everything that can go to the floor; how many orders went."""
    return (await device.post("/office/waves"))["orders"]


def memory_file(data_dir: Path) -> Path:
    """Where the demo's receiver remembers what it got."""
    return data_dir / "demo-received.ndjson"


class Seen(msgspec.Struct, frozen=True):
    """Goods that lie in a bin; `plate` is the license plate they stand on, if any."""

    plate: str
    sku: str
    lot: str
    serial: str
    status: str
    qty: int


LOOK = text(
    """
    SELECT coalesce(p.code, '') AS plate, i.sku, coalesce(l.code, '') AS lot, x.serial, x.status,
           x.on_hand AS qty
      FROM balance x JOIN bin b ON b.warehouse_id = x.warehouse_id AND b.id = x.bin_id
      JOIN item i ON i.id = x.item_id
      LEFT JOIN lot l ON l.warehouse_id = x.warehouse_id AND l.id = x.lot_id
      LEFT JOIN lpn p ON p.warehouse_id = x.warehouse_id AND p.id = x.lpn_id
     WHERE x.warehouse_id = :w AND b.code = :code AND x.on_hand > 0
     ORDER BY 1, 2, 3, 4, 5
    """
)


async def look_into(tx: Tx, warehouse_id: int, code: str) -> list[Seen]:
    """What lies in a bin: the simulator's goods lie where the ledger says."""
    return await rows(tx, LOOK, Seen, w=warehouse_id, code=code)
