"""Documents in lines: each line is one order, delivery or item, and gets one outcome.

Lines of a run share a transaction; a line that is refused undoes itself and nothing else. A line
may carry an `idempotency_key`: the same line under it again gets its first outcome.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import exc

from wms.access.rules import ApiClient
from wms.db import Tx, translate
from wms.documents import BadDocument, DocumentError, check, decode
from wms.errors import Busy, WmsError
from wms.events.queries import list_owners
from wms.exceptions.letters import NewLetter, keep
from wms.inbound import asn
from wms.inbound.asn_documents import AsnDoc
from wms.jobs import keys
from wms.masterdata import items
from wms.masterdata.item_documents import ItemDoc
from wms.outbound import orders
from wms.outbound.order_documents import OrderDoc
from wms.stamp import Stamp

LINE_MAX = 256 * 1024
LETTERS = {"orders": "order", "asns": "asn"}
KINDS: dict[str, Any] = {"orders": OrderDoc, "asns": AsnDoc, "items": ItemDoc}
Done = dict[str, Any]


class LineOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one line: the outcome of its document, or `rejected`, or `rolled_back`.

    `line` counts from 1 as sent, empty lines too. `replayed`: answered under its key before.
    """

    line: int
    outcome: str
    owner: str = ""
    external_id: str = ""
    sku: str = ""
    id: str = ""
    version: int = 0
    state: str = ""
    promised: str = ""
    cutoff_at: datetime | None = None
    decided_by: str = ""
    changed_fields: Sequence[str] = ()
    proposed: Sequence[str] = ()
    unknown_fields: Sequence[str] = ()
    code: str = ""
    detail: str = ""
    errors: Sequence[DocumentError] = ()
    replayed: bool = False


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line as it was sent. Text that cannot be read is kept as one that is no JSON."""

    number: int
    text: str


class _Read(msgspec.Struct):
    """A line on its way: the document, its key, and what became of it."""

    number: int
    value: Any = None
    key: str = ""
    done: Done | None = None


def split(body: bytes) -> list[Line]:
    """The lines of a body, without the empty ones."""
    found: list[Line] = []
    for number, raw in enumerate(body.split(b"\n"), 1):
        raw = raw.strip()
        if not raw:
            continue
        try:
            text = raw.decode() if len(raw) <= LINE_MAX and b"\0" not in raw else "!"
        except UnicodeDecodeError:
            text = "!"
        found.append(Line(number, text))
    return found


def accepted(done: LineOutcome) -> bool:
    """Whether a line's document is in the warehouse as it says, or in a newer version."""
    return done.outcome not in ("rejected", "rolled_back", "version_mismatch") and not (
        done.outcome.startswith("exists_with_different")
    )


async def run_lines(
    tx: Tx, stamp: Stamp, client: ApiClient, kind: str, lines: Sequence[Line], owner: str = ""
) -> list[LineOutcome]:
    """Take in all lines, in their order. `owner` is the one of the path, for items.

    Locks and emits as the procedures of the documents. Raises Busy: then nothing was done.
    """
    reads = [_read(each, owner) for each in lines]
    fresh = await keys.find(tx, stamp, client, kind, [each for each in reads if each.key])
    todo = [each for each in reads if each.done is None and (not each.key or each.key in fresh)]
    todo = [each for each in todo if not each.key or fresh[each.key] == each.number]
    await _take_in(tx, stamp, client, kind, todo)
    await keys.record(tx, stamp, client, kind, [each for each in todo if each.key])
    firsts = {each.key: each.done for each in todo if each.key}
    for each in reads:
        if each.done is None:
            each.done = {**(firsts[each.key] or {}), "replayed": True}
    if kind in LETTERS:
        await _keep_refused(tx, stamp, client, LETTERS[kind], todo)
    return [msgspec.convert({**(each.done or {}), "line": each.number}, LineOutcome)
            for each in reads]  # fmt: skip


