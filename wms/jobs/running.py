"""Jobs: kept as rows the moment they are asked for, then done chunk by chunk by any process.

A chunk's outcomes are written in the transaction of its effect, so a process that dies leaves each
line either done and answered, or untouched; the next run goes on there. An atomic job is one
transaction over all its chunks.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import exc, text

from wms.access.rules import ApiClient
from wms.db import Db, Tx, row, rows, translate
from wms.errors import Busy, NotFound
from wms.ids import uuid7
from wms.jobs import kept
from wms.jobs.lines import Line, LineOutcome, accepted, owners_of, run_lines
from wms.jobs.refused import Batch, settle_lines
from wms.stamp import Stamp

CHUNK = 100
ROUNDS = 20  # of chunks in one run; new jobs are seen by the next
ERRORS_SHOWN = 100
KEPT = timedelta(days=30)
log = logging.getLogger("wms.jobs")


class UnknownJob(NotFound):
    say = "There is no job {id}."


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is. `errors` are its first hundred refused lines; the files have all."""

    id: str
    kind: str
    mode: str
    state: str
    lines: int
    done: int
    accepted: int
    rejected: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    errors: list[LineOutcome] = []


class _Open(msgspec.Struct):
    id: int
    warehouse_id: int
    client: str
    owner_ids: tuple[int, ...]
    kind: str
    mode: str
    owner: str
    correlation_id: str
    created_at: datetime


class _Chunk(msgspec.Struct):
    id: int
    lines: str


class _Outcomes(msgspec.Struct):
    outcomes: str


class _Id(msgspec.Struct):
    id: int


class _State(msgspec.Struct):
    state: str


class _Undo(Exception):
    """Takes an atomic job's outcomes past the rollback."""

    def __init__(self, chunks: list[tuple[int, list[LineOutcome]]]) -> None:
        super().__init__()
        self.chunks = chunks


