"""`wms load DIR`: a whole warehouse from a folder of CSV files, all or nothing, in one transaction.

Adds what is missing and leaves what is there, so loading twice changes nothing and says so. Orders
and ASNs are read and checked but not loaded: they come in through the API like on any other day.
It fills several rooms (people, master data, opening stock), so it stands above them.
"""

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import text

from wms.access import people
from wms.access.people import NewUser
from wms.bulk import Put, ids_by_code
from wms.db import Db, Tx
from wms.errors import Invalid
from wms.ids import uuid7
from wms.inventory import opening
from wms.inventory.opening import Opening
from wms.masterdata import catalog, csv_rules, layout
from wms.masterdata import csv_forms as forms
from wms.masterdata.codes import badge_label, plate_label
from wms.masterdata.csv_read import CsvProblem, Folder, read_folder
from wms.masterdata.csv_rules import Known, Tracking
from wms.masterdata.tables import bin_, carrier
from wms.stamp import Stamp


class BadFolder(Invalid):
    """`problems` has all flaws of all files, in the order of files and lines."""

    say = "{count} problems in {folder}; nothing was loaded. The first: {first}"

    def __init__(self, folder: Path, problems: list[CsvProblem]) -> None:
        self.problems = problems
        super().__init__(folder=folder, count=len(problems), first=problems[0])


class Loaded(msgspec.Struct, frozen=True):
    """What a load did, by file. `stock_skipped`: the ledger had begun, so no opening stock."""

    warehouse_id: int
    warehouse_code: str
    files: dict[str, Put]
    stock_skipped: bool = False


class LoadReport(msgspec.Struct, frozen=True):
    """For the command line: flaws by file and line, or what was loaded by file, in words."""

    problems: tuple[CsvProblem, ...] = ()
    loaded: dict[str, str] = {}


class Badge(msgspec.Struct, frozen=True):
    """Somebody of the demo warehouse, as one can sign in."""

    code: str
    name: str
    label: str
    pin: str
    roles: tuple[str, ...]


ANY_WAREHOUSE = text("SELECT EXISTS (SELECT 1 FROM warehouse)")


def demo_dir() -> Path:
    """The shipped demo warehouse: in the wheel, or in `fixtures/` of a checkout."""
    shipped = Path(__file__).parent / "_fixtures"
    return (shipped if shipped.exists() else Path(__file__).parents[1] / "fixtures") / "demo"


def demo_badges() -> list[Badge]:
    """Badges and PINs of the demo warehouse; nobody of a real one is ever listed."""
    users = read_folder(demo_dir(), datetime.now(UTC)).of(forms.UserForm)
    return [Badge(u.code, u.name, badge_label(u.badge), u.pin, u.roles) for u in users]


# A planner that knows nothing of tables just filled picks plans that take minutes.
ANALYZE = text("ANALYZE")


async def load_demo_if_empty(db: Db) -> bool:
    """Load the demo warehouse into a database without any warehouse; True when it did."""
    async with db.transaction() as tx:
        if (await tx.execute(ANY_WAREHOUSE)).scalar_one():
            return False
        await load(tx, demo_dir(), datetime.now(UTC))
        await tx.execute(ANALYZE)
        return True


async def load_directory(db: Db, directory: Path, at: datetime | None = None) -> LoadReport:
    """Load a folder in a transaction of its own; flaws are reported, not raised."""
    try:
        async with db.transaction() as tx:
            loaded = await load(tx, directory, at or datetime.now(UTC))
            await tx.execute(ANALYZE)
    except BadFolder as refusal:
        return LoadReport(problems=tuple(refusal.problems))
    words = {file: _told(put) for file, put in loaded.files.items() if put.added or put.present}
    if loaded.stock_skipped:
        words["stock.csv"] = "left out: the ledger has movements already"
    return LoadReport(loaded=words)


