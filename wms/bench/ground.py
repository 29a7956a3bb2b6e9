"""A generated warehouse for benches: pickers who hold tours of a usual size, by set-based SQL."""

from datetime import UTC, datetime

import asyncpg
import msgspec

from wms import barcodes
from wms.access.hashing import pin_hash, secret_hash
from wms.ids import uuid7

PIN = "1111"
ITEMS, BINS = 2_000, 5_000
ORDERS_A_TOUR = 15


class Ground(msgspec.Struct, frozen=True):
    """Where to connect and who is there."""

    url: str
    badges: list[str]


LAYOUT = """
INSERT INTO warehouse (code, name) VALUES ('BENCH', 'Bench');
INSERT INTO owner (code, name) VALUES ('OWN', 'Owner');
INSERT INTO carrier (code, name) VALUES ('CARRIER', 'Carrier');
INSERT INTO item (owner_id, sku, description)
  SELECT 1, 'SKU' || n, 'Item ' || n FROM generate_series(1, {items}) n;
INSERT INTO barcode (value, item_id, level) SELECT 'CODE' || id, id, 'each' FROM item;
INSERT INTO bin (warehouse_id, code, kind, x_mm, y_mm, check_digits)
  SELECT 1, 'B' || n, 'pick', n % 100 * 3000, n / 100 * 1000, '10'
    FROM generate_series(1, {bins}) n;
INSERT INTO bin (warehouse_id, code, kind)
  VALUES (1, 'SUPPLIER', 'supplier'), (1, 'CUSTOMER', 'customer'), (1, 'PACK-1', 'pack');
INSERT INTO bin (warehouse_id, code, kind)
  SELECT 1, 'HAND-U' || n, 'hand' FROM generate_series(1, {users}) n;
INSERT INTO movement (warehouse_id, at, kind, from_bin_id, to_bin_id, owner_id, item_id, qty)
  SELECT 1, now(), 'receipt', (SELECT id FROM bin WHERE code = 'SUPPLIER'), b.id, 1,
         1 + b.id % {items}, 1000000
    FROM bin b WHERE b.kind = 'pick'
"""

# Every order has 4 lines of one piece from random bins; 15 orders are a tour with one tote.
WORK = """
INSERT INTO outbound_order (warehouse_id, owner_id, external_id, state, carrier_id, cutoff_at,
                            created_at, picks_open)
  SELECT 1, 1, '{tag}-' || n, 'released', 1, now() + interval '4 hours', now(), 4
    FROM generate_series(1, {orders}) n;
INSERT INTO order_line (warehouse_id, order_id, line_no, owner_id, item_id, ordered, waiting)
  SELECT 1, o.id, l, 1, 1 + (('x' || md5(o.id || '.' || l))::bit(24)::int) % {items}, 1, 1
    FROM outbound_order o, generate_series(1, 4) l WHERE o.external_id LIKE '{tag}-%';
INSERT INTO allocation (warehouse_id, order_line_id, balance_id, qty)
  SELECT 1, l.id, (SELECT min(b.id) FROM balance b WHERE b.warehouse_id = 1
                     AND b.item_id = l.item_id AND b.status = 'available' AND b.on_hand > 1000), 1
    FROM order_line l JOIN outbound_order o ON o.id = l.order_id AND o.external_id LIKE '{tag}-%';
INSERT INTO tour (warehouse_id, kind, state, due_at, rank_at, claimed_by, device, claimed_at,
                  lease_until, created_at)
  SELECT 1, 'pick', 'claimed', now(), now(), u.id, '{tag}', now(), now() + interval '1 day', now()
    FROM app_user u, generate_series(1, {tours_each}) n;
INSERT INTO lpn (warehouse_id, code, kind, state, bin_id)
  SELECT 1, '{tag}-T' || t.id, 'tote', 'open',
         (SELECT b.id FROM bin b JOIN app_user u ON b.code = 'HAND-' || u.code
           WHERE u.id = t.claimed_by)
    FROM tour t WHERE t.device = '{tag}';
INSERT INTO tour_slot (warehouse_id, tour_id, slot, order_id, lpn_id)
  SELECT 1, t.id, 1, (SELECT min(id) FROM outbound_order),
         (SELECT id FROM lpn WHERE code = '{tag}-T' || t.id)
    FROM tour t WHERE t.device = '{tag}';
INSERT INTO task (warehouse_id, tour_id, seq, kind, item_id, from_bin_id, qty, order_id,
                  order_line_id, allocation_id, slot, created_at)
  SELECT 1, t.id, row_number() OVER (PARTITION BY t.id ORDER BY a.id), 'pick', l.item_id, b.bin_id,
         1, l.order_id, l.id, a.id, 1, now()
    FROM allocation a
    JOIN order_line l ON l.id = a.order_line_id
    JOIN outbound_order o ON o.id = l.order_id AND o.external_id LIKE '{tag}-%'
    JOIN balance b ON b.id = a.balance_id
    JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM tour WHERE device = '{tag}') t
      ON t.n = l.order_id % ({users} * {tours_each})
"""

