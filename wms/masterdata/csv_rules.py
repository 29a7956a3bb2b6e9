"""What must hold between the rows and files of a folder, beyond each cell being well formed. Pure.

Every rule notes all it finds with the line to blame; none stops another. `Known` is what the
database holds already, so a folder may refer to it.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec

from wms import barcodes
from wms.errors import Refused
from wms.masterdata import csv_forms as forms
from wms.masterdata.csv_read import F, Folder

STORAGE = ("pick", "reserve")
NEEDED_KINDS = ("dock", "stage_in", "clarify", "pack", "stage_out")
ItemKey = tuple[str, str]


class Tracking(msgspec.Struct, frozen=True):
    """What is asked about an item."""

    lot: bool
    serial: bool
    expiry: bool


class Known(msgspec.Struct):
    """What the database holds already, by the same keys as the files."""

    keys: dict[str, set[tuple[object, ...]]] = {}
    items: dict[ItemKey, Tracking] = {}
    bin_kinds: dict[str, str] = {}
    badges: dict[str, str] = {}  # badge code -> user who has it


def check(folder: Folder, known: Known) -> None:
    """Notes everything that is wrong between rows and files."""
    for rule in RULES:
        rule(folder, known)


def refers(folder: Folder, known: Known) -> None:
    """Every reference names a row of its file, or one in the database."""
    for form in forms.FORMS:
        for columns, target in form.refs:
            there = known.keys.get(target, set()) | folder.bad_keys[target]
            there = there | {line.form.key_of() for line in folder.lines[target]}
            for line in folder.lines[form.file]:
                value = tuple(getattr(line.form, column) for column in columns)
                if value not in there and value != ("",):
                    words = " ".join(str(part) for part in value)
                    folder.note(form, line.number, columns[-1], f"{words} is not in {target}")


def one_warehouse(folder: Folder, known: Known) -> None:
    lines = folder.lines["warehouse.csv"]
    if not lines and not folder.bad_keys["warehouse.csv"]:
        folder.note(forms.WarehouseForm, 0, "", "is missing or empty; one row is needed")
    for line in lines[1:]:
        folder.note(forms.WarehouseForm, line.number, "", "only one warehouse a folder")
    for number, warehouse in rows(folder, forms.WarehouseForm):
        try:
            ZoneInfo(warehouse.timezone)
        except (KeyError, ValueError, OSError):
            reason = f"{warehouse.timezone} is not a known time zone"
            folder.note(forms.WarehouseForm, number, "timezone", reason)


def bins_stand_in_aisles(folder: Folder, known: Known) -> None:
    aisles = {aisle.code: aisle for aisle in folder.of(forms.AisleForm)}
    for number, aisle in rows(folder, forms.AisleForm):
        if aisle.y_from_mm > aisle.y_to_mm:
            folder.note(forms.AisleForm, number, "y_to_mm", "lies before y_from_mm")
    for number, row in rows(folder, forms.BinForm):
        if row.kind in STORAGE and not (row.zone and row.aisle):
            column = "aisle" if row.zone else "zone"
            folder.note(forms.BinForm, number, column, "a storage bin needs a zone and an aisle")
        aisle = aisles.get(row.aisle)
        if aisle and not aisle.y_from_mm <= row.y_mm <= aisle.y_to_mm:
            folder.note(forms.BinForm, number, "y_mm", f"lies outside aisle {row.aisle}")
    kinds = {row.kind for row in folder.of(forms.BinForm)} | set(known.bin_kinds.values())
    for kind in NEEDED_KINDS:
        if kind not in kinds and not folder.bad_keys["bins.csv"]:
            folder.note(forms.BinForm, 0, "kind", f"no bin is of kind {kind}; one is needed")


def items_are_measured(folder: Folder, known: Known) -> None:
    measured = {level.key_of() for level in folder.of(forms.PackLevelForm)}
    measured |= known.keys.get("pack_levels.csv", set()) | folder.bad_keys["pack_levels.csv"]
    for number, item in rows(folder, forms.ItemForm):
        if item.expiry_tracked and not item.lot_tracked:
            folder.note(forms.ItemForm, number, "expiry_tracked", "needs lot_tracked")
        if item.rotation == "fefo" and not item.expiry_tracked:
            folder.note(forms.ItemForm, number, "rotation", "fefo needs expiry_tracked")
        if item.upright and item.flat:
            folder.note(forms.ItemForm, number, "flat", "contradicts upright")
        if (item.owner, item.sku, "each") not in measured:
            reason = "has no level each in pack_levels.csv"
            folder.note(forms.ItemForm, number, "sku", reason)
    for number, level in rows(folder, forms.PackLevelForm):
        if (level.level == "each") != (level.base_qty == 1):
            folder.note(forms.PackLevelForm, number, "base_qty", "each is 1, other levels are more")


def barcodes_can_be_scanned(folder: Folder, known: Known) -> None:
    seen: dict[tuple[str, str], int] = {}
    for number, row in rows(folder, forms.BarcodeForm):
        try:
            reading = barcodes.read(row.value)
        except Refused as refusal:
            folder.note(forms.BarcodeForm, number, "value", str(refusal))
            continue
        if reading.kind in barcodes.OWN_KINDS or reading.kind == "sscc" or reading.facts:
            folder.note(forms.BarcodeForm, number, "value", "is a label of another kind of thing")
        elif reading.kind == "raw" and row.value.isdigit() and len(row.value) in (8, 12, 13, 14):
            folder.note(forms.BarcodeForm, number, "value", "is no GTIN: its check digit is wrong")
        first = seen.setdefault((row.owner, reading.code), number)
        if first != number:
            folder.note(forms.BarcodeForm, number, "value", f"is on another item, line {first}")


def cartons_have_walls(folder: Folder, known: Known) -> None:
    for number, row in rows(folder, forms.CartonTypeForm):
        for side in ("length", "width", "height"):
            if getattr(row, f"inner_{side}_mm") > getattr(row, f"outer_{side}_mm"):
                column = f"inner_{side}_mm"
                folder.note(forms.CartonTypeForm, number, column, "is more than outside")
        if row.tare_g >= row.gross_max_g:
            folder.note(forms.CartonTypeForm, number, "tare_g", "leaves no room for contents")


def docks_are_docks(folder: Folder, known: Known) -> None:
    kinds = _bin_kinds(folder, known)
    for form in (forms.CutoffForm, forms.AsnForm):
        for number, row in rows(folder, form):
            if row.dock and kinds.get(row.dock, "dock") != "dock":
                folder.note(form, number, "dock", f"{row.dock} is of kind {kinds[row.dock]}")


def people_are_told_apart(folder: Folder, known: Known) -> None:
    badges: dict[str, int] = {}
    for number, user in rows(folder, forms.UserForm):
        first = badges.setdefault(user.badge, number)
        if first != number:
            folder.note(forms.UserForm, number, "badge", f"is also on line {first}")
        holder = known.badges.get(user.badge, user.code)
        if holder != user.code:
            folder.note(forms.UserForm, number, "badge", f"belongs to {holder} already")


def plates_are_labels(folder: Folder, known: Known) -> None:
    for number, row in rows(folder, forms.PlateForm):
        digits = row.code.isdigit() and len(row.code) == 18
        if digits and not barcodes.gs1_check_ok(row.code):
            folder.note(forms.PlateForm, number, "code", "is no SSCC: its check digit is wrong")


def stock_fits_its_item(folder: Folder, known: Known) -> None:
    items = _tracking(folder, known)
    kinds = _bin_kinds(folder, known)
    lots: dict[tuple[str, str, str], object] = {}
    serials: set[tuple[str, str, str]] = set()
    for number, row in rows(folder, forms.StockForm):
        reasons = _goods_fit(row, items.get((row.owner, row.sku)))
        if row.serial and (row.owner, row.sku, row.serial) in serials:
            reasons.append(("serial", "is in stock already, on a line above"))
        serials.add((row.owner, row.sku, row.serial))
        if row.lot and lots.setdefault((row.owner, row.sku, row.lot), row.expires_on) != (
            row.expires_on
        ):
            reasons.append(("expires_on", f"lot {row.lot} has another expiry on another line"))
        if kinds.get(row.bin, "pick") not in (*STORAGE, "stage_in", "clarify"):
            reasons.append(("bin", f"{row.bin} is of kind {kinds[row.bin]}; stock lies elsewhere"))
        for column, reason in reasons:
            folder.note(forms.StockForm, number, column, reason)


def _goods_fit(row: forms.StockForm, item: Tracking | None) -> list[tuple[str, str]]:
    if item is None:
        return []
    found: list[tuple[str, str]] = []
    if item.lot != bool(row.lot):
        found.append(("lot", "is needed" if item.lot else "the item has no lots"))
    if item.serial != bool(row.serial):
        found.append(("serial", "is needed" if item.serial else "the item has no serials"))
    if item.expiry != (row.expires_on is not None):
        found.append(("expires_on", "is needed" if item.expiry else "the item has no expiry"))
    if row.serial and row.qty != 1:
        found.append(("qty", "a serial is one unit"))
    return found


def plates_stand_where_stock_lies(folder: Folder, known: Known) -> None:
    places = {row.code: row.bin for row in folder.of(forms.PlateForm)}
    for number, row in rows(folder, forms.StockForm):
        place = places.get(row.plate, row.bin)
        if place != row.bin:
            folder.note(forms.StockForm, number, "plate", f"{row.plate} stands in {place}")


def documents_have_lines(folder: Folder, known: Known) -> None:
    for form, line_form, number_field in (
        (forms.AsnForm, forms.AsnLineForm, "asn"),
        (forms.OrderForm, forms.OrderLineForm, "order"),
    ):
        lines = {(row.owner, getattr(row, number_field)) for row in folder.of(line_form)}
        lines |= {key[:2] for key in folder.bad_keys[line_form.file]}
        for line in folder.lines[form.file]:
            if line.form.key_of() not in lines:
                folder.note(form, line.number, number_field, f"has no line in {line_form.file}")
    for number, row in rows(folder, forms.AsnLineForm):
        if row.sscc and not barcodes.gs1_check_ok(row.sscc):
            folder.note(forms.AsnLineForm, number, "sscc", "its check digit is wrong")


def rows(folder: Folder, form: type[F]) -> list[tuple[int, F]]:
    """The rows of one file with their line numbers."""
    return [(line.number, line.form) for line in folder.lines[form.file]]  # type: ignore[misc]


def _bin_kinds(folder: Folder, known: Known) -> dict[str, str]:
    return known.bin_kinds | {row.code: row.kind for row in folder.of(forms.BinForm)}


def _tracking(folder: Folder, known: Known) -> dict[ItemKey, Tracking]:
    return known.items | {
        (row.owner, row.sku): Tracking(row.lot_tracked, row.serial_tracked, row.expiry_tracked)
        for row in folder.of(forms.ItemForm)
    }


RULES: tuple[Callable[[Folder, Known], None], ...] = (
    one_warehouse, refers, bins_stand_in_aisles, items_are_measured, barcodes_can_be_scanned,
    cartons_have_walls, docks_are_docks, people_are_told_apart, plates_are_labels,
    stock_fits_its_item, plates_stand_where_stock_lies, documents_have_lines,
)  # fmt: skip
