"""A file as documents: rows of one document put together, cells read by the mapping. Pure.

What must stay true: every line of the file is in exactly one draft, or in an error of its own.
"""

import csv
import io
import types
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from wms.documents import DocumentError
from wms.errors import Invalid
from wms.files.mapping import Mapping, read_cell, write_member

BYTES_MAX = 20 * 1024 * 1024
LINES_MAX = 10_000
CELL_MAX = 10_000


class Unreadable(Invalid):
    say = "The file cannot be read: {detail}"


class Draft(msgspec.Struct, kw_only=True):
    """One document of a file, and the lines it came from (1 is the first line of the file)."""

    lines: list[int]
    value: Any
    errors: list[DocumentError] = []


class Contents(msgspec.Struct, kw_only=True):
    """What a file says."""

    drafts: list[Draft]
    control_no: str = ""
    unused: list[str] = []  # columns that feed nothing


def read_file(content: bytes, mapping: Mapping, shape: Any, keys: tuple[str, ...]) -> Contents:
    """All documents of a file. `keys` are the members that say which rows are one document.

    Raises Unreadable.
    """
    try:
        text = content.decode("utf-8-sig" if mapping.encoding == "utf-8" else mapping.encoding)
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start + 1} is not {mapping.encoding}"
        raise Unreadable(detail=f"{wrong}. Save it so, or name its encoding in a mapping") from None
    if "\x00" in text:
        raise Unreadable(detail="it holds NUL characters")
    if mapping.format == "ndjson":
        return _read_ndjson(text, mapping)
    return _read_csv(text, mapping, shape, keys)


def _read_ndjson(text: str, mapping: Mapping) -> Contents:
    if text.lstrip().startswith("["):
        raise Unreadable(detail="it is one JSON list. Send a document in each line, without commas")
    drafts: list[Draft] = []
    control_no = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(drafts) == LINES_MAX:
            raise Unreadable(detail=f"it has more than {LINES_MAX} lines")
        try:
            value = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            wrong = DocumentError("", "malformed", f"Not JSON: {error}")
            drafts.append(Draft(lines=[number], value=None, errors=[wrong]))
            continue
        if isinstance(value, dict):
            control_no = control_no or str(value.get(mapping.control, "") or "")
            value = _renamed(value, mapping)
        drafts.append(Draft(lines=[number], value=value))
    return Contents(drafts=drafts, control_no=control_no[:64])


def _renamed(value: dict[str, Any], mapping: Mapping) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for member, constant in mapping.constants.items():
        write_member(document, {}, member, constant)
    for name, each in value.items():
        member = mapping.columns.get(name)
        if member is None:
            document[name] = each
        else:
            write_member(document, {}, member, each)
    return document


def _read_csv(text: str, mapping: Mapping, shape: Any, keys: tuple[str, ...]) -> Contents:
    csv.field_size_limit(max(CELL_MAX, csv.field_size_limit()))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)
    kinds = member_types(shape)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise Unreadable(detail="it is empty")
        feeds = [mapping.columns.get(name, name if not mapping.columns else "") for name in header]
        feeds = [member if kinds.get(member, list) is not list else "" for member in feeds]
        unused = [
            name for name, member in zip(header, feeds, strict=True)
            if name and not member and name != mapping.control
        ]  # fmt: skip
        if not any(feeds):
            raise Unreadable(detail=_no_column(unused, mapping, kinds))
        contents = Contents(drafts=[], unused=unused)
        _gather(contents, _numbered(reader), header, feeds, kinds, mapping, keys)
    except csv.Error as error:
        raise Unreadable(detail=f"line {reader.line_num}: {error}") from None
    return contents


def _no_column(unused: list[str], mapping: Mapping, kinds: dict[str, Any]) -> str:
    said = ", ".join(name[:40] for name in unused[:5])
    known = list(mapping.columns) or [name for name, kind in kinds.items() if kind is not list]
    return (
        f"its first line names no column that is known ({said}). "
        f"Known are {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
    )


def guess_form(content: bytes) -> dict[str, str]:
    """Of a file that no mapping describes: lines of JSON, or cells and what parts them."""
    text = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] in (b"{", b"["):
        return {"format": "ndjson"}
    first = text.splitlines()[0].decode("latin-1") if text else ""
    return {"format": "csv", "delimiter": max(",;\t|", key=first.count)}