def _told(put: Put) -> str:
    words = [f"{put.added} loaded"] if put.added else []
    if put.present:
        words.append(f"{put.present} already there")
    if put.different:
        names = ", ".join(put.different[:5]) + (", …" if len(put.different) > 5 else "")
        words.append(f"{len(put.different)} of them with other values, left as they are: {names}")
    return ", ".join(words)


async def load(tx: Tx, directory: Path, at: datetime) -> Loaded:
    """Load a folder. Raises BadFolder with every flaw; then nothing was loaded."""
    folder = await read_checked(tx, directory, at)
    puts: dict[str, Put] = {}
    form = folder.of(forms.WarehouseForm)[0]
    warehouse_id, puts["warehouse.csv"] = await layout.put_warehouse(tx, form)
    await _put_catalog(tx, folder, puts)
    await _put_layout(tx, folder, warehouse_id, puts)
    users = [
        NewUser(code=u.code, name=u.name, badge=badge_label(u.badge), pin=u.pin, roles=u.roles)
        for u in folder.of(forms.UserForm)
    ]
    puts["users.csv"] = await people.put_users(tx, users)
    await layout.put_hand_bins(tx, warehouse_id)
    skipped = await _put_stock(tx, folder, warehouse_id, puts, at)
    return Loaded(warehouse_id, form.code, puts, skipped)


async def read_checked(tx: Tx, directory: Path, at: datetime) -> Folder:
    """The folder, read and checked against itself and the database. Raises BadFolder."""
    folder = read_folder(directory, at)
    csv_rules.check(folder, await _known(tx, folder))
    if folder.problems:
        order = {form.file: number for number, form in enumerate(forms.FORMS)}
        folder.problems.sort(key=lambda flaw: (order.get(flaw.file, -1), flaw.line, flaw.column))
        raise BadFolder(directory, folder.problems)
    return folder


async def _put_catalog(tx: Tx, folder: Folder, puts: dict[str, Put]) -> None:
    puts["owners.csv"] = await catalog.put_owners(tx, folder.of(forms.OwnerForm))
    puts["items.csv"] = await catalog.put_items(tx, folder.of(forms.ItemForm))
    puts["pack_levels.csv"] = await catalog.put_pack_levels(tx, folder.of(forms.PackLevelForm))
    puts["barcodes.csv"] = await catalog.put_barcodes(tx, folder.of(forms.BarcodeForm))
    puts["carton_types.csv"] = await catalog.put_carton_types(tx, folder.of(forms.CartonTypeForm))
    puts["carriers.csv"] = await catalog.put_carriers(tx, folder.of(forms.CarrierForm))


async def _put_layout(tx: Tx, folder: Folder, warehouse_id: int, puts: dict[str, Put]) -> None:
    wid = warehouse_id
    puts["zones.csv"] = await layout.put_zones(tx, wid, folder.of(forms.ZoneForm))
    puts["aisles.csv"] = await layout.put_aisles(tx, wid, folder.of(forms.AisleForm))
    cross_aisles = folder.of(forms.CrossAisleForm)
    puts["cross_aisles.csv"] = await layout.put_cross_aisles(tx, wid, cross_aisles)
    puts["bins.csv"] = await layout.put_bins(tx, wid, folder.of(forms.BinForm))
    carriers = await ids_by_code(tx, carrier)
    cutoffs = folder.of(forms.CutoffForm)
    puts["cutoffs.csv"] = await layout.put_cutoffs(tx, wid, cutoffs, carriers)


