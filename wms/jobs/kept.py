"""Every request that brings a document is kept as it came before anybody reads it.

received -> done | refused | failed. It is kept in a commit of its own and marked in the
transaction of its effect, so what a process left behind when it died stays `received`: a chore
finds it, and it is somebody's until it is sent again. Documents that come together are kept by one
statement and one commit, so a burst pays for few.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows, translate
from wms.errors import NotFound
from wms.exceptions import life
from wms.stamp import Stamp

TOGETHER_MAX = 100
TOGETHER_BYTES = 32 * 1024 * 1024
DONE_BODY_MAX = 256 * 1024  # of a larger one its effect has the bytes: a job, a proof
ANSWER_MAX = 16 * 1024
GIVEN_UP = timedelta(minutes=10)  # no request lives so long
FORGOTTEN_MAX = 5_000
DONE_KEPT, REFUSED_KEPT = timedelta(days=7), timedelta(days=90)
REFUSED, UNFINISHED = "document_refused", "document_unfinished"


class UnknownDocument(NotFound):
    say = "There is no kept document {id} in this warehouse."


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came."""

    warehouse_id: int
    request_id: UUID
    sender: str
    owner_ids: tuple[int, ...]
    method: str
    target: str
    media: str
    subject: str
    correlation_id: str
    body: bytes
    at: datetime
    original_id: int | None = None
    sent_by: str = ""


class Kept(msgspec.Struct, kw_only=True):
    """A kept request and what became of it; a list leaves the body out."""

    id: int
    request_id: UUID
    sender: str
    owner_ids: tuple[int, ...]
    method: str
    target: str
    media: str
    subject: str
    correlation_id: str
    size: int
    state: str
    status: int | None
    answer: str
    original_id: int | None
    sent_by: str
    at: datetime
    settled_at: datetime | None
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


