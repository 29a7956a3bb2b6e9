"""Loading a folder: all or nothing, twice is once, and a big one in seconds."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.masterdata.folder import FILES, with_row, write_folder, write_only
from wms.access import signin
from wms.db import Db, Tx
from wms.load import BadFolder, Loaded, load, load_directory
from wms.masterdata.codes import badge_label

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
TABLES = ("warehouse", "owner", "item", "bin", "app_user", "lpn", "movement", "balance", "lot")


async def load_folder(db: Db, directory: Path) -> Loaded:
    async with db.transaction() as tx:
        return await load(tx, directory, AT)


async def counts(tx: Tx) -> dict[str, int]:
    return {
        table: (await tx.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one()
        for table in TABLES
    }


async def test_a_folder_becomes_a_warehouse_one_can_work_in(fresh_db: Db, tmp_path: Path) -> None:
    loaded = await load_folder(fresh_db, write_folder(tmp_path))
    assert (loaded.warehouse_code, loaded.stock_skipped) == ("W1", False)
    assert {file: put.added for file, put in loaded.files.items()} == {
        "warehouse.csv": 1, "zones.csv": 1, "aisles.csv": 1, "cross_aisles.csv": 2, "bins.csv": 8,
        "owners.csv": 1, "items.csv": 3, "pack_levels.csv": 4, "barcodes.csv": 4,
        "carton_types.csv": 1, "carriers.csv": 1, "cutoffs.csv": 1, "users.csv": 2,
        "plates.csv": 2, "stock.csv": 4,
    }  # fmt: skip
    async with fresh_db.transaction() as tx:
        bins = await tx.execute(text("SELECT kind, count(*) FROM bin GROUP BY kind"))
        kinds: dict[str, int] = {row.kind: row.count for row in bins}
        assert kinds["hand"] == 2
        assert [kinds[kind] for kind in ("supplier", "customer", "adjustment", "scrap")] == [1] * 4
        codes = await tx.execute(text("SELECT value FROM barcode ORDER BY value"))
        assert codes.scalars().all() == [
            "09521234000006", "09521234000013", "19521234000003", "ACME-GPS",
        ]  # fmt: skip
        attempt = await signin.start_attempt(tx, badge_label("7K2M"), "2468")
        signin.check_pin(attempt, "2468")


async def test_opening_stock_keeps_its_age_lot_serial_and_plate(
    fresh_db: Db, tmp_path: Path
) -> None:
    await load_folder(fresh_db, write_folder(tmp_path))
    query = text(
        """
        SELECT n.code AS bin, i.sku, b.on_hand, l.code AS plate, l.state, t.code AS lot,
               t.expires_on, b.serial, b.received_at::date AS received_on
          FROM balance b
          JOIN bin n ON n.warehouse_id = b.warehouse_id AND n.id = b.bin_id
          JOIN item i ON i.id = b.item_id
          LEFT JOIN lpn l ON l.warehouse_id = b.warehouse_id AND l.id = b.lpn_id
          LEFT JOIN lot t ON t.warehouse_id = b.warehouse_id AND t.id = b.lot_id
         ORDER BY n.code, i.sku
        """
    )
    async with fresh_db.reading() as tx:
        found = [tuple(row) for row in await tx.execute(query)]
    january, march = date(2026, 1, 31), date(2026, 3, 2)
    assert found == [
        ("A-01-01", "MUG", 40, None, None, None, None, "", january),
        ("A-01-02", "BAR", 60, None, None, "L1", date(2026, 5, 31), "", march),
        ("A-01-02", "GPS", 1, None, None, None, None, "SN1", march),
        ("R-01-01", "MUG", 288, found[3][3], "closed", None, None, "", january),
    ]
    assert found[3][3].startswith("LP-P1-")


async def test_loading_twice_changes_nothing_and_says_so(fresh_db: Db, tmp_path: Path) -> None:
    await load_folder(fresh_db, write_folder(tmp_path))
    async with fresh_db.reading() as tx:
        before = await counts(tx)
    changed = "code,name\nACME,Acme Indoor\n"
    again = await load_folder(fresh_db, write_folder(tmp_path, owners=changed))
    assert sum(put.added for put in again.files.values()) == 0
    assert again.files["items.csv"].present == 3
    assert again.files["owners.csv"].different == ("ACME",)
    assert again.stock_skipped
    assert [file for file, put in again.files.items() if put.different] == ["owners.csv"]
    async with fresh_db.reading() as tx:
        assert await counts(tx) == before
        name = (await tx.exec_driver_sql("SELECT name FROM owner")).scalar_one()
        assert name == "Acme Outdoor"


async def test_a_folder_may_add_to_what_is_there(fresh_db: Db, tmp_path: Path) -> None:
    await load_folder(fresh_db, write_folder(tmp_path))
    more = write_only(
        tmp_path / "more",
        warehouse=FILES["warehouse.csv"],
        users="code,name,badge,pin,roles\nTOM,Tom,AAA,1234,picker\n",
        barcodes="value,owner,sku,level\nOLD-MUG,ACME,MUG,case\n",
    )
    again = await load_folder(fresh_db, more)
    assert (again.files["users.csv"].added, again.files["barcodes.csv"].added) == (1, 1)
    assert not again.stock_skipped
    async with fresh_db.reading() as tx:
        hands = await tx.exec_driver_sql("SELECT count(*) FROM bin WHERE kind = 'hand'")
        assert hands.scalar_one() == 3


async def test_one_flaw_and_nothing_is_loaded(fresh_db: Db, tmp_path: Path) -> None:
    write_folder(tmp_path, stock=with_row("stock", "ACME,HAT,A-01-01,1,,,,,"))
    with pytest.raises(BadFolder, match=r"1 problems in .*stock.csv:6: sku: ACME HAT is not in"):
        await load_folder(fresh_db, tmp_path)
    async with fresh_db.reading() as tx:
        assert set((await counts(tx)).values()) == {0}


async def test_a_badge_that_belongs_to_somebody_already_is_a_flaw(
    fresh_db: Db, tmp_path: Path
) -> None:
    await load_folder(fresh_db, write_folder(tmp_path))
    users = with_row("users", "TOM,Tom,NEW,1234,picker").replace("PIA,Pia Berg", "PAM,Pam")
    with pytest.raises(BadFolder, match="badge: belongs to PIA already"):
        await load_folder(fresh_db, write_folder(tmp_path, users=users))


async def test_two_loads_at_once_give_one_warehouse(fresh_db: Db, tmp_path: Path) -> None:
    await load_folder(fresh_db, write_folder(tmp_path))
    async with fresh_db.transaction() as first:
        await load(first, tmp_path, AT)
        async with fresh_db.engine.connect() as second:
            await second.exec_driver_sql("SET lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout"):
                await load(second, tmp_path, AT)
            await second.rollback()


async def test_the_report_for_the_command_line_is_in_words(fresh_db: Db, tmp_path: Path) -> None:
    write_folder(tmp_path, owners="code,name\nacme,Acme\n")
    report = await load_directory(fresh_db, tmp_path, AT)
    first_flaw = report.problems[0]
    assert (first_flaw.file, first_flaw.line, first_flaw.column) == ("owners.csv", 2, "code")
    first = await load_directory(fresh_db, write_folder(tmp_path), AT)
    assert (first.problems, first.loaded["items.csv"]) == ((), "3 loaded")
    again = await load_directory(fresh_db, write_folder(tmp_path, owners="code,name\nACME,A\n"), AT)
    assert again.loaded["items.csv"] == "3 already there"
    assert again.loaded["owners.csv"] == (
        "1 already there, 1 of them with other values, left as they are: ACME"
    )
    assert again.loaded["stock.csv"] == "left out: the ledger has movements already"
