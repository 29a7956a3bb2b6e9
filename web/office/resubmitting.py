"""A refused document, corrected by a person and taken in as if its sender had sent it.

The correction is kept beside the original, whether it is accepted or refused again. It must name
the same document: owner and number cannot be edited away.
"""

from collections.abc import Sequence

import msgspec

from wms.db import Db, Tx
from wms.documents import BadDocument, DocumentError, NotJson, decode, parse
from wms.errors import WmsError
from wms.exceptions import letters, life
from wms.exceptions.letters import Letter, NewLetter
from wms.exceptions.rules import ExceptionEnded
from wms.inbound import asn
from wms.inbound.asn_documents import AsnDoc
from wms.outbound import orders
from wms.outbound.order_documents import OrderDoc
from wms.stamp import Stamp

TAKEN_IN = ("created", "updated", "exists")


class NotTaken(WmsError):
    say = "It was not taken in: {outcome}."


async def resubmit(db: Db, stamp: Stamp, letter: Letter, body: str) -> str:
    """What became of it, in words for the person. Emits what the document's intake emits."""
    try:
        async with db.transaction() as tx:
            head = await life.take(tx, stamp, letter.exception_id)
            if head.state != "open":
                raise ExceptionEnded(state=head.state)
            await _take_in(tx, stamp, letter, body)
            await letters.accepted(tx, stamp, letter, body)
        return "Taken in."
    except ExceptionEnded as ended:
        return str(ended)
    except (BadDocument, NotJson) as refusal:
        errors = list(refusal.errors) if isinstance(refusal, BadDocument) else []
        await _keep(db, stamp, letter, body, errors, str(refusal))
        return f"Refused again. {refusal}"
    except WmsError as refusal:
        await _keep(db, stamp, letter, body, [], str(refusal))
        return f"Refused again. {refusal}"


async def _take_in(tx: Tx, stamp: Stamp, letter: Letter, body: str) -> None:
    """Raises NotJson, BadDocument with all errors, NotTaken, and what the intake refuses."""
    value = decode(body.encode())
    for name, expected in (("owner", letter.owner), ("external_id", letter.external_id)):
        if isinstance(value, dict) and value.setdefault(name, expected) != expected:
            raise BadDocument([
                DocumentError(f"/{name}", "contradicts-path", f"It must stay {expected}")
            ])  # fmt: skip
    if letter.kind == "asn":
        outcome = (await asn.announce(tx, stamp, None, parse(value, AsnDoc)[0])).outcome
    else:
        (done,) = await orders.accept(tx, stamp, [parse(value, OrderDoc)[0]])
        if done.errors:
            raise BadDocument(done.errors)
        outcome = done.outcome
    if outcome not in TAKEN_IN:
        raise NotTaken(outcome=outcome.replace("_", " "))


async def _keep(
    db: Db, stamp: Stamp, letter: Letter, body: str, errors: Sequence[DocumentError], said: str
) -> None:
    known = errors or [DocumentError("", "refused", said)]
    async with db.transaction() as tx:
        head = await life.take(tx, stamp, letter.exception_id)
        await letters.keep(tx, stamp, NewLetter(
            code=head.code, kind=letter.kind, owner=letter.owner, external_id=letter.external_id,
            body=body, errors=[msgspec.to_builtins(error) for error in known], channel="office",
            original_id=letter.id,
        ))  # fmt: skip