async def _put_stock(
    tx: Tx, folder: Folder, warehouse_id: int, puts: dict[str, Put], at: datetime
) -> bool:
    """Plates and opening stock; True when the stock was skipped."""
    bin_ids = await ids_by_code(tx, bin_, warehouse_id)
    labels = {row.code: plate_label(row.kind, row.code) for row in folder.of(forms.PlateForm)}
    plates = [(labels[row.code], row.kind, bin_ids[row.bin]) for row in folder.of(forms.PlateForm)]
    puts["plates.csv"], plate_ids = await opening.put_plates(tx, warehouse_id, plates)
    stock = folder.of(forms.StockForm)
    if await opening.has_begun(tx, warehouse_id):
        puts["stock.csv"] = Put(0, len(stock))
        return bool(stock)
    stamp = Stamp(warehouse_id=warehouse_id, at=at, key=uuid7(), actor="system:load")
    item_ids = await catalog.item_ids(tx)
    heaps = [
        Opening(
            owner_id=item_ids[row.owner, row.sku][0],
            item_id=item_ids[row.owner, row.sku][1],
            bin_id=bin_ids[row.bin],
            qty=row.qty,
            lpn_id=plate_ids[labels[row.plate]] if row.plate else None,
            lot_code=row.lot,
            expires_on=row.expires_on,
            serial=row.serial,
            status=row.status,
            received_at=_received(row, folder.timezone(), at),
        )
        for row in stock
    ]
    if heaps:
        await opening.open_stock(tx, stamp, heaps)
    puts["stock.csv"] = Put(len(heaps))
    return False


def _received(row: forms.StockForm, timezone: ZoneInfo, at: datetime) -> datetime:
    """Noon of the day, in the warehouse's time; never later than now."""
    if row.received_on is None:
        return at
    noon = datetime.combine(row.received_on, time(12), timezone)
    return min(noon, at)


KEYS = {
    "owners.csv": text("SELECT code FROM owner"),
    "carriers.csv": text("SELECT code FROM carrier"),
    "zones.csv": text("SELECT code FROM zone WHERE warehouse_id = :w"),
    "aisles.csv": text("SELECT code FROM aisle WHERE warehouse_id = :w"),
    "bins.csv": text("SELECT code FROM bin WHERE warehouse_id = :w"),
    "pack_levels.csv": text(
        """
        SELECT o.code, i.sku, p.level FROM pack_level p
          JOIN item i ON i.id = p.item_id JOIN owner o ON o.id = i.owner_id
        """
    ),
    "cutoffs.csv": text(
        """
        SELECT c.code, k.service FROM cutoff k JOIN carrier c ON c.id = k.carrier_id
         WHERE k.warehouse_id = :w
        """
    ),
}
ITEMS = text(
    """
    SELECT o.code, i.sku, i.lot_tracked, i.serial_tracked, i.expiry_tracked
      FROM item i JOIN owner o ON o.id = i.owner_id
    """
)
BINS = text("SELECT code, kind FROM bin WHERE warehouse_id = :w")
WAREHOUSE = text("SELECT id FROM warehouse WHERE code = :code")


async def _known(tx: Tx, folder: Folder) -> Known:
    """What the database holds already of what the folder may refer to."""
    warehouses = folder.of(forms.WarehouseForm)
    code = warehouses[0].code if warehouses else ""
    warehouse_id = (await tx.execute(WAREHOUSE, {"code": code})).scalar() or 0
    known = Known()
    for file, query in KEYS.items():
        values = {"w": warehouse_id} if ":w" in query.text else {}
        known.keys[file] = {tuple(row) for row in await tx.execute(query, values)}
    for row in await tx.execute(ITEMS):
        known.items[row.code, row.sku] = Tracking(
            row.lot_tracked, row.serial_tracked, row.expiry_tracked
        )
    known.keys["items.csv"] = set(known.items)
    for row in await tx.execute(BINS, {"w": warehouse_id}):
        known.bin_kinds[row.code] = row.kind
    badges = [badge_label(user.badge) for user in folder.of(forms.UserForm)]
    holders = await people.list_badge_holders(tx, badges)
    known.badges = {
        user.badge: holders[badge_label(user.badge)]
        for user in folder.of(forms.UserForm)
        if badge_label(user.badge) in holders
    }
    return known
