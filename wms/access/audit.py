"""The audit log: who changed or read what, where neither the ledger nor the event log tells it.

Rule: `record` is called in the transaction of the act, so an entry stands exactly when the act
does. The database refuses to change or delete an entry. Copies before and after hold no secrets.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import Tx, rows
from wms.stamp import Stamp

PAGE_MAX = 1000
SECRET = frozenset({"key", "secret", "pin", "badge", "password", "token", "authorization", "sealed",
                    "key_hash", "pin_hash", "badge_hash", "client_secret"})  # fmt: skip
HIDDEN = "(hidden)"


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and from where: `user:PIA`, `partner:ERP`, `system:cli`; address and device."""

    actor: str
    origin: str = ""
    request_id: str = ""
    warehouse_id: int | None = None


class Entry(msgspec.Struct, kw_only=True):
    """One line of the audit log."""

    id: int
    at: datetime
    warehouse: str | None
    actor: str
    act: str
    subject: str
    before: Any
    after: Any
    why: str
    origin: str
    request_id: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; empty means all. With `warehouse_ids`, those and the ones of no warehouse."""

    actor: str = ""
    act: str = ""  # whole, or a prefix that ends in a dot
    subject: str = ""
    warehouse_ids: tuple[int, ...] | None = None


RECORD = text(
    """
    INSERT INTO audit_entry (warehouse_id, actor, act, subject, before, after, why, origin,
                             request_id)
    VALUES (:warehouse_id, :actor, :act, :subject, :before, :after, :why, :origin, :request_id)
    """
).bindparams(
    bindparam("before", type_=JSONB(none_as_null=True)),
    bindparam("after", type_=JSONB(none_as_null=True)),
)
_LIST = """
    SELECT a.id, a.at, w.code AS warehouse, a.actor, a.act, a.subject, a.before, a.after, a.why,
           a.origin, a.request_id
      FROM audit_entry a LEFT JOIN warehouse w ON w.id = a.warehouse_id
     WHERE (:actor = '' OR a.actor = :actor)
       AND (:act = '' OR a.act = :act OR (right(:act, 1) = '.' AND starts_with(a.act, :act)))
       AND (:subject = '' OR a.subject = :subject)
       AND (cast(:warehouse_ids AS int[]) IS NULL OR a.warehouse_id IS NULL
            OR a.warehouse_id = ANY(:warehouse_ids))
"""
# Walked by the primary key; audit_entry_subject_ix and _actor_ix serve the narrow questions.
_BEFORE = "(CAST(:place AS bigint) = 0 OR a.id < CAST(:place AS bigint))"
NEWEST = text(f"{_LIST} AND {_BEFORE} ORDER BY a.id DESC LIMIT :limit")
OLDEST = text(f"{_LIST} AND a.id > CAST(:place AS bigint) ORDER BY a.id LIMIT :limit")


async def record(
    tx: Tx,
    who: Who | Stamp,
    act: str,
    subject: str,
    *,
    before: object = None,
    after: object = None,
    why: str = "",
) -> None:
    """One entry, in the transaction of the act: `client.changed` of `client/ERP`, for instance."""
    if isinstance(who, Stamp):
        who = Who(actor=who.actor, origin=who.device, request_id=str(who.key),
                  warehouse_id=who.warehouse_id)  # fmt: skip
    values = {**msgspec.structs.asdict(who), "act": act, "subject": subject, "why": why}
    await tx.execute(RECORD, {**values, "before": hidden(before), "after": hidden(after)})


async def list_newest(tx: Tx, wanted: Wanted, before: int, limit: int) -> list[Entry]:
    """Newest first, on from the entry `before` (0: from the last one)."""
    return await _list(tx, NEWEST, wanted, before, limit)


async def list_oldest(tx: Tx, wanted: Wanted, after: int, limit: int) -> list[Entry]:
    """In the order they were written, for an export."""
    return await _list(tx, OLDEST, wanted, after, limit)


async def _list(tx: Tx, statement: Any, wanted: Wanted, place: int, limit: int) -> list[Entry]:
    asked: dict[str, Any] = msgspec.structs.asdict(wanted)
    if wanted.warehouse_ids is not None:
        asked["warehouse_ids"] = list(wanted.warehouse_ids)
    return await rows(tx, statement, Entry, place=place, limit=limit, **asked)


def hidden(thing: object) -> Any:
    """As JSON, without anything that opens something."""
    return None if thing is None else _hide(msgspec.to_builtins(thing))


def _hide(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {
            name: HIDDEN if name in SECRET and part else _hide(part) for name, part in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [_hide(part) for part in tree]
    return tree.replace("\x00", "") if isinstance(tree, str) else tree