def begin_mapping(content: bytes, kind: str, kinds: Sequence[str]) -> dict[str, Any]:
    """Where a person begins to write the mapping of a file: its form, and its columns, of which
    none says yet what it feeds."""
    form = guess_form(content)
    columns: list[str] = []
    if form["format"] == "csv":
        first = content[:4096].decode("utf-8-sig", "replace").splitlines()[:1]
        columns = next(csv.reader(first, delimiter=form["delimiter"]), [])
    named = {"kind": kind if kind in kinds else "|".join(kinds), **form}
    return {**named, "columns": {name.strip(): "" for name in columns if name.strip()}}


def _numbered(reader: Any) -> Iterable[tuple[int, list[str]]]:
    """Rows with the line each begins on; empty ones are left out."""
    begins = reader.line_num + 1
    count = 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            count += 1
            if count > LINES_MAX:
                raise Unreadable(detail=f"it has more than {LINES_MAX} lines")
            yield begins, cells
        begins = reader.line_num + 1


def _gather(
    contents: Contents, rows: Iterable[tuple[int, list[str]]], header: list[str],
    feeds: list[str], kinds: dict[str, Any], mapping: Mapping, keys: tuple[str, ...],
) -> None:  # fmt: skip
    known: dict[tuple[Any, ...], Draft] = {}
    rows_name = next((name for name, shape in kinds.items() if shape is list), "")
    control = header.index(mapping.control) if mapping.control in header else -1
    for number, cells in rows:
        if len(cells) > len(header):
            wrong = DocumentError("", "malformed", f"{len(cells)} cells, {len(header)} columns")
            contents.drafts.append(Draft(lines=[number], value=None, errors=[wrong]))
            continue
        if not contents.control_no and 0 <= control < len(cells):
            contents.control_no = cells[control].strip()[:64]
        head, line = _row(cells, feeds, kinds, mapping, rows_name)
        key = tuple(head.get(name) for name in keys)
        draft = known.get(key) if keys and None not in key else None
        if draft is None:
            draft = Draft(lines=[], value=head, errors=[])
            contents.drafts.append(draft)
            known[key] = draft
        elif not rows_name:
            draft.errors = [*draft.errors, DocumentError("", "duplicate", f"Again on {number}")]
        else:
            _agree(draft, head, number)
        draft.lines.append(number)
        if line:
            draft.value.setdefault(rows_name, []).append(line)


def _row(
    cells: list[str], feeds: list[str], kinds: dict[str, Any], mapping: Mapping, rows_name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    head: dict[str, Any] = {}
    line: dict[str, Any] = {}
    for member, constant in mapping.constants.items():
        shape = kinds.get(member, str)
        write_member(head, line, member, read_cell(mapping, member, constant, shape), rows_name)
    for member, cell in zip(feeds, cells, strict=False):
        if member and cell.strip():
            value = read_cell(mapping, member, cell.strip(), kinds[member])
            write_member(head, line, member, value, rows_name)
    return head, line


def _agree(draft: Draft, head: dict[str, Any], number: int) -> None:
    """Rows of one document say the same of its head; one that says less adds nothing."""
    for name, value in head.items():
        if draft.value.setdefault(name, value) != value:
            wrong = DocumentError(
                f"/{name}", "contradicts", f"Line {number} says otherwise than line "
                f"{draft.lines[0]}", str(value)
            )  # fmt: skip
            draft.errors = [*draft.errors, wrong]


def member_types(shape: Any) -> dict[str, Any]:
    """Every member a cell may feed, with the plain type of its value.

    `list` marks the member whose items are rows of their own; `tuple` one of several words.
    """
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        bare = _bare(field.type)
        name = field.encode_name
        if get_origin(bare) is list:
            inner = _bare(get_args(bare)[0])
            found[name] = list if _is_struct(inner) else tuple
            if _is_struct(inner):
                found |= {f"{name}.{n}": kind for n, kind in member_types(inner).items()}
        elif _is_struct(bare):
            found |= {f"{name}.{n}": kind for n, kind in member_types(bare).items()}
        else:
            found[name] = bare if bare in (int, bool, date, datetime) else str
    return found


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def _bare(shape: Any) -> Any:
    if get_origin(shape) is Annotated:
        return _bare(get_args(shape)[0])
    if get_origin(shape) in (Union, types.UnionType):
        some = [each for each in get_args(shape) if each is not type(None)]
        return _bare(some[0])
    return shape
