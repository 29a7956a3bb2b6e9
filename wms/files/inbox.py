"""Every file is stored as it came before anybody reads it; then it is read, checked, taken in.

So is one of a kind or a mapping that nobody knows: it fails when it is read, and is read again as
another kind or when the mapping is there. The same bytes from the same sender are one file.
`atomic`: all documents or none. `partial`: good documents go in, the others stand in the error
file. A dry run does all of it and takes it back.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import TextClause, text

from wms.db import Tx, row
from wms.errors import Conflict, Invalid, NotFound
from wms.files.kinds import KINDS, FileKind
from wms.files.mapping import Mapping
from wms.stamp import Stamp

PAGE_MAX = 500


class NoSuchFile(NotFound):
    say = "There is no file {file}."


class NoSuchMapping(NotFound):
    say = "There is no mapping {mapping} for {kind}."


class UnknownKind(Invalid):
    say = "There are no files of kind {kind}. Kinds are {known}."


class CameBefore(Conflict):
    say = "These bytes came before as {kind}, in file {file}."


class StillWorking(Conflict):
    say = "File {file} is being read at this moment."


class NothingToRetry(Conflict):
    say = "File {file} is {state}: all of it went in."


class LineReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One document that did not go in: its lines in the file, and everything wrong with it."""

    lines: list[int]
    outcome: str
    key: str = ""
    errors: list[dict[str, Any]] = []
    value: Any = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a file came to; `would` when it was a dry run. `errors` are the first of them."""

    documents: int = 0
    good: int = 0
    bad: int = 0
    outcomes: dict[str, int] = {}
    unused_columns: list[str] = []
    detail: str = ""
    errors: list[LineReport] = []


class FileCard(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file and where it stands: received | checked | done | partial | failed.

    `outcome`: created; exists when the same bytes came from this sender before.
    """

    id: str
    kind: str
    name: str
    state: str
    mode: str
    sender: str
    sha256: str
    size: int
    received_at: datetime
    dry_run: bool = False
    mapping: str = ""
    control_no: str = ""
    tries: int = 0
    done_at: datetime | None = None
    report: Report = Report()
    outcome: str = ""


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that comes in. `owner_ids`: what its sender may touch; none means everything."""

    kind: str
    name: str
    sender: str
    content: bytes
    mapping: str = ""
    mode: str = ""
    dry_run: bool = False
    owner_ids: tuple[int, ...] = ()


class _Stored(msgspec.Struct):
    id: int
    state: str


class _Mapping(msgspec.Struct):
    mapping: str


# inbound_file_once decides between two senders of the same bytes.
STORE = text(
    """
    INSERT INTO inbound_file (warehouse_id, sender, owner_ids, kind, name, mapping, mode, dry_run,
                              sha256, bytes, received_at)
    VALUES (:warehouse_id, :sender, :owner_ids, :kind, :name, :mapping, :mode, :dry_run, :sha256,
            :bytes, :at)
    ON CONFLICT (warehouse_id, sender, kind, sha256) WHERE NOT dry_run DO NOTHING
    RETURNING id, state
    """
)
SAME = text(
    """
    SELECT id, state FROM inbound_file
     WHERE warehouse_id = :warehouse_id AND sender = :sender AND kind = :kind
       AND sha256 = :sha256 AND NOT dry_run
    """
)
_CARD = """
    SELECT CAST(id AS text) AS id, kind, name, state, mode, sender, encode(sha256, 'hex') AS sha256,
           length(bytes) AS size, received_at, dry_run, mapping, control_no, tries, done_at,
           CAST(report AS text) AS report
      FROM inbound_file WHERE warehouse_id = :warehouse_id
