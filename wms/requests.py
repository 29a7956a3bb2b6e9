"""Requests of partner systems, remembered with their effect: the same key, the same answer.

Natural keys make every document safe to send twice; an `Idempotency-Key` also makes the answer the
same, byte by byte, and refuses a key that is used for something else. The row is written in the
transaction of the effect, so a request that was rolled back leaves nothing behind.
"""

import hashlib
from typing import Any

import msgspec
from sqlalchemy import DateTime, LargeBinary, SmallInteger, Text, UniqueConstraint, text

from wms.db import Tx, col, floor_table, row
from wms.errors import Invalid, Refused
from wms.stamp import Stamp

api_request = floor_table(
    "api_request",
    col("client", Text),
    col("key", Text),
    col("route", Text),
    col("fingerprint", LargeBinary),  # of the canonical JSON: members sorted, no spaces
    col("status", SmallInteger),
    col("answer", Text),
    col("at", DateTime(timezone=True)),
    UniqueConstraint("warehouse_id", "client", "key"),
)


class RequestKeyReused(Refused):
    say = "Idempotency-Key {key} was used before for another request. Send this under a new key."


class BadRequestKey(Invalid):
    say = "An Idempotency-Key is 1 to 255 visible ASCII characters."


class RequestKeyMissing(Invalid):
    say = "This request needs an Idempotency-Key header, so that it can be sent twice safely."


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request under a key: whose, where, and what it says."""

    client: str
    key: str
    route: str
    fingerprint: bytes


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered before."""

    route: str
    fingerprint: bytes
    status: int
    answer: str


class _Id(msgspec.Struct):
    id: int


WAREHOUSE = text("SELECT id FROM warehouse WHERE code = :code")
# The second of two equal requests in flight waits here and then finds the first one's answer.
QUEUE = text("SELECT pg_advisory_xact_lock(hashtextextended(:queue, 8420))")
FIND = text(
    """
    SELECT route, fingerprint, status, answer FROM api_request
     WHERE warehouse_id = :warehouse_id AND client = :client AND key = :key
    """
)
RECORD = text(
    """
    INSERT INTO api_request (warehouse_id, client, key, route, fingerprint, status, answer, at)
    VALUES (:warehouse_id, :client, :key, :route, :fingerprint, :status, :answer, :at)
    """
)
FORGET = text("DELETE FROM api_request WHERE warehouse_id = :warehouse_id AND at < :before")


def asked(client: str, key: str, route: str, body: Any) -> Asked:
    """A request as it is remembered; `key` bare or quoted. Raises BadRequestKey."""
    key = key.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadRequestKey()
    canonical = msgspec.json.encode(body, order="sorted")
    return Asked(
        client=client, key=key, route=route, fingerprint=hashlib.sha256(canonical).digest()
    )


async def find_warehouse_id(tx: Tx, code: str) -> int | None:
    """The warehouse of that code, or None."""
    found = await row(tx, WAREHOUSE, _Id, code=code)
    return None if found is None else found.id


async def find_answered(tx: Tx, stamp: Stamp, request: Asked) -> Answered | None:
    """The answer given to this key before, or None. Waits for an equal request in flight.

    Raises RequestKeyReused when route or body differ.
    """
    await tx.execute(
        QUEUE, {"queue": f"request/{stamp.warehouse_id}/{request.client}/{request.key}"}
    )
    found = await row(
        tx,
        FIND,
        Answered,
        warehouse_id=stamp.warehouse_id,
        client=request.client,
        key=request.key,
    )
    if found is not None and (found.route, found.fingerprint) != (
        request.route,
        request.fingerprint,
    ):
        raise RequestKeyReused(key=request.key)
    return found


async def record_answer(
    tx: Tx, stamp: Stamp, request: Asked, status: int, answer: bytes
) -> None:
    """Remember the answer with its effect."""
    await tx.execute(
        RECORD,
        {
            "warehouse_id": stamp.warehouse_id,
            "client": request.client,
            "key": request.key,
            "route": request.route,
            "fingerprint": request.fingerprint,
            "status": status,
            "answer": answer.decode(),
            "at": stamp.at,
        },
    )


async def forget_requests(tx: Tx, stamp: Stamp, before: Any) -> int:
    """Forget answers older than `before`; natural keys go on protecting the documents."""
    values = {"warehouse_id": stamp.warehouse_id, "before": before}
    return (await tx.execute(FORGET, values)).rowcount
