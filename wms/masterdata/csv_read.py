"""Reads a folder of CSV files into forms, with every flaw of every file noted, none raised.

Cells are text until here. Dates may be relative to the day of reading (`+3`, `-10`, `today`), so a
shipped folder works on any day.
"""

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar, get_origin
from zoneinfo import ZoneInfo

import msgspec

from wms.masterdata.csv_forms import FORMS, Form, WarehouseForm, kinds_of, wanted

F = TypeVar("F", bound=Form)
_TRUE, _FALSE = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}
_MOMENT = re.compile(r"(?P<day>\S+)[ T](?P<clock>[0-9]{1,2}:[0-9]{2})")


class CsvProblem(msgspec.Struct, frozen=True, order=True):
    """One flaw: line 1 is the header; column is empty where the whole row or file is meant."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.column + ': ' if self.column else ''}{self.reason}"


class Line(msgspec.Struct, frozen=True):
    """A good row and where it stands."""

    number: int
    form: Form


class Folder(msgspec.Struct):
    """All good rows by file, all problems, and the keys of bad rows (referring to one is fine)."""

    lines: dict[str, list[Line]]
    problems: list[CsvProblem]
    bad_keys: dict[str, set[tuple[object, ...]]]
    today: date

    def of(self, form: type[F]) -> list[F]:
        """The rows of one file, in its order."""
        return [line.form for line in self.lines[form.file]]  # type: ignore[misc]

    def timezone(self) -> ZoneInfo:
        """The warehouse's; UTC as long as none is told or the name is wrong."""
        warehouses = self.of(WarehouseForm)
        try:
            return ZoneInfo(warehouses[0].timezone if warehouses else "UTC")
        except (KeyError, ValueError, OSError):
            return ZoneInfo("UTC")

    def note(self, form: type[Form], number: int, column: str, reason: str) -> None:
        self.problems.append(CsvProblem(form.file, number, column, reason))


def read_folder(directory: Path, at: datetime) -> Folder:
    """Everything in the folder. A missing file is an empty one; a foreign .csv is a problem.

    `at` says which day `today` and `+3` count from, in the time of the warehouse.
    """
    files = {form.file: [] for form in FORMS}
    folder = Folder(files, [], {file: set() for file in files}, at.date())
    if not directory.is_dir():
        folder.problems.append(CsvProblem(str(directory), 0, "", "is no folder"))
        return folder
    for form in FORMS:
        if (directory / form.file).is_file():
            _read_file(folder, form, directory / form.file)
        if form is WarehouseForm:
            folder.today = at.astimezone(folder.timezone()).date()
    for path in sorted(directory.glob("*.csv")):
        if path.name not in folder.lines:
            folder.problems.append(CsvProblem(path.name, 0, "", "is not a file that is loaded"))
    return folder


def _read_file(folder: Folder, form: type[Form], path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        folder.note(form, 0, "", "is not UTF-8 text")
        return
    if not text.strip():
        return
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    try:
        header = [name.strip() for name in next(reader, [])]
        if not _header_fits(folder, form, header, fields):
            return
        seen: dict[tuple[object, ...], int] = {}
        for number, cells in _filled(reader):
            made = _read_row(folder, form, header, fields, number, cells)
            if made is None:
                continue
            first = seen.setdefault(made.key_of(), number)
            if first != number:
                column = form.key[-1]
                folder.note(form, number, column, f"the same as line {first}")
                continue
            folder.lines[form.file].append(Line(number, made))
    except csv.Error as error:
        folder.note(form, reader.line_num, "", f"is not CSV: {error}")


def _filled(reader: Any) -> Iterator[tuple[int, list[str]]]:
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [cell.strip() for cell in cells]


def _header_fits(
    folder: Folder, form: type[Form], header: list[str], fields: dict[str, Any]
) -> bool:
    count = len(folder.problems)
    for name in header:
        if name not in fields:
            known = ", ".join(fields)
            folder.note(form, 1, name, f"no such column; there are {known}")
    for name, field in fields.items():
        if name not in header and field.required:
            folder.note(form, 1, name, "this column is missing")
        if header.count(name) > 1:
            folder.note(form, 1, name, "this column is there twice")
    return len(folder.problems) == count


def _read_row(
    folder: Folder,
    form: type[Form],
    header: list[str],
    fields: dict[str, Any],
    number: int,
    cells: list[str],
) -> Form | None:
    if len(cells) != len(header):
        folder.note(form, number, "", f"has {len(cells)} cells, the header has {len(header)}")
        return None
    values: dict[str, Any] = {}
    count = len(folder.problems)
    for name, cell in zip(header, cells, strict=True):
        column = fields[name].type
        if cell:
            try:
                values[name] = msgspec.convert(_plain(cell, column, folder.today), column)
            except (ValueError, msgspec.ValidationError):
                folder.note(form, number, name, f"{cell!r} is not {wanted(column)}")
        elif fields[name].required:
            folder.note(form, number, name, "must not be empty")
    if len(folder.problems) == count:
        return form(**values)
    folder.bad_keys[form.file].add(tuple(values.get(name) for name in form.key))
    return None


def _plain(cell: str, column: Any, today: date) -> Any:
    """The cell as the plain value of the column's type. Raises ValueError."""
    kinds = {_bare(kind) for kind in kinds_of(column)}
    if bool in kinds:
        return _yes_or_no(cell)
    if int in kinds:
        return int(cell)
    if datetime in kinds:
        found = _MOMENT.fullmatch(cell)
        if found is None:
            raise ValueError(cell)
        return datetime.combine(_day(found["day"], today), _clock(found["clock"]))
    if date in kinds:
        return _day(cell, today)
    if time in kinds:
        return _clock(cell)
    if tuple in kinds:
        return tuple(re.split(r"[\s|]+", cell))
    return cell


def _bare(kind: Any) -> Any:
    return get_origin(kind) or kind


def _yes_or_no(cell: str) -> bool:
    if cell.lower() not in _TRUE | _FALSE:
        raise ValueError(cell)
    return cell.lower() in _TRUE


def _day(cell: str, today: date) -> date:
    if cell == "today":
        return today
    if re.fullmatch(r"[+-][0-9]{1,5}", cell):
        return today + timedelta(days=int(cell))
    return date.fromisoformat(cell)


def _clock(cell: str) -> time:
    return time.fromisoformat(cell.zfill(5))
