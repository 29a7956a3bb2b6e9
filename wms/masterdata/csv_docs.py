"""Writes docs/csv.md from the forms: `python -m wms.masterdata.csv_docs > docs/csv.md`."""

import sys
from typing import Any

import msgspec

from wms.masterdata.csv_forms import FORMS, Form, wanted

HEAD = """\
# The CSV files of `wms load DIR`

<!-- Written by `python -m wms.masterdata.csv_docs > docs/csv.md`; a test holds it to the code. -->

A folder describes one warehouse. `wms load DIR` reads all its files, checks every cell and every
reference between them, and loads them in one transaction. If anything is wrong it prints all flaws
of all files, each with file, line, column and reason, and loads nothing.

- UTF-8, comma-separated, a header line with the column names in any order. Columns with a default
  may be left out or left empty.
- Only `warehouse.csv` must be there. A reference may also name a row that the database has already.
- What is there already is left as it is; loading twice changes nothing and says what was there, and
  what differs from the file. Opening stock is booked only into a ledger without any movement.
- `asns.csv`, `asn_lines.csv`, `orders.csv` and `order_lines.csv` are checked but never loaded: ASNs
  and orders come in through the API. `wms demo` sends them there.
- Yes or no: `yes`, `no`, `true`, `false`, `1`, `0`. Days: `2027-03-31`, `today`, or days from today
  such as `+3` and `-10`. A day and time: `2027-03-31 14:30` or `+1 14:30`. Both are in the
  warehouse's own time zone. Quantities are whole numbers of the item's base unit.
- Codes become labels: a bin `A-04-2` is scanned as `BN-A-04-2-<check character>`, a badge, tote or
  plate likewise (`BD`, `TT`, `LP`).
- Made by themselves: the virtual bins of a warehouse (`SUPPLIER`, `CUSTOMER`, `ADJUSTMENT`,
  `SCRAP`), and `HAND-<user>`, the bin for what a person carries.
"""


def render() -> str:
    return "\n".join([HEAD, *(_section(form) for form in FORMS)])


def _section(form: type[Form]) -> str:
    refs = [f"{' + '.join(columns)} in `{target}`" for columns, target in form.refs]
    text = [f"## {form.file}\n", _doc(form), ""]
    text.append(f"One row for each {' + '.join(form.key)}." + _refers(refs))
    text += ["", "| column | needed | what it takes |", "| --- | --- | --- |"]
    for field in msgspec.structs.fields(form):
        needed = "yes" if field.required else _default(field.default)
        text.append(f"| `{field.name}` | {needed} | {wanted(field.type)} |")
    return "\n".join([*text, ""])


def _refers(refs: list[str]) -> str:
    return f" Must be there: {'; '.join(refs)}." if refs else ""


def _default(value: Any) -> str:
    if value in ("", None):
        return "no"
    if isinstance(value, bool):
        return f"no, `{'yes' if value else 'no'}`"
    return f"no, `{value}`"


def _doc(form: type[Form]) -> str:
    lines = [line.strip() for line in (form.__doc__ or "").strip().splitlines()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
