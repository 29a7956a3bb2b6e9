"""The watched folder: complete files only, explained where they end up, once whatever happens."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.world import World, scalar
from wms.files import inbox
from wms.files.drop import Looks, stamp_of, take_waiting, watch, watch_files
from wms.files.inbox import NewFile
from wms.files.intake import take_in

ORDERS = """owner,external_id,carrier,lines.line_no,lines.sku,lines.qty
ACME,SO-1,PARCEL,1,MUG,3
"""
BAD = ORDERS + "ACME,SO-2,PARCEL,1,NOTHING,1\n"


def put(root: Path, name: str, content: str, folder: str = "in/W1/orders") -> Path:
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def report(path: Path) -> dict[str, object]:
    return msgspec.json.decode(path.with_name(path.name + ".report.json").read_bytes())


async def test_a_file_is_taken_when_it_lies_still_and_its_report_stands_beside_it(
    world: World, tmp_path: Path
) -> None:
    looks: Looks = {}
    path = put(tmp_path, "day.csv", ORDERS[:60])
    half = put(tmp_path, "next.csv.part", ORDERS)
    assert await watch(world.db, tmp_path, looks) == 0
    path.write_text(ORDERS)  # it still grew: look again
    assert await watch(world.db, tmp_path, looks) == 0
    assert await watch(world.db, tmp_path, looks) == 1
    done = tmp_path / "done/W1/orders/day.csv"
    assert (done.read_text(), report(done)["state"]) == (ORDERS, "done")
    assert await scalar(world, "SELECT count(*) FROM outbound_order") == 1
    assert half.exists()


async def test_a_bad_file_fails_with_its_errors_and_a_foreign_folder_says_why(
    world: World, tmp_path: Path
) -> None:
    looks: Looks = {}
    put(tmp_path, "bad.csv", BAD)
    put(tmp_path, "lost.csv", ORDERS, "in/W9/orders")
    put(tmp_path, "odd.csv", ORDERS, "in/W1/invoices")
    put(tmp_path, "map.csv", ORDERS, "in/W1/orders/unknown-map")
    put(tmp_path, "stray.csv", ORDERS, "in")
    put(tmp_path, "deep.csv", ORDERS, "in/W1/orders/a/b")
    await watch(world.db, tmp_path, looks)
    assert await watch(world.db, tmp_path, looks) == 6
    assert "in/<warehouse>/<kind>/" in str(report(tmp_path / "failed/stray.csv")["detail"])
    deep = report(tmp_path / "failed/W1/orders/a/b/deep.csv")
    assert (deep["state"], deep["kind"]) == ("failed", "orders/a/b")
    failed = tmp_path / "failed/W1/orders/bad.csv"
    assert report(failed)["state"] == "failed"
    assert "NOTHING" in failed.with_name("bad.csv.errors.ndjson").read_text()
    assert "W9" in str(report(tmp_path / "failed/W9/orders/lost.csv")["detail"])
    assert "invoices" in str(report(tmp_path / "failed/W1/invoices/odd.csv")["report"])
    mapped = tmp_path / "failed/W1/orders/unknown-map/map.csv"
    assert "unknown-map" in str(report(mapped)["report"])
    assert await scalar(world, "SELECT count(*) FROM inbound_file WHERE state = 'failed'") == 4
    told = "SELECT count(*) FROM exception WHERE code = 'file_failed' AND state = 'open'"
    assert await scalar(world, told) == 6
    assert await scalar(world, "SELECT count(*) FROM outbound_order") == 0


async def test_the_same_file_dropped_again_is_known_and_overwrites_nothing(
    world: World, tmp_path: Path
) -> None:
    looks: Looks = {}
    for _ in range(2):
        put(tmp_path, "day.csv", ORDERS)
        await watch(world.db, tmp_path, looks)
        await watch(world.db, tmp_path, looks)
    assert len(list((tmp_path / "done/W1/orders").glob("day*.csv"))) == 2
    assert await scalar(world, "SELECT count(*) FROM inbound_file") == 1
    assert await scalar(world, "SELECT count(*) FROM outbox WHERE type = 'order.accepted'") == 1


async def test_a_file_whose_process_died_is_taken_by_another(world: World) -> None:
    stamp = stamp_of(world.warehouse_id, "test")
    new = NewFile(kind="orders", name="x", sender="partner:ERP", content=ORDERS.encode())
    async with world.db.transaction() as tx:
        await inbox.store(tx, stamp, new, stamp.at.replace(year=2020))
    assert await take_waiting(world.db) == 1
    assert await scalar(world, "SELECT state FROM inbound_file") == "done"
    assert await take_waiting(world.db) == 0


async def test_two_processes_take_one_file_once(world: World) -> None:
    stamp = stamp_of(world.warehouse_id, "test")
    new = NewFile(kind="orders", name="x", sender="partner:ERP", content=ORDERS.encode())

    async def store() -> int:
        async with world.db.transaction() as tx:
            return (await inbox.store(tx, stamp, new, stamp.at))[0]

    first, second = await asyncio.gather(store(), store())
    assert first == second
    took = await asyncio.gather(*(take_in(world.db, stamp, first) for _ in range(4)))
    assert sorted(took) == [False, False, False, True]
    assert await scalar(world, "SELECT count(*) FROM outbox WHERE type = 'order.accepted'") == 1


async def test_the_chore_watches_the_folder_of_the_settings(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMS_DROP_DIR", str(tmp_path))
    put(tmp_path, "day.csv", ORDERS)
    assert await watch_files(world.db) == 0
    assert await watch_files(world.db) == 1
    assert report(tmp_path / "done/W1/orders/day.csv")["state"] == "done"
