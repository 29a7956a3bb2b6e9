"""A folder that is watched: `in/<warehouse>/<kind>[/<mapping>]/<file>` -> `done/…` or `failed/…`.

A file in any other folder of a warehouse is stored too, and fails as one of an unknown kind. What
belongs to no warehouse, or is too large, is an exception and lies in `failed/`. The file's report
(JSON) and its error file stand beside it. A file is taken when it looks the same twice, so a
half-written one is left alone; names that begin with a dot or end in .part, .tmp or .filepart are
never looked at. Stored first and moved last: a process that dies in between reads the same bytes
again, and they are known.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import text

from wms.db import Db
from wms.errors import Busy, WmsError
from wms.exceptions import life
from wms.files import inbox
from wms.files.inbox import NewFile, Report
from wms.files.intake import give_up, list_waiting, take_in
from wms.files.reading import BYTES_MAX
from wms.ids import uuid7
from wms.settings import read_settings
from wms.stamp import Stamp

UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload", ".swp")
KIND_MAX = 64
WAREHOUSES = text("SELECT code, id FROM warehouse ORDER BY id")
log = logging.getLogger("wms.files")

Looks = dict[Path, tuple[int, int]]


class Watched(msgspec.Struct, frozen=True):
    """A file that lies still, and what its folders say of it. In none of ours the rest of the path
    is its kind, which nobody knows."""

    path: Path
    below: Path  # its folder, seen from in/
    warehouse: str
    kind: str
    mapping: str


def find_still(root: Path, before: Looks) -> tuple[list[Watched], Looks]:
    """Files that have the size and time they had at the last look, and this look for the next."""
    seen: Looks = {}
    still: list[Watched] = []
    for path in _walk(root / "in"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # another process has moved it
        seen[path] = state.st_size, state.st_mtime_ns
        below = path.parent.relative_to(root / "in")
        if before.get(path) == seen[path]:
            warehouse, *rest = below.parts or ("",)
            kind, mapping = ("/".join(rest), "") if len(rest) != 2 else rest
            still.append(Watched(path, below, warehouse, kind[:KIND_MAX], mapping))
    return still, seen


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if not hidden and path.suffix.lower() not in UNFINISHED and path.is_file():
                yield path


async def watch(db: Db, root: Path, looks: Looks) -> int:
    """One look at the folder; `looks` remembers the one before."""
    still, seen = await asyncio.to_thread(find_still, root, dict(looks))
    looks.clear()
    looks.update(seen)
    if not still:
        return 0
    async with db.reading() as tx:
        sites = {each.code: each.id for each in await tx.execute(WAREHOUSES)}
    done = 0
    for each in still:
        looks.pop(each.path, None)
        done += await _take(db, root, each, sites)
    return done


async def _take(db: Db, root: Path, each: Watched, sites: dict[str, int]) -> bool:
    try:
        content = await asyncio.to_thread(_read, each.path)
    except FileNotFoundError:
        return False
    warehouse_id = sites.get(each.warehouse)
    if warehouse_id is None or content is None:
        report = Report(detail=_misplaced(each, content))
        await asyncio.to_thread(_move, root, each, "failed", report, "")
        if sites:
            stamp = stamp_of(warehouse_id or next(iter(sites.values())), "drop")
            await _tell(db, stamp, each, report.detail)
        return True
    stamp = stamp_of(warehouse_id, "drop")
    new = NewFile(kind=each.kind, name=each.path.name, sender=f"drop:{each.warehouse}",
                  content=content, mapping=each.mapping)  # fmt: skip
    try:
        async with db.transaction() as tx:
            file_id, _outcome = await inbox.store(tx, stamp, new, stamp.at)
        await take_in(db, stamp, file_id)
        async with db.reading() as tx:
            card = await inbox.find(tx, stamp, file_id)
            _bytes, errors = await inbox.read_content(tx, stamp, file_id)
    except Busy:
        return False  # it lies there still, and is taken at one of the next looks
    except WmsError as refusal:
        report = Report(detail=str(refusal))
        await asyncio.to_thread(_move, root, each, "failed", report, "")
        return True
    if card.state == "received":
        return False  # another process is at it, and moves it
    folder = "failed" if card.state in ("failed", "partial") else "done"
    await asyncio.to_thread(_move, root, each, folder, card, errors)
    return True


async def _tell(db: Db, stamp: Stamp, each: Watched, why: str) -> None:
    """A file that could not be stored is somebody's; without a warehouse, in the first one."""
    path = str(each.below / each.path.name)
    facts = {"why": why, "sender": "system:drop", "lies_in": f"failed/{path}"}
    async with db.transaction() as tx:
        await life.open_exception(tx, stamp, "file_failed", f"drop/{path}", facts)


def _misplaced(each: Watched, content: bytes | None) -> str:
    if content is None:
        return f"The file is too large: at most {BYTES_MAX // 2**20} MiB."
    if not each.warehouse:
        return "Files go into in/<warehouse>/<kind>/ or in/<warehouse>/<kind>/<mapping>/."
    return f"There is no warehouse {each.warehouse}."


def _read(path: Path) -> bytes | None:
    return None if path.stat().st_size > BYTES_MAX else path.read_bytes()


def _move(root: Path, each: Watched, folder: str, report: msgspec.Struct, errors: str) -> None:
    """The report first, the file last: what lies in done/ or failed/ is explained."""
    target = root / folder / each.below
    target.mkdir(parents=True, exist_ok=True)
    name = each.path.name
    if (target / name).exists():
        name = f"{each.path.stem}.{uuid7().hex[:12]}{each.path.suffix}"
    told = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (target / f"{name}.report.json").write_bytes(told)
    if errors:
        (target / f"{name}.errors.ndjson").write_text(errors)
    try:
        os.rename(each.path, target / name)
    except FileNotFoundError:
        log.info("%s was moved by another process", each.path)


def stamp_of(warehouse_id: int, name: str) -> Stamp:
    return Stamp(
        warehouse_id=warehouse_id, at=datetime.now(UTC), key=uuid7(), actor=f"system:{name}"
    )


async def take_waiting(db: Db) -> int:
    """Files whose process died before they were done."""
    done = 0
    async with db.reading() as tx:
        sites = [each.id for each in await tx.execute(WAREHOUSES)]
    for warehouse_id in sites:
        stamp = stamp_of(warehouse_id, "files")
        async with db.reading() as tx:
            waiting = await list_waiting(tx, stamp)
        async with db.transaction() as tx:
            done += await give_up(tx, stamp)
        for file_id in waiting:
            done += await take_in(db, stamp, file_id)
    return done


class Folder:
    """What one process remembers of the folder between two looks."""

    def __init__(self) -> None:
        self.looks: Looks = {}


async def watch_files(db: Db) -> int:
    """The chore: files left behind, then the folder of WMS_DROP_DIR if there is one."""
    done = await take_waiting(db)
    root = read_settings().drop_dir
    return done + (await watch(db, Path(root), db.memory(Folder).looks) if root else 0)
