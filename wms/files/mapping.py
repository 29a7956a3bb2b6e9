"""How columns of a partner become members of ours: data, edited by people, never code.

A mapping says which column feeds which member (`lines.sku`, `ship_to.city`), what is the same in
every document, and how dates and numbers are written. Without one the columns are named as ours.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta

from wms.documents import DocumentError

Kind = Literal["orders", "asns", "items", "milestones"]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]
Text = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]
Member = Annotated[str, Meta(min_length=1, max_length=100, pattern="^[a-z_]+(\\.[a-z_]+)?$")]


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """One partner's way of writing one kind of file.

    `columns`: their column (CSV) or member (NDJSON) -> our member. `constants`: our member -> text.
    `formats`: our member -> strptime pattern of dates, or the decimal sign of numbers. `control`:
    their column that numbers the file; the same number from the same sender is taken once.
    `timezone`: the clock of times without an offset.
    """

    kind: Kind
    format: Literal["csv", "ndjson"] = "csv"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1, pattern="^[^\\x00\\r\\n\"]$")] = ","
    encoding: Literal["utf-8", "latin-1", "cp1252"] = "utf-8"
    columns: dict[Text, Member] = {}
    constants: dict[Member, Text] = {}
    formats: dict[Member, Text] = {}
    control: Text = ""
    timezone: Text = "UTC"
    mode: Literal["", "atomic", "partial"] = ""


def check_mapping(mapping: Mapping) -> list[DocumentError]:
    """What a mapping says that can not work."""
    errors: list[DocumentError] = []
    if mapping.timezone not in available_timezones():
        errors.append(
            DocumentError("/timezone", "unknown-timezone", "No such zone", mapping.timezone)
        )
    fed: set[str] = set(mapping.constants)
    for column, member in mapping.columns.items():
        if member in fed:
            errors.append(
                DocumentError("/columns", "duplicate", f"{member} is fed twice", column)
            )
        fed.add(member)
    return errors


def write_member(
    document: dict[str, Any], line: dict[str, Any], member: str, value: Any, rows: str = ""
) -> None:
    """Put a value where `member` says: into the head, an object of it, or the row at hand."""
    group, _, name = member.partition(".")
    if not name:
        document[group] = value
    elif group == rows:
        line[name] = value
    else:
        document.setdefault(group, {})[name] = value


def read_cell(mapping: Mapping, member: str, text: str, shape: Any) -> Any:
    """A cell as the type its member has. What does not read stays text, and is refused as such."""
    pattern = mapping.formats.get(member, "")
    if shape is int:
        return _number(text, pattern)
    if shape is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False,
                "no": False}.get(text.lower(), text)  # fmt: skip
    if shape is tuple:
        return text.split()
    if shape is datetime:
        return _moment(text, pattern, mapping.timezone)
    if pattern and "%" in pattern:
        try:
            return datetime.strptime(text, pattern).date().isoformat()  # noqa: DTZ007
        except ValueError:
            return text
    return text


def _number(text: str, decimal: str) -> Any:
    """`1.200,00` with the decimal sign `,` is 1200; a fraction stays text."""
    plain = text.replace(" ", "")
    if decimal in (",", "."):
        plain = plain.replace("." if decimal == "," else ",", "").replace(decimal, ".")
    whole, _, fraction = plain.partition(".")
    sign = whole.removeprefix("-")
    if not (sign.isascii() and sign.isdigit()) or fraction.strip("0") or len(sign) > 15:
        return text
    return int(whole)


def _moment(text: str, pattern: str, timezone: str) -> Any:
    try:
        at = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)  # noqa: DTZ007
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))).isoformat()
    except ValueError:
        return text