"""
FIND = text(f"{_CARD} AND id = :id AND (CAST(:sender AS text) = '' OR sender = :sender)")
# The primary key walks backwards: the newest first.
LIST = text(
    f"""
    {_CARD} AND (CAST(:sender AS text) = '' OR sender = :sender)
       AND (CAST(:state AS text) = '' OR state = :state)
       AND (CAST(:kind AS text) = '' OR kind = :kind) AND id < :before
     ORDER BY id DESC LIMIT :limit
    """
)
CONTENT = text(
    """
    SELECT bytes, errors FROM inbound_file
     WHERE warehouse_id = :warehouse_id AND id = :id
       AND (CAST(:sender AS text) = '' OR sender = :sender)
    """
)
AGAIN = text(
    """
    UPDATE inbound_file SET state = 'received', kind = :kind, mapping = :mapping, mode = :mode,
           claimed_until = NULL
     WHERE warehouse_id = :warehouse_id AND id = :id
       AND state IN ('failed', 'partial', 'received', 'checked')
       AND (claimed_until IS NULL OR claimed_until < :at)
    """
)
MAPPING = text(
    """
    SELECT CAST(mapping AS text) AS mapping FROM file_mapping
     WHERE name = :name AND kind = :kind AND client IN (:client, '')
     ORDER BY client DESC LIMIT 1
    """
)


async def store(tx: Tx, stamp: Stamp, new: NewFile, at: datetime) -> tuple[int, str]:
    """Keep a file; its id, and `created`, `again` (it failed before and may be read anew) or
    `exists`."""
    mapping = await _mapping(tx, new.sender, new.mapping, new.kind)
    values = {
        "warehouse_id": stamp.warehouse_id, "sender": new.sender, "kind": new.kind,
        "sha256": hashlib.sha256(new.content).digest(),
    }  # fmt: skip
    mode = new.mode or mode_of(new.kind, mapping)
    made = await row(
        tx, STORE, _Stored, **values, owner_ids=list(new.owner_ids), name=new.name[:200],
        mapping=new.mapping, mode=mode, dry_run=new.dry_run, bytes=new.content, at=at,
    )  # fmt: skip
    if made is not None:
        return made.id, "created"
    known = await row(tx, SAME, _Stored, **values)
    assert known is not None, "the other sender has committed"
    if known.state == "failed":
        await _set_again(tx, stamp, known.id, new.kind, new.mapping, mode)
        return known.id, "again"
    return known.id, "exists"


def kind_of(name: str) -> FileKind:
    """Raises UnknownKind."""
    if name not in KINDS:
        raise UnknownKind(kind=name, known=", ".join(KINDS))
    return KINDS[name]


def mode_of(kind: str, mapping: Mapping | None) -> str:
    """How a file is taken in whose sender does not say."""
    usual = KINDS[kind].mode if kind in KINDS else "atomic"
    return (mapping.mode if mapping else "") or usual


async def _mapping(tx: Tx, sender: str, name: str, kind: str) -> Mapping | None:
    if not name:
        return None
    found = await row(tx, MAPPING, _Mapping, name=name, kind=kind, client=client_of(sender))
    return None if found is None else msgspec.json.decode(found.mapping, type=Mapping)


async def find_mapping(tx: Tx, sender: str, name: str, kind: str) -> Mapping:
    """The sender's own mapping of that name, or the house's. Raises NoSuchMapping."""
    found = await _mapping(tx, sender, name, kind)
    if found is None:
        raise NoSuchMapping(mapping=name, kind=kind)
    return found


def client_of(sender: str) -> str:
    """The partner behind `partner:ERP`; nobody for people and folders."""
    who, _, code = sender.partition(":")
    return code if who == "partner" else ""


async def _set_again(
    tx: Tx, stamp: Stamp, id: int, kind: str, mapping: str, mode: str
) -> bool:
    values = {"warehouse_id": stamp.warehouse_id, "id": id, "kind": kind, "mapping": mapping,
              "mode": mode, "at": stamp.at}  # fmt: skip
    return (await tx.execute(AGAIN, values)).rowcount == 1


async def retry(
    tx: Tx, stamp: Stamp, id: int, mapping: str | None = None, sender: str = "", kind: str = ""
) -> None:
    """Read a file anew, as another kind or by another mapping if one is named.

    Raises NoSuchFile, UnknownKind, NoSuchMapping, NothingToRetry, CameBefore, StillWorking.
    """
    card = await find(tx, stamp, id, sender)
    kind = kind or card.kind
    kind_of(kind)
    name = card.mapping if mapping is None else mapping
    found = await find_mapping(tx, card.sender, name, kind) if name else None
    if card.state == "done":
        raise NothingToRetry(file=id, state=card.state)
    mode = card.mode
    if kind != card.kind:
        mode = mode_of(kind, found)
        values = {"warehouse_id": stamp.warehouse_id, "sender": card.sender, "kind": kind}
        known = await row(tx, SAME, _Stored, sha256=bytes.fromhex(card.sha256), **values)
        if known is not None and not card.dry_run:
            raise CameBefore(kind=kind, file=known.id)
    if not await _set_again(tx, stamp, id, kind, name, mode):
        raise StillWorking(file=id)


async def find(tx: Tx, stamp: Stamp, id: int, sender: str = "") -> FileCard:
    """Raises NoSuchFile."""
    found = await _cards(tx, FIND, warehouse_id=stamp.warehouse_id, id=id, sender=sender)
    if not found:
        raise NoSuchFile(file=id)
    return found[0]


async def _cards(tx: Tx, statement: TextClause, **values: Any) -> list[FileCard]:
    found = (await tx.execute(statement, values)).mappings()
    return [
        msgspec.convert({**each, "report": msgspec.json.decode(each["report"])}, FileCard)
        for each in found
    ]


async def list_files(
    tx: Tx,
    stamp: Stamp,
    *,
    sender: str = "",
    state: str = "",
    kind: str = "",
    before: int = 2**62,
    limit: int = 50,
) -> Sequence[FileCard]:
    """Files, the newest first."""
    return await _cards(
        tx, LIST, warehouse_id=stamp.warehouse_id, sender=sender, state=state, kind=kind,
        before=before, limit=min(limit, PAGE_MAX),
    )  # fmt: skip


async def read_content(tx: Tx, stamp: Stamp, id: int, sender: str = "") -> tuple[bytes, str]:
    """The bytes as they came, and the error file (NDJSON). Raises NoSuchFile."""
    values = {"warehouse_id": stamp.warehouse_id, "id": id, "sender": sender}
    found = (await tx.execute(CONTENT, values)).first()
    if found is None:
        raise NoSuchFile(file=id)
    return bytes(found[0]), str(found[1])
