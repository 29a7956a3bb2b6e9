"""What partners and carriers feel of a server, for `wms bench events`: a large order, one request a
thousand times at once, a burst of orders beside scans and cancellations, statuses until published.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg
import msgspec

from wms.access.clients import create_client
from wms.access.rules import SCOPES
from wms.bench.events_sink import HOST
from wms.bench.load import Timed
from wms.db import Db

ORDERS = "/v1/warehouses/BENCH/orders"
LANES = 32
LINES = 1_000
STATUSES = 100
CANCEL_GAP_S = 0.05

# One carton that left; its tracking number is TRACK.
SHIPPED = """
INSERT INTO carton_type (code, inner_length_mm, inner_width_mm, inner_height_mm, outer_length_mm,
                         outer_width_mm, outer_height_mm, tare_g, gross_max_g)
  VALUES ('BOX', 300, 200, 200, 310, 210, 210, 200, 20000);
INSERT INTO bin (warehouse_id, code, kind) VALUES (1, 'DOCK', 'dock');
INSERT INTO outbound_order (warehouse_id, owner_id, external_id, state, carrier_id, cutoff_at,
                            created_at)
  VALUES (1, 1, 'GONE', 'shipped', 1, now(), now());
INSERT INTO load (warehouse_id, carrier_id, dock_id, state, opened_at, departed_at)
  SELECT 1, 1, id, 'departed', now(), now() FROM bin WHERE code = 'DOCK';
INSERT INTO lpn (warehouse_id, code, kind, state, bin_id)
  SELECT 1, 'GONE', 'carton', 'shipped', id FROM bin WHERE code = 'CUSTOMER';
INSERT INTO shipment_carton (warehouse_id, order_id, lpn_id, sscc, tracking_no, carrier_id,
                             carton_type_id, weight_g, load_id, closed_at)
  SELECT 1, o.id, l.id, 'GONE', 'TRACK', 1, c.id, 500, d.id, now()
    FROM outbound_order o, lpn l, carton_type c, load d
   WHERE o.external_id = 'GONE' AND l.code = 'GONE' AND c.code = 'BOX'
"""
SEALED = """
SELECT sealed_at FROM event_log
 WHERE warehouse_id = 1 AND pos > $1 AND type = 'shipment.milestone_recorded' ORDER BY pos