CREATE = text(
    """
    INSERT INTO job (warehouse_id, client, owner_ids, kind, owner, mode, correlation_id, lines,
                     created_at)
    VALUES (:warehouse_id, :client, CAST(:owner_ids AS bigint[]), :kind, :owner, :mode,
            :correlation_id, :lines, :at)
    RETURNING id
    """
)
ADD_CHUNKS = text(
    """
    INSERT INTO job_chunk (warehouse_id, job_id, first_line, lines)
    SELECT :warehouse_id, :job_id, t.first_line, t.lines
      FROM unnest(CAST(:firsts AS int[]), CAST(:lines AS text[])) AS t (first_line, lines)
    """
)
_JOB = """
    SELECT CAST(id AS text) AS id, kind, mode, state, lines, done,
           accepted, rejected, errors, created_at, started_at, finished_at FROM job
"""
FIND = text(f"{_JOB} WHERE id = :id AND client = :client")
# Served by job_open_ix; the process that has the row works on the job.
OPEN = text("SELECT id FROM job WHERE state <> 'done' ORDER BY id LIMIT 50")
TAKE = text(
    """
    SELECT id, warehouse_id, client, owner_ids, kind, owner, mode, correlation_id, created_at
      FROM job WHERE id = :id AND state <> 'done'
       FOR UPDATE SKIP LOCKED
    """
)
# Served by the unique key of job_chunk.
CHUNKS = text(
    """
    SELECT id, lines FROM job_chunk
     WHERE warehouse_id = :warehouse_id AND job_id = :job_id AND outcomes IS NULL
     ORDER BY first_line LIMIT :limit
    """
)
ANSWER = text(
    """
    UPDATE job_chunk SET outcomes = :outcomes WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
ADVANCE = text(
    """
    UPDATE job SET done = done + :done, accepted = accepted + :accepted,
           rejected = rejected + :rejected, started_at = coalesce(started_at, :at),
           errors = CASE WHEN jsonb_array_length(errors) < :shown
                         THEN errors || CAST(:errors AS jsonb) ELSE errors END,
           state = CASE WHEN done + :done >= lines THEN 'done' ELSE 'running' END,
           finished_at = CASE WHEN done + :done >= lines THEN CAST(:at AS timestamptz) END
     WHERE warehouse_id = :warehouse_id AND id = :id
    RETURNING state
    """
)
OUTCOMES = text(
    """
    SELECT c.outcomes FROM job_chunk c
      JOIN job j ON j.warehouse_id = c.warehouse_id AND j.id = c.job_id
     WHERE j.id = :id AND j.client = :client AND c.outcomes IS NOT NULL ORDER BY c.first_line
    """
)
# The unique key of job_chunk.
ALL_OUTCOMES = text(
    """
    SELECT outcomes FROM job_chunk
     WHERE warehouse_id = :warehouse_id AND job_id = :job_id ORDER BY first_line
    """
)
FORGET_CHUNKS = text(
    """
    DELETE FROM job_chunk c USING job j
     WHERE j.warehouse_id = :warehouse_id AND j.state = 'done' AND j.created_at < :before
       AND c.warehouse_id = j.warehouse_id AND c.job_id = j.id
    """
)
FORGET = text(
    """
    DELETE FROM job WHERE warehouse_id = :warehouse_id AND state = 'done' AND created_at < :before
    """
)


async def create_job(
    tx: Tx,
    stamp: Stamp,
    client: ApiClient,
    kind: str,
    lines: Sequence[Line],
    *,
    mode: str = "partial",
    owner: str = "",
) -> Job:
    """Keep lines to be done; `owner` is the one of the path, for items."""
    made = await row(
        tx, CREATE, _Id, warehouse_id=stamp.warehouse_id, client=client.code,
        owner_ids=list(client.owner_ids), kind=kind, owner=owner, mode=mode,
        correlation_id=stamp.correlation_id, lines=len(lines), at=stamp.at,
    )  # fmt: skip
    assert made is not None
    chunks = [lines[start : start + CHUNK] for start in range(0, len(lines), CHUNK)]
    await tx.execute(ADD_CHUNKS, {
        "warehouse_id": stamp.warehouse_id, "job_id": made.id,
        "firsts": [chunk[0].number for chunk in chunks],
        "lines": [msgspec.json.encode(chunk).decode() for chunk in chunks],
    })  # fmt: skip
    return await get_job(tx, client, made.id)


async def get_job(tx: Tx, client: ApiClient, id: int) -> Job:
    """A job of this partner. Raises UnknownJob."""
    found = await row(tx, FIND, Job, id=id, client=client.code)
    if found is None:
        raise UnknownJob(id=id)
    return found


async def job_outcomes(
    tx: Tx, client: ApiClient, id: int, *, refused: bool
) -> list[LineOutcome]:
    """The outcomes so far; only those of refused lines, if asked."""
    await get_job(tx, client, id)
    found = await rows(tx, OUTCOMES, _Outcomes, id=id, client=client.code)
    return [
        line
        for each in found
        for line in msgspec.json.decode(each.outcomes, type=list[LineOutcome])
        if not (refused and accepted(line))
    ]


async def run_jobs(db: Db) -> int:
    """Chore: one chunk of each open job in turn, so a small one never waits for a large one; how
    many lines were done."""
    async with db.reading() as tx:
        waiting = [each.id for each in await rows(tx, OPEN, _Id)]
    done = 0
    for _ in range(ROUNDS):
        went_on: list[int] = []
        for id in waiting:
            try:
                lines = await _step(db, id)
            except Busy:
                continue
            if lines:
                done += lines
                went_on.append(id)
        waiting = went_on
    return done


async def _step(db: Db, id: int) -> int:
    """The next chunk of a job, or all of an atomic one; 0 when there is nothing to do."""
    try:
        async with db.transaction() as tx:
            job = await row(tx, TAKE, _Open, id=id)
            if job is None:
                return 0
            limit = 1 if job.mode == "partial" else 1_000_000
            here = {"warehouse_id": job.warehouse_id, "job_id": job.id}
            chunks = await rows(tx, CHUNKS, _Chunk, **here, limit=limit)
            done = [(each.id, await _run(tx, job, each)) for each in chunks]
            every = [line for _, lines in done for line in lines]
            if job.mode == "atomic" and not all(accepted(line) for line in every):
                raise _Undo(done)
            return await _answer(tx, job, done)
    except _Undo as undo:
        undone = [(chunk, rolled_back(lines)) for chunk, lines in undo.chunks]
        async with db.transaction() as tx:
            job = await row(tx, TAKE, _Open, id=id)
            return 0 if job is None else await _answer(tx, job, undone)


def rolled_back(lines: Sequence[LineOutcome]) -> list[LineOutcome]:
    """Outcomes of an atomic run that was undone: what was right as well."""
    return [
        LineOutcome(
            line=line.line, outcome="rolled_back", owner=line.owner,
            external_id=line.external_id, sku=line.sku,
        )
        if accepted(line)
        else line
        for line in lines
    ]  # fmt: skip


async def _run(tx: Tx, job: _Open, chunk: _Chunk) -> list[LineOutcome]:
    lines = msgspec.json.decode(chunk.lines, type=list[Line])
    try:
        async with tx.begin_nested():
            return await run_lines(tx, _stamp(job), _client(job), job.kind, lines, job.owner)
    except Busy:
        raise
    except Exception as error:
        if isinstance(error, exc.DBAPIError) and isinstance(translate(error), Busy):
            raise
        log.exception("job %s: lines from %d", job.id, lines[0].number)
        return [
            LineOutcome(line=each.number, outcome="rejected", code="Incident",
                        detail="Our mistake; send these lines again.")
            for each in lines
        ]  # fmt: skip


def _client(job: _Open) -> ApiClient:
    return ApiClient(
        id=0, code=job.client, warehouse_ids=(job.warehouse_id,), owner_ids=job.owner_ids,
        scopes=(),
    )  # fmt: skip


def _stamp(job: _Open) -> Stamp:
    return Stamp(
        warehouse_id=job.warehouse_id, at=datetime.now(UTC), key=uuid7(),
        actor=f"partner:{job.client}", correlation_id=job.correlation_id,
    )  # fmt: skip


async def _answer(tx: Tx, job: _Open, chunks: list[tuple[int, list[LineOutcome]]]) -> int:
    here: dict[str, Any] = {"warehouse_id": job.warehouse_id}
    for chunk, lines in chunks:
        outcomes = msgspec.json.encode(lines).decode()
        await tx.execute(ANSWER, {**here, "id": chunk, "outcomes": outcomes})
    every = [line for _, lines in chunks for line in lines]
    bad = [line for line in every if not accepted(line)]
    now = await row(
        tx, ADVANCE, _State, **here, id=job.id, done=len(every), accepted=len(every) - len(bad),
        rejected=len(bad), at=datetime.now(UTC), shown=ERRORS_SHOWN,
        errors=msgspec.json.encode(bad[:ERRORS_SHOWN]).decode(),
    )  # fmt: skip
    if now is not None and now.state == "done":
        await _end(tx, job)
    return len(every)


async def _end(tx: Tx, job: _Open) -> None:
    """What stayed out is somebody's, and the document that became the job has come to its end."""
    stamp = _stamp(job)
    found = await rows(
        tx, ALL_OUTCOMES, _Outcomes, warehouse_id=job.warehouse_id, job_id=job.id
    )
    lines = [
        line
        for each in found
        for line in msgspec.json.decode(each.outcomes, type=list[LineOutcome])
    ]
    sent = await kept.find_of_job(tx, stamp, job.id, job.created_at)
    said = await settle_lines(tx, stamp, Batch(
        kind=job.kind, sender=job.client, owners=await owners_of(tx, _client(job)),
        mode=job.mode, document_id=sent.id if sent else 0,
        original_id=sent.original_id if sent else None,
    ), lines)  # fmt: skip
    if sent is not None:
        state, answer = "refused" if said else "done", said or kept.job_of(job.id)
        await kept.settle(tx, stamp, sent.id, sent.subject, state, 202, answer)


async def forget_jobs(tx: Tx, stamp: Stamp) -> int:
    """Finished jobs past their keeping time."""
    values = {"warehouse_id": stamp.warehouse_id, "before": stamp.at - KEPT}
    await tx.execute(FORGET_CHUNKS, values)
    return (await tx.execute(FORGET, values)).rowcount