# Each row has its id before it is written, so an answer is never that of its neighbour.
KEEP = """
    WITH came AS MATERIALIZED (
      SELECT nextval(pg_get_serial_sequence('inbound_kept', 'id')) AS id, t.*
        FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bigint[], $12::text[],
                    $13::timestamptz[]) WITH ORDINALITY
          AS t (warehouse_id, request_id, sender, owner_ids, method, target, media, subject,
                correlation_id, body, original_id, sent_by, at, place)
    ), kept AS (
      INSERT INTO inbound_kept (warehouse_id, id, request_id, sender, owner_ids, method, target,
                                media, subject, correlation_id, size, body, original_id, sent_by,
                                at)
      SELECT warehouse_id, id, request_id, sender, CAST(owner_ids AS bigint[]), method, target,
             media, subject, correlation_id, length(body), body, original_id, sent_by, at
        FROM came
    )
    SELECT id FROM came ORDER BY place
"""
# Served by the primary key.
SETTLE = text(
    """
    UPDATE inbound_kept
       SET state = :state, status = :status, answer = :answer, settled_at = :at,
           body = CASE WHEN CAST(:state AS text) = 'done' AND size > CAST(:body_max AS bigint)
                       THEN CAST('' AS bytea) ELSE body END
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
_KEPT = """
    SELECT id, request_id, sender, owner_ids, method, target, media, subject, correlation_id, size,
           state, status, answer, original_id, sent_by, at, settled_at
"""
FIND = text(
    f"{_KEPT}, body FROM inbound_kept WHERE warehouse_id = :warehouse_id AND id = :id"
)
# inbound_kept_at_ix
OF_JOB = text(
    f"""
    {_KEPT} FROM inbound_kept
     WHERE warehouse_id = :warehouse_id AND at = :at AND answer = :answer
    """
)
# inbound_kept_original_ix
COPY = text(
    f"""
    {_KEPT} FROM inbound_kept WHERE warehouse_id = :warehouse_id AND original_id = :id
     ORDER BY id DESC LIMIT 1
    """
)
ROOT = text(
    """
    WITH RECURSIVE line AS (
      SELECT id, original_id FROM inbound_kept WHERE warehouse_id = :warehouse_id AND id = :id
       UNION ALL
      SELECT k.id, k.original_id
        FROM line JOIN inbound_kept k ON k.warehouse_id = :warehouse_id AND k.id = line.original_id
    )
    SELECT id FROM line WHERE original_id IS NULL
    """
)
# What is not done by inbound_kept_trouble_ix, the rest by the primary key.
_LIST = {
    state: text(
        f"""
        {_KEPT} FROM inbound_kept
         WHERE warehouse_id = :warehouse_id AND id < :before {which}
         ORDER BY id DESC LIMIT :limit
        """
    )
    for state, which in {
        "": "AND state <> 'done'",
        "all": "",
        "done": "AND state = 'done'",
        **{
            open: f"AND state <> 'done' AND state = '{open}'"
            for open in ("received", "refused", "failed")
        },
    }.items()
}
# inbound_kept_trouble_ix
GIVE_UP = text(
    f"""
    UPDATE inbound_kept SET state = 'failed', settled_at = :at,
           answer = 'Nobody answered it: the process that took it ended.'
     WHERE warehouse_id = :warehouse_id AND state = 'received' AND at < :before
    RETURNING {_KEPT.replace("SELECT", "")}
    """
)
# inbound_kept_at_ix and inbound_kept_original_ix. What nobody settled is never forgotten, and what
# was sent again goes after its copies, in a later run.
FORGET = text(
    """
    DELETE FROM inbound_kept
     WHERE warehouse_id = :warehouse_id AND id = ANY(ARRAY(
       SELECT k.id FROM inbound_kept k
        WHERE k.warehouse_id = :warehouse_id AND k.at < :done_before
          AND (k.state = 'done' OR (k.state = 'refused' AND k.at < :refused_before))
          AND NOT EXISTS (SELECT FROM inbound_kept a
                           WHERE a.warehouse_id = k.warehouse_id AND a.original_id = k.id)
        ORDER BY k.at LIMIT :limit))
    """
)


class Mailroom:
    """Documents of one process that wait to be kept; those that wait together go together."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Raw, asyncio.Future[int]]] = []
        self._work: asyncio.Task[None] | None = None

    async def keep(self, db: Db, raw: Raw) -> int:
        """The id it is kept under, committed. Raises Busy."""
        kept: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((raw, kept))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run(db))
        return await kept

    async def _run(self, db: Db) -> None:
        while self._waiting:
            batch = self._next()
            try:
                ids = await _insert(db, [raw for raw, _ in batch])
            except Exception as error:
                for _, kept in batch:
                    if not kept.done():
                        kept.set_exception(translate(error))
                continue
            for id, (_, kept) in zip(ids, batch, strict=True):
                if not kept.done():  # else its request went away
                    kept.set_result(id)

    def _next(self) -> list[tuple[Raw, asyncio.Future[int]]]:
        size, count = 0, 0
        for raw, _ in self._waiting[:TOGETHER_MAX]:
            size += len(raw.body)
            if count and size > TOGETHER_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch


async def _insert(db: Db, raws: Sequence[Raw]) -> list[int]:
    """Their ids, in their order."""
    pool: asyncpg.Pool = await db.hot()
    owners = ["{" + ",".join(map(str, each.owner_ids)) + "}" for each in raws]
    found = await pool.fetch(
        KEEP, [each.warehouse_id for each in raws], [each.request_id for each in raws],
        [each.sender for each in raws], owners, [each.method for each in raws],
        [each.target for each in raws], [each.media for each in raws],
        [each.subject for each in raws], [each.correlation_id for each in raws],
        [each.body for each in raws], [each.original_id for each in raws],
        [each.sent_by for each in raws], [each.at for each in raws],
    )  # fmt: skip
    return [each["id"] for each in found]


