"""Taking a stored file in: claimed, read beside the event loop, taken in, reported.

Any process may die at any time: the claim lapses and the file is read again, and documents that
went in already are known by their natural keys. An atomic file and its report commit together.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import text

from wms.access.rules import ApiClient
from wms.db import Db, Tx, row, rows
from wms.documents import DocumentError, check
from wms.errors import Busy, WmsError
from wms.exceptions import life
from wms.files.inbox import LineReport, Report, client_of, find_mapping, kind_of
from wms.files.kinds import FileKind, Taken
from wms.files.mapping import Mapping
from wms.files.reading import Contents, Draft, Unreadable, guess_form, read_file
from wms.stamp import Stamp

T = TypeVar("T")
CLAIM = timedelta(minutes=10)
CHUNK = 200
TRIES = 3
SHOWN_MAX = 100
log = logging.getLogger("wms.files")


class _File(msgspec.Struct, kw_only=True):
    id: int
    sender: str
    owner_ids: tuple[int, ...]
    kind: str
    name: str
    mapping: str
    mode: str
    dry_run: bool
    bytes: Any


class _Id(msgspec.Struct):
    id: int


class _Undone(Exception):
    """A dry run, or an atomic file with a bad document: everything is taken back."""


class Result(msgspec.Struct, kw_only=True):
    """One draft and what became of it."""

    draft: Draft
    taken: Taken


# inbound_file_open_ix; one process works on a file at a time.
TAKE = text(
    """
    UPDATE inbound_file SET claimed_until = :until, tries = tries + 1
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'received'
       AND (claimed_until IS NULL OR claimed_until < :at)
    RETURNING id, sender, owner_ids, kind, name, mapping, mode, dry_run, bytes
    """
)
WAITING = text(
    """
    SELECT id FROM inbound_file
     WHERE warehouse_id = :warehouse_id AND state = 'received' AND received_at < :before
       AND (claimed_until IS NULL OR claimed_until < :at) AND tries < 5
     ORDER BY received_at LIMIT 20
    """
)
FINISH = text(
    """
    UPDATE inbound_file SET state = :state, report = CAST(:report AS jsonb), errors = :errors,
           control_no = :control_no, done_at = :at, claimed_until = NULL
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
# inbound_file_open_ix
GIVE_UP = text(
    """
    UPDATE inbound_file SET state = 'failed', done_at = :at, report = CAST(:report AS jsonb)
     WHERE warehouse_id = :warehouse_id AND state = 'received' AND tries >= 5
       AND claimed_until < :at
    RETURNING id
    """
)
# inbound_file_control_once
SAME_NUMBER = text(
    """
    SELECT id FROM inbound_file
     WHERE warehouse_id = :warehouse_id AND sender = :sender AND kind = :kind
       AND control_no = :control_no AND control_no <> '' AND state IN ('done', 'partial')
       AND id <> :id LIMIT 1
    """
)


async def list_waiting(tx: Tx, stamp: Stamp) -> list[int]:
    """Files that nobody finished: the process that took them died."""
    values = {"warehouse_id": stamp.warehouse_id, "at": stamp.at}
    found = await rows(tx, WAITING, _Id, **values, before=stamp.at - timedelta(minutes=1))
    return [each.id for each in found]


async def take_in(db: Db, stamp: Stamp, file_id: int) -> bool:
    """Read a stored file and take its documents in; False when somebody else does."""
    values = {"warehouse_id": stamp.warehouse_id, "id": file_id, "at": stamp.at}
    async with db.transaction() as tx:
        file = await row(tx, TAKE, _File, **values, until=stamp.at + CLAIM)
        if file is None:
            return False
    stamp = msgspec.structs.replace(stamp, actor=file.sender.replace("drop:", "system:drop-"))
    try:
        kind = kind_of(file.kind)
        async with db.reading() as tx:
            mapping = await _mapping_of(tx, file)
        contents = await asyncio.to_thread(
            read_file, bytes(file.bytes), mapping, kind.shape, kind.keys
        )
        async with db.reading() as tx:
            await _require_new_number(tx, stamp, file, contents)
    except Busy:
        raise
    except WmsError as refusal:
        report = Report(detail=str(refusal))
        await _once_more(db, lambda tx: _finish(tx, stamp, file, "failed", report, "", ""))
        return True
    results = await asyncio.to_thread(_check, contents, kind)
    if file.mode == "atomic" or file.dry_run:
        await _whole(db, stamp, file, kind, contents, results)
    else:
        await _good_ones(db, stamp, file, kind, contents, results)
    return True


async def _mapping_of(tx: Tx, file: _File) -> Mapping:
    if file.mapping:
        return await find_mapping(tx, file.sender, file.mapping, file.kind)
    return msgspec.convert({"kind": file.kind, **guess_form(bytes(file.bytes))}, Mapping)


async def _require_new_number(tx: Tx, stamp: Stamp, file: _File, contents: Contents) -> None:
    values = {"warehouse_id": stamp.warehouse_id, "id": file.id, "sender": file.sender}
    known = await row(
        tx, SAME_NUMBER, _Id, **values, kind=file.kind, control_no=contents.control_no
    )
    if known is not None:
        raise Unreadable(detail=f"number {contents.control_no} came before, in file {known.id}")


def _check(contents: Contents, kind: FileKind) -> list[Result]:
    """Drafts with their schema errors; `taken` of the others is settled later."""
    results: list[Result] = []
    for draft in contents.drafts:
        errors = list(draft.errors)
        if not errors or draft.value is not None:
            errors += check(draft.value, kind.shape).errors
        outcome = "rejected" if errors else "open"
        names = draft.value if isinstance(draft.value, dict) else {}
        key = "/".join(str(names.get(name, "")) for name in kind.keys)
        results.append(Result(draft=draft, taken=Taken(outcome=outcome, key=key, errors=errors)))
    return results


