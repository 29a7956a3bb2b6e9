"""Inbound dead letters: a document that was refused is kept as it came, until somebody settles it.

Nothing leaves the box silently: a letter ends accepted (corrected and taken in), superseded (the
sender sent a better one) or discarded with a reason. A correction is a letter of its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.exceptions import life
from wms.exceptions.following import briefly
from wms.stamp import Stamp

BODY_MAX = 256 * 1024  # characters kept


class UnknownLetter(NotFound):
    say = "There is no failed document {id} in this warehouse."


class NewLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A document that failed. `code` is the exception it opens; `errors` are all of them."""

    code: str
    kind: str  # order | asn
    owner: str
    external_id: str
    body: str
    errors: Sequence[dict[str, Any]]
    channel: str = "api"
    original_id: int | None = None

    @property
    def subject(self) -> str:
        return f"{self.kind}/{self.owner}/{self.external_id}"


class Letter(msgspec.Struct, kw_only=True):
    """A kept document."""

    id: int
    exception_id: int
    kind: str
    owner: str
    external_id: str
    sender: str
    channel: str
    body: str
    errors: list[dict[str, Any]]
    state: str
    original_id: int | None
    at: datetime


class _Id(msgspec.Struct):
    id: int


_COLUMNS = """
    id, exception_id, kind, owner, external_id, sender, channel, body, errors, state,
    original_id, at
"""
INSERT = text(
    """
    INSERT INTO inbound_letter (warehouse_id, exception_id, kind, owner, external_id, sender,
                                channel, body, errors, state, original_id, at)
    VALUES (:warehouse_id, :exception_id, :kind, :owner, :external_id, :sender, :channel, :body,
            CAST(:errors AS jsonb), :state, :original_id, :at)
    RETURNING id
    """
)
# inbound_letter_exception_ix; a sender that repeats itself leaves one letter.
SAME = text(
    """
    SELECT id FROM (SELECT id, body, state FROM inbound_letter
                     WHERE warehouse_id = :warehouse_id AND exception_id = :exception_id
                     ORDER BY at DESC, id DESC LIMIT 1) x
     WHERE body = :body AND state = 'failed'
    """
)
OF_EXCEPTION = text(
    f"""
    SELECT {_COLUMNS} FROM inbound_letter
     WHERE warehouse_id = :warehouse_id AND exception_id = :exception_id
     ORDER BY at DESC, id DESC LIMIT 50
    """
)
GET = text(
    f"SELECT {_COLUMNS} FROM inbound_letter WHERE warehouse_id = :warehouse_id AND id = :id"
)
MARK = text(
    """
    UPDATE inbound_letter SET state = :state
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'failed'
    """
)


async def keep(tx: Tx, stamp: Stamp, new: NewLetter) -> int:
    """Keep a document that failed and open its exception; the exception's id.

    The same body again is the same letter. Locks the exception. Emits exception.opened.
    """
    facts = {"errors": briefly(list(new.errors)), "count": len(new.errors), "sender": stamp.actor}
    exception_id = await life.open_exception(
        tx, stamp, new.code, new.subject, facts, owner=new.owner
    )
    body = new.body.replace("\0", "")[:BODY_MAX]
    here = {"warehouse_id": stamp.warehouse_id, "exception_id": exception_id}
    if await row(tx, SAME, _Id, body=body, **here) is None:
        await _insert(tx, stamp, exception_id, new, body, "failed")
    if new.original_id is not None:
        await _mark(tx, stamp, new.original_id, "superseded")
        await life.step(tx, stamp, exception_id, "resubmitted", "refused again")
    return exception_id


async def accepted(tx: Tx, stamp: Stamp, letter: Letter, body: str) -> None:
    """A correction of a letter was taken in: it is kept, linked, and the exception ends.

    Locks the exception. Emits exception.resolved.
    """
    head = await life.take(tx, stamp, letter.exception_id)
    new = NewLetter(
        code=head.code, kind=letter.kind, owner=letter.owner, external_id=letter.external_id,
        body=body, errors=(), channel="office", original_id=letter.id,
    )  # fmt: skip
    await _insert(tx, stamp, head.id, new, body.replace("\0", "")[:BODY_MAX], "accepted")
    await _mark(tx, stamp, letter.id, "superseded")
    await life.step(tx, stamp, head.id, "resubmitted", "accepted")
    if head.state == "open":
        await life.resolve(tx, stamp, head.id, "Corrected and taken in.")


async def get_letter(tx: Tx, stamp: Stamp, letter_id: int) -> Letter:
    """Raises UnknownLetter."""
    found = await row(tx, GET, Letter, warehouse_id=stamp.warehouse_id, id=letter_id)
    if found is None:
        raise UnknownLetter(id=letter_id)
    return found


async def list_letters(tx: Tx, stamp: Stamp, exception_id: int) -> list[Letter]:
    """The documents behind an exception, newest first."""
    values = {"warehouse_id": stamp.warehouse_id, "exception_id": exception_id}
    return await rows(tx, OF_EXCEPTION, Letter, **values)


async def _insert(
    tx: Tx, stamp: Stamp, exception_id: int, new: NewLetter, body: str, state: str
) -> None:
    await tx.execute(INSERT, {
        "warehouse_id": stamp.warehouse_id, "exception_id": exception_id, "kind": new.kind,
        "owner": new.owner, "external_id": new.external_id, "sender": stamp.actor,
        "channel": new.channel, "body": body, "state": state, "original_id": new.original_id,
        "errors": msgspec.json.encode(life.clean(new.errors)).decode(), "at": stamp.at,
    })  # fmt: skip


async def _mark(tx: Tx, stamp: Stamp, letter_id: int, state: str) -> None:
    here = {"warehouse_id": stamp.warehouse_id, "id": letter_id}
    await tx.execute(MARK, {**here, "state": state})