async def settle(
    tx: Tx, stamp: Stamp, id: int, subject: str, state: str, status: int | None = None,
    answer: str = "", job_id: int = 0,
) -> None:  # fmt: skip
    """Say what became of a document; a good one ends the exception about its subject.

    With `job_id` its effect is still to come: that job has it, and the body stays until it ends.
    """
    await tx.execute(SETTLE, {
        "warehouse_id": stamp.warehouse_id, "id": id, "state": state, "status": status,
        "answer": (answer or (job_of(job_id) if job_id else "")).replace("\0", "")[:ANSWER_MAX],
        "at": stamp.at, "body_max": 2**40 if job_id else DONE_BODY_MAX,
    })  # fmt: skip
    if state == "done" and subject and not job_id:
        cure = "The same document was sent again and taken in."
        await life.resolve_cured(tx, stamp, REFUSED, subject, cure)


async def find_of_job(tx: Tx, stamp: Stamp, job_id: int, came_at: datetime) -> Kept | None:
    """The document that became a job, asked for at `came_at`."""
    return await row(
        tx, OF_JOB, Kept, warehouse_id=stamp.warehouse_id, at=came_at, answer=job_of(job_id)
    )


def job_of(job_id: int) -> str:
    """What is said of a document that became a job."""
    return f"Job {job_id}"


async def open_unfinished(tx: Tx, stamp: Stamp, kept: Kept) -> None:
    """A document without an end is somebody's. Emits exception.opened."""
    facts = {"request": f"{kept.method} {kept.path}", "sender": f"partner:{kept.sender}",
             "request_id": str(kept.request_id), "why": kept.answer}  # fmt: skip
    await life.open_exception(
        tx, stamp, UNFINISHED, f"document/{kept.id}", facts, screen=screen_of(kept.id)
    )


async def give_up(tx: Tx, stamp: Stamp) -> int:
    """Chore: documents whose process died between keeping and effect become somebody's."""
    found = await rows(
        tx, GIVE_UP, Kept, warehouse_id=stamp.warehouse_id, at=stamp.at,
        before=stamp.at - GIVEN_UP,
    )  # fmt: skip
    for each in sorted(found, key=lambda one: one.id):
        await open_unfinished(tx, stamp, each)
    return len(found)


async def forget_kept(tx: Tx, stamp: Stamp) -> int:
    """Chore: documents past their keeping time, the oldest first, FORGOTTEN_MAX at most."""
    values = {"warehouse_id": stamp.warehouse_id, "done_before": stamp.at - DONE_KEPT,
              "refused_before": stamp.at - REFUSED_KEPT, "limit": FORGOTTEN_MAX}  # fmt: skip
    return (await tx.execute(FORGET, values)).rowcount


async def get_kept(tx: Tx, stamp: Stamp, id: int) -> Kept:
    """A document with its body. Raises UnknownDocument."""
    found = await row(tx, FIND, Kept, warehouse_id=stamp.warehouse_id, id=id)
    if found is None:
        raise UnknownDocument(id=id)
    return found


async def find_copy(tx: Tx, stamp: Stamp, id: int) -> Kept | None:
    """A document as a person sent it again, the last time."""
    return await row(tx, COPY, Kept, warehouse_id=stamp.warehouse_id, id=id)


async def find_root(tx: Tx, stamp: Stamp, id: int) -> int:
    """The document as it came first, of one that was sent again, however often."""
    return (await tx.execute(ROOT, {"warehouse_id": stamp.warehouse_id, "id": id})).scalar_one()


async def list_kept(
    tx: Tx, stamp: Stamp, state: str = "", before: int = 2**62, limit: int = 50
) -> list[Kept]:
    """Documents without their bodies, the newest first.

    No state: those that are not done; `all`: every one. A state nobody knows lists none.
    """
    if state not in _LIST:
        return []
    return await rows(
        tx, _LIST[state], Kept, warehouse_id=stamp.warehouse_id, before=before, limit=limit
    )


async def sent_again(tx: Tx, stamp: Stamp, kept: Kept, answered: str) -> None:
    """A person sent it again and it was taken in: all ways it was open end."""
    await settle(tx, stamp, kept.id, kept.subject, "done", kept.status, answered)
    await life.resolve_cured(tx, stamp, UNFINISHED, f"document/{kept.id}", answered)


def screen_of(id: int) -> str:
    return f"/office/documents/{id}"