async def _keep_refused(
    tx: Tx, stamp: Stamp, client: ApiClient, kind: str, reads: Sequence[_Read]
) -> None:
    """What was refused for what it says is kept as a letter, with an exception of its own."""
    mine = await owners_of(tx, client)
    found: list[NewLetter] = []
    for each in reads:
        done = each.done or {}
        owner, external_id = done.get("owner", ""), done.get("external_id", "")
        if done.get("outcome") != "rejected" or not owner or not external_id:
            continue
        code, errors = done.get("code", ""), done.get("errors") or []
        if foreign(msgspec.convert({**done, "line": each.number}, LineOutcome)) or (
            mine is not None and owner not in mine
        ):
            continue  # it is not about goods of this sender
        found.append(NewLetter(
            code=f"{kind}_rejected", kind=kind, owner=owner, external_id=external_id,
            body=msgspec.json.encode(each.value).decode(), channel="batch",
            errors=errors or [{"path": "", "code": code, "message": done.get("detail", "")}],
        ))  # fmt: skip
    for letter in sorted(found, key=lambda each: each.subject):
        await keep(tx, stamp, letter)


def foreign(line: LineOutcome) -> bool:
    """Whether it was refused because the goods are not its sender's: nobody here hears of that."""
    forbidden = any(error.code == "forbidden-owner" for error in line.errors)
    return forbidden or line.code == "OwnerForbidden"


async def owners_of(tx: Tx, client: ApiClient) -> list[str] | None:
    """Codes of the owners a partner is narrowed to, or None."""
    return await list_owners(tx, client.owner_ids) if client.owner_ids else None


def _read(line: Line, owner: str) -> _Read:
    read = _Read(line.number)
    try:
        value = decode(line.text.encode())
    except WmsError as error:
        read.done = refusal(error)
        return read
    if not isinstance(value, dict):
        read.done = refusal(BadDocument([DocumentError("", "wrong-type", "Expected an object")]))
        return read
    key = value.pop("idempotency_key", "")
    if not isinstance(key, str):
        error = DocumentError("/idempotency_key", "wrong-type", "Expected text")
        read.done = refusal(BadDocument([error]))
        return read
    if owner and value.setdefault("owner", owner) != owner:
        error = DocumentError("/owner", "contradicts-path", f"The path says {owner}")
        read.done = refusal(BadDocument([error]))
        return read
    read.value, read.key = value, key
    return read


async def _take_in(
    tx: Tx, stamp: Stamp, client: ApiClient, kind: str, reads: Sequence[_Read]
) -> None:
    good: list[tuple[_Read, Any]] = []
    for each in reads:
        found = check(each.value, KINDS[kind])
        if found.errors:
            each.done = refusal(BadDocument(found.errors)) | _names(each.value)
            continue
        good.append((each, msgspec.convert(each.value, KINDS[kind])))
        each.done = {"unknown_fields": found.unknown}
    if kind == "orders":
        docs = [document for _, document in good]
        outcomes = await orders.accept(tx, stamp, docs, client.owner_ids) if docs else []
        for (each, _), outcome in zip(good, outcomes, strict=True):
            each.done = plain(outcome) | (each.done or {})
        return
    for each, document in good:
        done = await _alone(tx, lambda document=document: _ONE[kind](tx, stamp, client, document))
        each.done = done | _names(each.value) | (each.done or {})


async def _alone(tx: Tx, act: Callable[[], Awaitable[Any]]) -> Done:
    """One document within the run: what it refuses is undone alone."""
    try:
        async with tx.begin_nested():
            return plain(await act())
    except Busy:
        raise
    except WmsError as error:
        return refusal(error)
    except exc.DBAPIError as error:
        known = translate(error)
        if isinstance(known, WmsError) and not isinstance(known, Busy):
            return refusal(known)
        raise


async def _asn(tx: Tx, stamp: Stamp, client: ApiClient, document: AsnDoc) -> Any:
    return await asn.announce(tx, stamp, client, document)


async def _item(tx: Tx, stamp: Stamp, client: ApiClient, document: ItemDoc) -> Any:
    return await items.put_item(tx, stamp, client, document)


_ONE: dict[str, Callable[..., Awaitable[Any]]] = {"asns": _asn, "items": _item}


def plain(outcome: msgspec.Struct) -> Done:
    return msgspec.to_builtins(outcome)


def refusal(error: WmsError) -> Done:
    """A refused document as an outcome."""
    errors = error.errors if isinstance(error, BadDocument) else []
    return {
        "outcome": "rejected", "code": error.code, "detail": str(error),
        "errors": msgspec.to_builtins(errors),
    }  # fmt: skip


def _names(value: dict[str, Any]) -> Done:
    names = ("owner", "external_id", "sku")
    found = {name: value.get(name) for name in names}
    return {name: each[:64] for name, each in found.items() if isinstance(each, str) and each}
