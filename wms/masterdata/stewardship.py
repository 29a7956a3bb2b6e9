"""Who may set which fields of items, and the values of others that wait for a person.

A class of fields has one sender or none; none means that everybody may set it. What somebody else
sends is kept as a proposal, once for each field and sender, and changes nothing until accepted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Conflict, NotFound
from wms.events import catalog
from wms.masterdata import item_told
from wms.masterdata.item_documents import field_class
from wms.stamp import Stamp


class UnknownProposal(NotFound):
    say = "There is no proposal {id}."


class AlreadyDecided(Conflict):
    say = "Proposal {id} was {state} before."


class ItemKey(Protocol):
    """What a proposal needs of an item."""

    id: int
    owner: str
    sku: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a sender may not set by itself. `stored` is what stands there now."""

    id: str
    owner_id: int
    owner: str
    sku: str
    field: str
    value: Any
    source: str
    state: str
    at: datetime
    decided_at: datetime | None
    decided_by: str


class _Owner(msgspec.Struct):
    field_class: str
    source: str


class _Id(msgspec.Struct):
    id: int


OWNERS = text("SELECT field_class, source FROM item_field_owner WHERE owner_id = :owner_id")
SET_OWNER = text(
    """
    INSERT INTO item_field_owner (owner_id, field_class, source)
    VALUES (:owner_id, :field_class, :source)
    ON CONFLICT (owner_id, field_class) DO UPDATE SET source = excluded.source
    """
)
FREE = text(
    "DELETE FROM item_field_owner WHERE owner_id = :owner_id AND field_class = :field_class"
)
# Served by item_proposal_open_ix: a newer value of one sender takes the place of its older one.
PROPOSE = text(
    """
    INSERT INTO item_proposal (item_id, field, value, source, at)
    VALUES (:item_id, :field, CAST(:value AS jsonb), :source, :at)
    ON CONFLICT (item_id, field, source) WHERE state = 'open'
    DO UPDATE SET value = excluded.value, at = excluded.at
     WHERE item_proposal.value <> excluded.value
    RETURNING id
    """
)
_PROPOSAL = """
    SELECT CAST(p.id AS text) AS id, i.owner_id, o.code AS owner, i.sku, p.field, p.value,
           p.source, p.state, p.at, p.decided_at, p.decided_by
      FROM item_proposal p JOIN item i ON i.id = p.item_id JOIN owner o ON o.id = i.owner_id
"""
LIST = text(
    f"""{_PROPOSAL}
     WHERE p.state = :state AND p.id > :after
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR i.owner_id = ANY (CAST(:owner_ids AS bigint[])))
     ORDER BY p.id LIMIT :limit
    """
)
FIND = text(f"{_PROPOSAL} WHERE p.id = :id")
TAKE = text("SELECT id FROM item_proposal WHERE id = :id FOR UPDATE")
DECIDE = text(
    """
    UPDATE item_proposal SET state = :state, decided_at = :at, decided_by = :who WHERE id = :id
    """
)


async def field_owners(tx: Tx, owner_id: int) -> dict[str, str]:
    """Which sender may set each class that has one."""
    found = await rows(tx, OWNERS, _Owner, owner_id=owner_id)
    return {each.field_class: each.source for each in found}


async def set_field_owners(tx: Tx, owner_id: int, owners: dict[str, str]) -> dict[str, str]:
    """Give classes to senders; an empty sender frees a class. The setting as it is now."""
    for name, source in owners.items():
        values = {"owner_id": owner_id, "field_class": name}
        if source:
            await tx.execute(SET_OWNER, {**values, "source": source})
        else:
            await tx.execute(FREE, values)
    return await field_owners(tx, owner_id)


async def divide(
    tx: Tx, owner_id: int, source: str, changed: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes that a sender may make, and those of fields that belong to others."""
    owners = await field_owners(tx, owner_id) if changed else {}
    mine = {
        name: value
        for name, value in changed.items()
        if owners.get(field_class(name), source) == source
    }
    return mine, {name: value for name, value in changed.items() if name not in mine}


async def propose(
    tx: Tx, stamp: Stamp, item: ItemKey, source: str, fields: dict[str, Any], had: dict[str, Any]
) -> list[str]:
    """Keep values for a person to decide on; the fields. Emits item.conflict_detected."""
    for name, value in sorted(fields.items()):
        made = await row(
            tx, PROPOSE, _Id, item_id=item.id, field=name, source=source, at=stamp.at,
            value=msgspec.json.encode(value).decode(),
        )  # fmt: skip
        if made is None:
            continue  # the same value waits already
        data = catalog.ItemConflictDetected(
            item_id=str(item.id), owner=item.owner, sku=item.sku, field=name,
            stored=had.get(name), given=value, source=source, proposal_id=str(made.id),
        )  # fmt: skip
        key = f"item/{item.owner}/{item.sku}"
        await item_told.tell_everywhere(
            tx, stamp, "item.conflict_detected", key, data, item.owner
        )
    return sorted(fields)


async def list_proposals(
    tx: Tx, *, state: str, after: int, limit: int, owner_ids: Sequence[int] = ()
) -> list[Proposal]:
    """Proposals, the oldest first."""
    return await rows(
        tx, LIST, Proposal, state=state, after=after, limit=limit, owner_ids=list(owner_ids)
    )


async def get_proposal(tx: Tx, id: int) -> Proposal:
    """Raises UnknownProposal."""
    found = await row(tx, FIND, Proposal, id=id)
    if found is None:
        raise UnknownProposal(id=id)
    return found


async def close(tx: Tx, stamp: Stamp, id: int, state: str) -> Proposal | None:
    """Mark a proposal as decided; None when the same was decided before.

    Locks the proposal. Emits stewardship.decided. Raises UnknownProposal, AlreadyDecided.
    """
    await row(tx, TAKE, _Id, id=id)
    found = await get_proposal(tx, id)
    if found.state == state:
        return None
    if found.state != "open":
        raise AlreadyDecided(id=id, state=found.state)
    await tx.execute(DECIDE, {"id": id, "state": state, "at": stamp.at, "who": stamp.actor})
    data = catalog.StewardshipDecided(
        proposal_id=found.id, object=f"item/{found.owner}/{found.sku}", field=found.field,
        value=found.value, decision=state, requester=found.source, decider=stamp.actor,
    )  # fmt: skip
    await item_told.tell_everywhere(
        tx, stamp, "stewardship.decided", data.object, data, found.owner
    )
    return found