"""


class Burst(msgspec.Struct, frozen=True):
    """A burst of orders; times in milliseconds. `kept`: orders that became a job (202)."""

    orders: int
    kept: int
    scans: Timed
    cancel_p50: float
    calm_cancel_p50: float


class Partners:
    """One partner with every scope, over HTTP like any."""

    def __init__(self, db: Db, sql: asyncpg.Connection, port: int) -> None:
        self.db, self.sql = db, sql
        self._base = f"http://{HOST}:{port}"
        self._made = 0

    async def open(self) -> "Partners":
        for statement in SHIPPED.strip().split(";\n"):
            await self.sql.execute(statement)
        async with self.db.transaction() as tx:
            key = await create_client(tx, "PARTNER", warehouse_ids=[1], scopes=tuple(SCOPES))
        self.http = aiohttp.ClientSession(
            self._base, headers={"Authorization": f"Bearer {key}"},
            connector=aiohttp.TCPConnector(limit=0),
        )  # fmt: skip
        return self

    async def close(self) -> None:
        await self.http.close()

    async def large_order(self, times: int = 9) -> float:
        """Milliseconds (median) until an order of LINES lines is accepted."""
        took = [await self._timed(lambda n=n: self._put(f"LARGE-{n}", LINES)) for n in range(times)]
        return _median(took)

    async def storm(self, requests: int = 1_000) -> tuple[int, int]:
        """One keyed request so many times at once: different answers, and orders made of it."""
        body = msgspec.json.encode([_order(1, external_id="STORM", owner="OWN")])
        headers = {"Idempotency-Key": "storm", "Content-Type": "application/json"}

        async def ask() -> tuple[int, bytes]:
            async with self.http.post(ORDERS, data=body, headers=headers) as answer:
                return answer.status, await answer.read()

        answers = await asyncio.gather(*(ask() for _ in range(requests)))
        made = await self.sql.fetchval(
            "SELECT count(*) FROM outbound_order WHERE external_id = 'STORM'"
        )
        return len(set(answers)), int(made or 0)

    async def statuses(self) -> float:
        """Milliseconds (95 of 100) from sending a status until its event is in the sealed log."""
        head = await self.sql.fetchval("SELECT pos FROM seal_state WHERE warehouse_id = 1")
        sent: list[datetime] = []
        for n in range(STATUSES):
            sent.append(datetime.now(UTC))
            at = sent[0] - timedelta(minutes=STATUSES - n)
            status = {"source": "easypost", "tracking_no": "TRACK", "raw_code": "in_transit",
                      "occurred_at": at.isoformat()}  # fmt: skip
            await self._send("POST", "/v1/milestones", status)
        async with asyncio.timeout(30):
            while len(sealed := await self.sql.fetch(SEALED, head)) < STATUSES:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        waits = sorted(
            (row[0] - at).total_seconds() * 1000 for row, at in zip(sealed, sent, strict=True)
        )
        return waits[int(len(waits) * 0.95)]

    async def burst(self, scan: Callable[[], Awaitable[Timed]], seconds: float) -> Burst:
        """LANES connections send orders as fast as they are taken, while `scan` and cancels go."""
        calm = await self._cancels(seconds / 2)
        over = time.perf_counter() + seconds
        results: list[int] = []

        async def lane(number: int) -> None:
            n = 0
            while time.perf_counter() < over:
                results.append(await self._put(f"BURST-{number}-{n}", 3))
                n += 1

        lanes = [asyncio.create_task(lane(number)) for number in range(LANES)]
        cancels = asyncio.create_task(self._cancels(seconds))
        scans = await scan()
        await asyncio.gather(*lanes)
        return Burst(len(results), results.count(202), scans, await cancels, calm)

    async def _cancels(self, seconds: float) -> float:
        """Milliseconds (median) of a cancel; each takes back an order sent before."""
        self._made += 1
        codes = [f"BACK-{self._made}-{n}" for n in range(max(1, int(seconds / CANCEL_GAP_S / 2)))]
        for code in codes:
            await self._put(code, 3)
        took: list[float] = []
        for code in codes:
            path = f"{ORDERS}/OWN/{code}/cancel"
            why = {"reason": "customer"}
            took.append(await self._timed(lambda path=path, why=why: self._send("POST", path, why)))
            await asyncio.sleep(CANCEL_GAP_S)
        return _median(took)

    async def _put(self, code: str, lines: int) -> int:
        return await self._send("PUT", f"{ORDERS}/OWN/{code}", _order(lines))

    async def _send(self, method: str, path: str, document: object) -> int:
        """The answer's status. Raises RuntimeError with the answer unless it was taken."""
        async with self.http.request(
            method, path, data=msgspec.json.encode(document),
            headers={"Content-Type": "application/json"},
        ) as answer:  # fmt: skip
            body = await answer.text()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {body[:400]}")
            return answer.status

    async def _timed(self, act: Callable[[], Awaitable[object]]) -> float:
        began = time.perf_counter()
        await act()
        return 1000 * (time.perf_counter() - began)


def _order(lines: int, **more: str) -> dict[str, object]:
    wanted = [{"line_no": str(n), "sku": f"SKU{n}", "qty": 1} for n in range(1, lines + 1)]
    cutoff_at = (datetime.now(UTC) + timedelta(hours=4)).isoformat()
    return {"carrier": "CARRIER", "cutoff_at": cutoff_at, "ship_to": {"name": "Bench"},
            "lines": wanted, **more}  # fmt: skip


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
