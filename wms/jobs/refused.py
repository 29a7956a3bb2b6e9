"""Lines that did not go in and have no exception of their own are somebody's, as one exception.

It names the documents that stayed out. Every later batch of the same sender takes off it what went
in by then; when nothing is left, it ends. Lines that name no document end with the page's "Send
again", or when what was named comes again with no fewer lines.
"""

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.documents import DocumentError
from wms.exceptions import life
from wms.exceptions.following import SHOWN, briefly
from wms.jobs import kept
from wms.jobs.kept import screen_of
from wms.jobs.lines import LETTERS, LineOutcome, accepted, foreign
from wms.stamp import Stamp

CODE = "lines_refused"
NAMED = 100  # documents that an exception names; of the others it knows how many
CURE = "The same documents came again and went in."


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that came together. `owners`: whose goods their sender may speak of; None: all."""

    kind: str
    sender: str
    owners: Sequence[str] | None = None
    mode: str = "partial"
    document_id: int = 0  # as it is kept
    original_id: int | None = None  # the kept one that a person sent again


class _Subject(msgspec.Struct):
    subject: str


class _Open(msgspec.Struct):
    id: int
    subject: str
    lines: int
    others: int
    documents: list[str]


# Its unique key, by code.
OPEN = text(
    f"""
    SELECT id, subject, CAST(facts ->> 'count' AS int) AS lines,
           CAST(facts ->> 'others' AS int) AS others, facts -> 'documents' AS documents
      FROM exception
     WHERE warehouse_id = :warehouse_id AND code = '{CODE}' AND state = 'open'
       AND facts ->> 'kind' = :kind AND facts ->> 'sender' = :sender
     ORDER BY id FOR UPDATE
    """
)
# As that.
OF_DOCUMENT = text(
    f"""
    SELECT subject FROM exception
     WHERE warehouse_id = :warehouse_id AND code = '{CODE}' AND state = 'open'
       AND screen = :screen ORDER BY id
    """
)
TAKE_OFF = text(
    """
    UPDATE exception SET facts = jsonb_set(facts, '{documents}', CAST(:left AS jsonb))
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)


async def settle_lines(
    tx: Tx, stamp: Stamp, batch: Batch, lines: Sequence[LineOutcome]
) -> str:
    """Open an exception for what stayed out and end those for what went in.

    A sentence about what stayed out without an exception of its own; empty when nothing did.
    Locks the sender's open exceptions of this kind. Emits exception.opened, exception.resolved.
    """
    out = [each for each in lines if _is_untold(batch, each)]
    await _take_off(tx, stamp, batch, lines)
    if not out:
        return ""
    names = list(dict.fromkeys(name for each in out if (name := _name(batch, each))))[:NAMED]
    named = set(names)
    refused = [each for each in out if each.outcome != "rolled_back"]
    facts = {
        "sender": f"partner:{batch.sender}", "kind": batch.kind, "mode": batch.mode,
        "document": batch.document_id, "lines": len(lines), "count": len(out), "documents": names,
        "others": sum(_name(batch, each) not in named for each in out),
        "errors": briefly([_first_error(each) for each in refused[:SHOWN]]),
    }  # fmt: skip
    told = msgspec.json.encode([(each.line, _name(batch, each), each.code) for each in out])
    screen = ""
    if batch.document_id:
        screen = screen_of(await kept.find_root(tx, stamp, batch.original_id or batch.document_id))
    await life.open_exception(
        tx, stamp, CODE, f"{batch.sender}/{batch.kind}/{sha256(told).hexdigest()[:16]}", facts,
        owner=_owner(names), screen=screen,
    )  # fmt: skip
    return f"{len(out)} of {len(lines)} lines did not go in."


async def resolve_again(tx: Tx, stamp: Stamp, document_id: int) -> None:
    """A document was sent again from its page, and all of it went in."""
    root = await kept.find_root(tx, stamp, document_id)
    here = {"warehouse_id": stamp.warehouse_id, "screen": screen_of(root)}
    for each in await rows(tx, OF_DOCUMENT, _Subject, **here):
        await life.resolve_cured(tx, stamp, CODE, each.subject, CURE)


async def _take_off(
    tx: Tx, stamp: Stamp, batch: Batch, lines: Sequence[LineOutcome]
) -> None:
    good = [each for each in lines if accepted(each)]
    if batch.original_id and len(good) == len(lines):
        await resolve_again(tx, stamp, batch.original_id)
    sender = f"partner:{batch.sender}"
    here = {"warehouse_id": stamp.warehouse_id, "kind": batch.kind, "sender": sender}
    names = {_name(batch, each) for each in good}
    for each in await rows(tx, OPEN, _Open, **here):
        left = [name for name in each.documents if name not in names]
        rest_came = not each.others or len(good) >= each.lines
        if each.documents and not left and rest_came:
            await life.resolve_cured(tx, stamp, CODE, each.subject, CURE)
        elif left and len(left) < len(each.documents):
            await tx.execute(TAKE_OFF, {
                "warehouse_id": stamp.warehouse_id, "id": each.id,
                "left": msgspec.json.encode(left).decode(),
            })  # fmt: skip
            note = f"{len(each.documents) - len(left)} documents; {len(left)} are left"
            await life.step(tx, stamp, each.id, "taken in", note)


def _is_untold(batch: Batch, line: LineOutcome) -> bool:
    """Whether it stayed out, is the sender's to speak of, and has no letter.

    What an atomic run undid has none: its letters were undone with it.
    """
    if accepted(line) or foreign(line):
        return False
    if batch.mode == "atomic":
        return True
    lettered = batch.kind in LETTERS and line.outcome == "rejected" and _name(batch, line)
    return not lettered and not line.replayed


def _name(batch: Batch, line: LineOutcome) -> str:
    """The document of a line, if it names one that its sender may speak of."""
    own = line.external_id or line.sku
    if not own or not line.owner:
        return ""
    mine = batch.owners is None or line.owner in batch.owners
    return f"{line.owner}/{own}" if mine else ""


def _owner(names: Sequence[str]) -> str:
    owners = {name.partition("/")[0] for name in names}
    return owners.pop() if len(owners) == 1 else ""


def _first_error(line: LineOutcome) -> dict[str, str]:
    error = next(iter(line.errors), DocumentError("", line.code or line.outcome, line.detail))
    return {"path": f"line {line.line} {error.path}".rstrip(), "code": error.code,
            "message": error.message}  # fmt: skip
