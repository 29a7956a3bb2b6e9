"""Reading and checking folders: every flaw is found, at its line and column, and only the flaws."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.masterdata.folder import FILES, with_row, write_folder
from wms.access.tables import ROLES
from wms.masterdata import csv_docs, csv_forms, csv_rules
from wms.masterdata import csv_forms as forms
from wms.masterdata.csv_read import Folder, read_folder
from wms.masterdata.csv_rules import Known

AT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # already 2 March in Berlin


def checked(directory: Path, **changed: str | None) -> Folder:
    folder = read_folder(write_folder(directory, **changed), AT)
    csv_rules.check(folder, Known())
    return folder


def flaws(directory: Path, **changed: str | None) -> list[tuple[str, int, str]]:
    found = checked(directory, **changed).problems
    return sorted((flaw.file, flaw.line, flaw.column) for flaw in found)


def test_a_right_folder_has_no_flaw_and_reads_in_the_warehouse_s_day(tmp_path: Path) -> None:
    folder = checked(tmp_path)
    assert folder.problems == []
    assert folder.today == date(2026, 3, 2)
    stock = folder.of(forms.StockForm)
    assert [row.received_on for row in stock[:3]] == [date(2026, 1, 31), date(2026, 1, 31), None]
    assert stock[2].expires_on == date(2026, 5, 31)
    assert folder.of(forms.CutoffForm)[0].at == time(15, 0)
    assert folder.of(forms.OrderForm)[0].placed_at == datetime(2026, 3, 2, 8, 15)  # noqa: DTZ001
    assert folder.of(forms.UserForm)[0].roles == ("picker", "packer")
    assert folder.of(forms.BinForm)[0].mix_lots is False
    assert folder.of(forms.BinForm)[1].capacity_mm3 is None
    assert folder.of(forms.ItemForm)[0].description == "Mug, enamel"


CELLS = {
    "zones": ("b,Lower case", [(3, "code")]),
    "aisles": ("02,A,x,0,1", [(3, "x_mm")]),
    "bins": ("A-01-03,shelf,A,01,0,0,,", [(10, "kind")]),
    "items": (
        "ACME,NEW,,maybe,no,no,lifo", [(5, "description"), (5, "lot_tracked"), (5, "rotation")],
    ),
    "pack_levels": ("ACME,GPS,case,0,1,1,1,1", [(6, "base_qty")]),
    "cutoffs": ("PARCEL,25:00,DOCK-1", [(3, "at")]),
    "users": ("TOM,Tom,AAA,12,king", [(4, "pin"), (4, "roles")]),
    "stock": ("ACME,MUG,A-01-01,1,,,,,soon", [(6, "received_on")]),
    "orders": ("ACME,O-2,tomorrow,PARCEL,,Germany", [(3, "country"), (3, "placed_at")]),
    "asn_lines": ("ACME,ASN-1,2,MUG", [(3, "")]),
}  # fmt: skip


@pytest.mark.parametrize("file", CELLS)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path: Path, file: str) -> None:
    row, where = CELLS[file]
    expected = [(f"{file}.csv", line, column) for line, column in where]
    assert flaws(tmp_path, **{file: with_row(file, row)}) == expected


RULES: dict[str, tuple[str, str, list[tuple[int, str]]]] = {
    "twice": ("zones", "A,Again", [(3, "code")]),
    "no such zone": ("aisles", "02,B,6000,0,1", [(3, "zone")]),
    "backwards aisle": ("aisles", "02,A,6000,5,1", [(3, "y_to_mm")]),
    "storage without aisle": ("bins", "A-01-03,pick,A,,0,0,,", [(10, "aisle")]),
    "outside its aisle": ("bins", "A-01-03,pick,A,01,0,12000,,", [(10, "y_mm")]),
    "no such aisle": ("bins", "A-01-03,pick,A,09,0,0,,", [(10, "aisle")]),
    "each is one": ("pack_levels", "ACME,GPS,inner,1,1,1,1,1", [(6, "base_qty")]),
    "no such item": ("pack_levels", "ACME,HAT,each,1,1,1,1,1", [(6, "sku")]),
    "unmeasured": ("items", "ACME,HAT,Hat,no,no,no,fifo", [(5, "sku")]),
    "expiry without lot": (
        "items", "ACME,HAT,Hat,no,yes,no,fifo", [(5, "expiry_tracked"), (5, "sku")],
    ),
    "fefo without expiry": (
        "items", "ACME,HAT,Hat,no,no,no,fefo", [(5, "rotation"), (5, "sku")],
    ),
    "bad gtin": ("barcodes", "9521234000007,ACME,MUG,each", [(6, "value")]),
    "same code, two items": ("barcodes", "09521234000006,ACME,BAR,each", [(6, "value")]),
    "a badge on goods": ("barcodes", "BD-7K2M-7,ACME,BAR,each", [(6, "value")]),
    "no such level": ("barcodes", "ACME-BAR,ACME,BAR,case", [(6, "level")]),
    "thin carton": (
        "carton_types", "T,220,150,100,210,160,110,120,10000", [(3, "inner_length_mm")],
    ),
    "heavy carton": ("carton_types", "T,200,150,100,210,160,110,500,400", [(3, "tare_g")]),
    "badge of two": ("users", "TOM,Tom,7K2M,1234,picker", [(4, "badge")]),
    "bad sscc": ("plates", "095212340000000012,pallet,R-01-01", [(4, "code")]),
    "lot needed": ("stock", "ACME,BAR,A-01-01,1,,,+9,,", [(6, "lot")]),
    "no lots here": ("stock", "ACME,MUG,A-01-02,1,,L1,,,", [(6, "lot")]),
    "expiry needed": ("stock", "ACME,BAR,A-01-01,1,,L2,,,", [(6, "expires_on")]),
    "lot of two expiries": ("stock", "ACME,BAR,A-01-01,1,,L1,+91,,", [(6, "expires_on")]),
    "serial needed": ("stock", "ACME,GPS,A-01-01,1,,,,,", [(6, "serial")]),
    "serial twice": ("stock", "ACME,GPS,A-01-01,1,,,,SN1,", [(6, "serial")]),
    "serial of two units": ("stock", "ACME,GPS,A-01-01,2,,,,SN2,", [(6, "qty")]),
    "plate elsewhere": ("stock", "ACME,MUG,A-01-01,1,P1,,,,", [(6, "plate")]),
    "stock at a dock": ("stock", "ACME,MUG,DOCK-1,1,,,,,", [(6, "bin")]),
    "order without lines": ("orders", "ACME,O-2,today 08:00,PARCEL,,", [(3, "order")]),
    "unknown carrier": ("orders", "ACME,O-1B,today 08:00,TRUCK,,", [(3, "order"), (3, "service")]),
    "line of no order": ("order_lines", "ACME,O-9,1,MUG,1", [(4, "order")]),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_broken_rule_between_rows_is_named(tmp_path: Path, name: str) -> None:
    file, row, where = RULES[name]
    expected = [(f"{file}.csv", line, column) for line, column in where]
    assert flaws(tmp_path, **{file: with_row(file, row)}) == expected


def test_what_a_carton_planner_asks_of_items_is_read(tmp_path: Path) -> None:
    head = "owner,sku,description,upright,flat,own_container,carton_qty_max"
    levels = "owner,sku,level,base_qty,length_mm,width_mm,height_mm,weight_g,load_max_g"
    alone = {"barcodes": None, "stock": None, "asn_lines": None, "asns": None, "orders": None,
             "order_lines": None}  # fmt: skip
    right = checked(
        tmp_path,
        items=f"{head}\nACME,RUG,Rug,no,yes,no,4\nACME,TV,Screen,,,yes,\n",
        pack_levels=f"{levels}\nACME,RUG,each,1,9,9,9,9,0\nACME,TV,each,1,9,9,9,9,\n",
        **alone,
    )
    assert right.problems == []
    rug, screen = right.of(forms.ItemForm)
    assert (rug.flat, rug.own_container, rug.carton_qty_max) == (True, False, 4)
    assert (screen.flat, screen.own_container, screen.carton_qty_max) == (False, True, None)
    assert [level.load_max_g for level in right.of(forms.PackLevelForm)] == [0, None]
    wrong = checked(
        tmp_path,
        items=f"{head}\nACME,RUG,Rug,yes,yes,no,\nACME,TV,Screen,,,perhaps,0\n",
        pack_levels=f"{levels}\nACME,RUG,each,1,9,9,9,9,-5\nACME,TV,each,1,9,9,9,9,light\n",
        **alone,
    )
    assert sorted(str(flaw) for flaw in wrong.problems) == [
        "items.csv:2: flat: contradicts upright",
        "items.csv:3: carton_qty_max: '0' is not whole number from 1"
        " (of it in one carton; empty: not limited)",
        "items.csv:3: own_container: 'perhaps' is not yes or no"
        " (ships in its own package, takes no carton)",
        "pack_levels.csv:2: load_max_g: '-5' is not whole number from 0 to 50000000"
        " (grams that may rest on one; empty: not limited)",
        "pack_levels.csv:3: load_max_g: 'light' is not whole number from 0 to 50000000"
        " (grams that may rest on one; empty: not limited)",
    ]


FOLDERS: dict[str, tuple[dict[str, Any], list[tuple[str, int, str]]]] = {
    "no warehouse": ({"warehouse": None}, [("warehouse.csv", 0, "")]),
    "two warehouses": (
        {"warehouse": with_row("warehouse", "W2,Second,UTC,9521235")}, [("warehouse.csv", 3, "")],
    ),
    "no time zone": (
        {"warehouse": "code,name,timezone\nW1,Main,Mars/Base\n"},
        [("warehouse.csv", 2, "timezone")],
    ),
    "unknown and missing column": (
        {"zones": "kode,name\nA,B\n", "aisles": None, "bins": None, "cutoffs": None,
         "plates": None, "stock": None, "asns": None, "asn_lines": None, "orders": None,
         "order_lines": None},
        [("bins.csv", 0, "kind")] * 5 + [("zones.csv", 1, "code"), ("zones.csv", 1, "kode")],
    ),
    "cutoff at a shelf": (
        {"cutoffs": "carrier,service,at,dock\nPARCEL,standard,16:00,A-01-01\n"},
        [("cutoffs.csv", 2, "dock")],
    ),
    "column twice": ({"cross_aisles": "y_mm,y_mm\n0,0\n"}, [("cross_aisles.csv", 1, "y_mm")]),
    "bad rows are no dangling references": (
        {"owners": "code,name\nACME,\n"}, [("owners.csv", 2, "name")],
    ),
    "quote left open": (
        {"carriers": 'code,name\nPARCEL,"Parcel\n', "cutoffs": None, "orders": None,
         "order_lines": None},
        [("carriers.csv", 2, "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    changed, expected = FOLDERS[name]
    assert flaws(tmp_path, **changed) == expected


def test_bytes_that_are_no_text_a_foreign_file_and_no_folder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "zones.csv").write_bytes(b"code,name\nA,\xff\xfe\n")
    (tmp_path / "itmes.csv").write_text("owner,sku\n")
    found = {(flaw.file, flaw.reason) for flaw in read_folder(tmp_path, AT).problems}
    assert found == {
        ("zones.csv", "is not UTF-8 text"),
        ("itmes.csv", "is not a file that is loaded"),
    }
    nowhere = read_folder(tmp_path / "nowhere", AT).problems
    assert [flaw.reason for flaw in nowhere] == ["is no folder"]


def test_a_spreadsheet_s_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    text = "\ufeff" + FILES["zones.csv"] + "\n , \n"
    assert flaws(tmp_path, zones=text) == []


def test_a_flaw_reads_as_one_line(tmp_path: Path) -> None:
    found = checked(tmp_path, users=with_row("users", "TOM,Tom,AAA,12,picker")).problems
    assert str(found[0]) == "users.csv:4: pin: '12' is not text (4 to 6 digits)"


def test_roles_in_the_form_are_the_roles_of_the_system() -> None:
    assert get_args(csv_forms.Role) == ROLES


def test_the_documentation_is_current() -> None:
    text = (Path(__file__).parents[2] / "docs" / "csv.md").read_text()
    assert text == csv_docs.render(), "run: python -m wms.masterdata.csv_docs > docs/csv.md"