ACTS = """
SELECT u.code, t.id, t.version, b.code AS bin_code, 'CODE' || t.item_id AS item, l.code AS tote
  FROM task t JOIN tour r ON r.id = t.tour_id JOIN app_user u ON u.id = r.claimed_by
  JOIN bin b ON b.id = t.from_bin_id
  JOIN tour_slot s ON s.tour_id = t.tour_id JOIN lpn l ON l.id = s.lpn_id
 WHERE r.device = $1 AND t.state = 'open' ORDER BY r.id, t.seq
"""


async def _script(connection: asyncpg.Connection, script: str, **values: object) -> None:
    for statement in script.strip().split(";\n"):
        await connection.execute(statement.format(**values))


async def make_ground(url: str, users: int) -> Ground:
    """Layout, stock and so many pickers in an empty database (already migrated)."""
    connection = await asyncpg.connect(url)
    badges = [barcodes.label("BD", f"U{n}") for n in range(1, users + 1)]
    try:
        await _script(connection, LAYOUT, items=ITEMS, bins=BINS, users=users)
        hashed = pin_hash(PIN, b"bench-bench-benc")
        for n, badge in enumerate(badges, 1):
            await connection.execute(
                "INSERT INTO app_user (code, name, badge_hash, pin_hash, roles)"
                " VALUES ($1, $1, $2, $3, '{picker,supervisor}')",
                f"U{n}", secret_hash(badge), hashed,
            )  # fmt: skip
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return Ground(url, badges)


async def make_work(url: str, tag: str, orders: int, users: int) -> dict[str, list[bytes]]:
    """Released orders in tours; the JSON acts that pick them, by picker's code."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            tours_each = max(1, orders // users // ORDERS_A_TOUR)
            await _script(connection, WORK, tag=tag, orders=orders, items=ITEMS, users=users,
                          tours_each=tours_each)  # fmt: skip
        await connection.execute("VACUUM ANALYZE")
        found = await connection.fetch(ACTS, tag)
    finally:
        await connection.close()
    at = datetime.now(UTC).isoformat()
    acts: dict[str, list[bytes]] = {}
    for n, row in enumerate(found):
        act = {
            "key": str(uuid7()), "ref": f"pick/{row['id']}", "version": row["version"], "seq": n,
            "at": at, "path": "",
            "scans": [barcodes.label("BN", row["bin_code"]), row["item"], row["tote"]],
        }  # fmt: skip
        acts.setdefault(row["code"], []).append(msgspec.json.encode(act))
    return acts


async def make_database(server_url: str, name: str) -> str:
    """A new, empty database beside the one of `server_url`; dropped first when it is there."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return database_url(server_url, name)


def database_url(server_url: str, name: str) -> str:
    """The same server, another database."""
    head, _, query = server_url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
