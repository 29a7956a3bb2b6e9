"""Named places in the log of those who pull: read, commit what was done, seek elsewhere.

A name belongs to the partner that uses it. A commit never moves back, so a late or repeated one
does no harm; `seek` is the way to read again. Who sleeps longer than the log is kept is suspended.
"""

import re
from datetime import datetime

import msgspec
from sqlalchemy import TextClause, text

from wms.db import Tx, row, rows
from wms.errors import Conflict, Invalid, NotFound, Refused
from wms.stamp import Stamp

CONSUMERS_MAX = 50
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class BadConsumer(Invalid):
    say = "{name!r} is no name of a consumer: 1 to 64 letters, digits, dots, dashes, underscores."


class UnknownConsumer(NotFound):
    say = "No consumer {name} of this partner in this warehouse."


class TooManyConsumers(Refused):
    say = "At most {most} consumers of one partner in a warehouse."


class AheadOfLog(Refused):
    say = "The log ends at {head}; {pos} is ahead of it."


class ConsumerSuspended(Conflict):
    say = "Consumer {name} slept longer than the log is kept. Seek to a place at or after {first}."


class Consumer(msgspec.Struct, kw_only=True):
    """Where a consumer stands. `oldest_at` is when the first event it has not read was logged."""

    name: str
    pos: int
    head_pos: int
    behind: int
    oldest_at: datetime | None
    updated_at: datetime
    suspended_at: datetime | None


class _Log(msgspec.Struct):
    head: int
    first: int


LOG = text(
    "SELECT pos AS head, first_pos AS first FROM seal_state WHERE warehouse_id = :warehouse_id"
)

# Primary keys; the event after the place by event_log_pkey.
CONSUMERS = text(
    """
    SELECT c.name, c.pos, coalesce(s.pos, 0) AS head_pos,
           greatest(coalesce(s.pos, 0) - c.pos, 0) AS behind,
           (SELECT e.sealed_at FROM event_log e
             WHERE e.warehouse_id = c.warehouse_id AND e.pos > c.pos
             ORDER BY e.pos LIMIT 1) AS oldest_at,
           c.updated_at, c.suspended_at
      FROM event_consumer c LEFT JOIN seal_state s ON s.warehouse_id = c.warehouse_id
     WHERE c.warehouse_id = :warehouse_id AND c.client = :client
       AND (CAST(:name AS text) IS NULL OR c.name = :name)
     ORDER BY c.name
    """
)

COMMIT = text(
    """
    INSERT INTO event_consumer (warehouse_id, client, name, pos, updated_at)
    VALUES (:warehouse_id, :client, :name, :pos, :at)
    ON CONFLICT (warehouse_id, client, name) DO UPDATE
      SET pos = greatest(event_consumer.pos, excluded.pos), updated_at = excluded.updated_at
    """
)

SEEK = text(
    """
    INSERT INTO event_consumer (warehouse_id, client, name, pos, updated_at)
    VALUES (:warehouse_id, :client, :name, :pos, :at)
    ON CONFLICT (warehouse_id, client, name) DO UPDATE
      SET pos = excluded.pos, updated_at = excluded.updated_at, suspended_at = NULL
    """
)

# Positions follow the time of sealing: a closed block tells where to begin, by seal_block_at_ix.
BEFORE = text(
    """
    SELECT coalesce(
      (SELECT e.pos - 1 FROM event_log e
        WHERE e.warehouse_id = :warehouse_id AND e.sealed_at >= :time
          AND e.pos > coalesce((SELECT b.to_pos FROM seal_block b
                                 WHERE b.warehouse_id = :warehouse_id AND b.sealed_at < :time
                                 ORDER BY b.sealed_at DESC LIMIT 1), 0)
        ORDER BY e.pos LIMIT 1),
      (SELECT s.pos FROM seal_state s WHERE s.warehouse_id = :warehouse_id), 0)
    """
)


async def list_consumers(tx: Tx, warehouse_id: int, client: str) -> list[Consumer]:
    """All consumers of one partner, with their lag."""
    values = {"warehouse_id": warehouse_id, "client": client, "name": None}
    return await rows(tx, CONSUMERS, Consumer, **values)


async def find_consumer(tx: Tx, warehouse_id: int, client: str, name: str) -> Consumer | None:
    """Raises BadConsumer."""
    values = {"warehouse_id": warehouse_id, "client": client, "name": _checked(name)}
    return await row(tx, CONSUMERS, Consumer, **values)


async def place_of(tx: Tx, warehouse_id: int, client: str, name: str) -> int:
    """Where to read on; a new name begins with the log. Raises BadConsumer, ConsumerSuspended."""
    found = await find_consumer(tx, warehouse_id, client, name)
    if found is None:
        return 0
    if found.suspended_at is not None:
        log = await _log(tx, warehouse_id)
        raise ConsumerSuspended(name=name, first=log.first - 1)
    return found.pos


async def commit(tx: Tx, stamp: Stamp, client: str, name: str, pos: int) -> Consumer:
    """Everything up to `pos` is done; a lower place than the stored one changes nothing.

    Raises BadConsumer, AheadOfLog, ConsumerSuspended, TooManyConsumers.
    """
    known = await find_consumer(tx, stamp.warehouse_id, client, name)
    if known is not None and known.suspended_at is not None:
        raise ConsumerSuspended(name=name, first=(await _log(tx, stamp.warehouse_id)).first - 1)
    return await _place(tx, stamp, client, name, pos, known is None, COMMIT)


async def seek(
    tx: Tx, stamp: Stamp, client: str, name: str, pos: int | None, time: datetime | None
) -> Consumer:
    """Read on from after `pos`, or from the first event that was logged at or after `time`.

    Raises BadConsumer, AheadOfLog, TooManyConsumers.
    """
    known = await find_consumer(tx, stamp.warehouse_id, client, name)
    if pos is None:
        values = {"warehouse_id": stamp.warehouse_id, "time": time}
        pos = (await tx.execute(BEFORE, values)).scalar_one()
        assert pos is not None, "coalesce ends with 0"
    return await _place(tx, stamp, client, name, pos, known is None, SEEK)


async def _place(
    tx: Tx, stamp: Stamp, client: str, name: str, pos: int, new: bool, statement: TextClause
) -> Consumer:
    log = await _log(tx, stamp.warehouse_id)
    if pos > log.head:
        raise AheadOfLog(head=log.head, pos=pos)
    if new and len(await list_consumers(tx, stamp.warehouse_id, client)) >= CONSUMERS_MAX:
        raise TooManyConsumers(most=CONSUMERS_MAX)
    values = {"warehouse_id": stamp.warehouse_id, "client": client, "name": name}
    await tx.execute(statement, {**values, "pos": pos, "at": stamp.at})
    found = await find_consumer(tx, stamp.warehouse_id, client, name)
    assert found is not None, "it was written just now"
    return found


FORGET = text(
    """
    DELETE FROM event_consumer
     WHERE warehouse_id = :warehouse_id AND client = :client AND name = :name
    """
)


async def forget(tx: Tx, warehouse_id: int, client: str, name: str) -> None:
    """The name is not used any more; the log need not be kept for it. Raises UnknownConsumer."""
    values = {"warehouse_id": warehouse_id, "client": client, "name": _checked(name)}
    if not (await tx.execute(FORGET, values)).rowcount:
        raise UnknownConsumer(name=name)


async def _log(tx: Tx, warehouse_id: int) -> _Log:
    return await row(tx, LOG, _Log, warehouse_id=warehouse_id) or _Log(0, 1)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise BadConsumer(name=name)
    return name