async def _take(
    tx: Tx, stamp: Stamp, file: _File, kind: FileKind, results: list[Result]
) -> None:
    docs = [msgspec.convert(each.draft.value, kind.shape) for each in results]
    client = ApiClient(
        id=0, code=client_of(file.sender), warehouse_ids=(stamp.warehouse_id,),
        owner_ids=file.owner_ids, scopes=(),
    )  # fmt: skip
    done = await kind.take(tx, stamp, client, docs) if docs else []
    for result, taken in zip(results, done, strict=True):
        result.taken = taken


async def _whole(
    db: Db, stamp: Stamp, file: _File, kind: FileKind, contents: Contents, results: list[Result]
) -> None:
    """All or nothing; the report commits with the documents."""
    good = [each for each in results if each.taken.outcome == "open"]

    async def act(tx: Tx) -> None:
        for start in range(0, len(good), CHUNK):
            await _take(tx, stamp, file, kind, good[start : start + CHUNK])
        if file.dry_run or any(not each.taken.good for each in results) or not results:
            raise _Undone
        await _close(tx, stamp, file, "done", contents, results)

    try:
        await _once_more(db, act)
    except _Undone:
        state = "checked" if file.dry_run else "failed"
        await _once_more(db, lambda tx: _close(tx, stamp, file, state, contents, results))


async def _good_ones(
    db: Db, stamp: Stamp, file: _File, kind: FileKind, contents: Contents, results: list[Result]
) -> None:
    good = [each for each in results if each.taken.outcome == "open"]
    for start in range(0, len(good), CHUNK):
        part = good[start : start + CHUNK]
        await _once_more(db, lambda tx, part=part: _take(tx, stamp, file, kind, part))
    bad = sum(not each.taken.good for each in results)
    state = "failed" if bad == len(results) else "partial" if bad else "done"
    await _once_more(db, lambda tx: _close(tx, stamp, file, state, contents, results))


async def _once_more(db: Db, act: Callable[[Tx], Awaitable[T]]) -> T:
    """One transaction; a transient refusal is tried again."""
    for _ in range(TRIES - 1):
        try:
            async with db.transaction() as tx:
                return await act(tx)
        except Busy:
            continue
    async with db.transaction() as tx:
        return await act(tx)


async def _close(
    tx: Tx, stamp: Stamp, file: _File, state: str, contents: Contents, results: list[Result]
) -> None:
    bad = [each for each in results if not each.taken.good]
    lines = [_line(each) for each in bad]
    outcomes: dict[str, int] = {}
    for each in results:
        outcomes[each.taken.outcome] = outcomes.get(each.taken.outcome, 0) + 1
    report = Report(
        documents=len(results), good=len(results) - len(bad), bad=len(bad), outcomes=outcomes,
        unused_columns=contents.unused[:50],
        detail=_detail(state, results),
        errors=[msgspec.structs.replace(each, value=None) for each in lines[:SHOWN_MAX]],
    )  # fmt: skip
    errors = "".join(msgspec.json.encode(each).decode() + "\n" for each in lines)
    await _finish(tx, stamp, file, state, report, errors, contents.control_no)


def _detail(state: str, results: list[Result]) -> str:
    if not results:
        return "The file holds no document."
    if state == "failed":
        return "Nothing of the file went in."
    return "A dry run: nothing went in." if state == "checked" else ""


def _line(each: Result) -> LineReport:
    errors = each.taken.errors or [DocumentError("", each.taken.outcome, "Not taken in")]
    return LineReport(
        lines=each.draft.lines, outcome=each.taken.outcome, key=each.taken.key,
        errors=[msgspec.to_builtins(error) for error in errors], value=each.draft.value,
    )  # fmt: skip


async def _finish(
    tx: Tx, stamp: Stamp, file: _File, state: str, report: Report, errors: str, control_no: str
) -> None:
    if file.dry_run:
        state = "checked" if state != "failed" or report.documents else "failed"
    await tx.execute(FINISH, {
        "warehouse_id": stamp.warehouse_id, "id": file.id, "state": state, "errors": errors,
        "report": msgspec.json.encode(report).decode(), "control_no": control_no, "at": stamp.at,
    })  # fmt: skip
    if not file.dry_run:
        await _tell(tx, stamp, file.id, state, report)
    log.info("file %s %s: %s, %d good, %d bad", file.id, file.name, state, report.good, report.bad)


async def _tell(tx: Tx, stamp: Stamp, id: int, state: str, report: Report) -> None:
    """A file of which something stayed out is somebody's until all of it is in."""
    subject = f"file/{id}"
    if state in ("failed", "partial"):
        facts = {"good": report.good, "bad": report.bad, "why": report.detail,
                 "sender": stamp.actor}  # fmt: skip
        screen = f"/office/files/{id}"
        await life.open_exception(tx, stamp, "file_failed", subject, facts, screen=screen)
    elif state == "done":
        await life.resolve_cured(tx, stamp, "file_failed", subject, "All of it went in.")


async def give_up(tx: Tx, stamp: Stamp) -> int:
    """Files that five processes began and none came to an end with; how many."""
    report = Report(detail="It was read five times and never to its end.")
    found = await rows(
        tx, GIVE_UP, _Id, warehouse_id=stamp.warehouse_id, at=stamp.at,
        report=msgspec.json.encode(report).decode(),
    )  # fmt: skip
    for each in found:
        await _tell(tx, stamp, each.id, "failed", report)
    return len(found)
