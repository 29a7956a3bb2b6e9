"""Scans: the append-only evidence, and the memory that makes the same act sent twice one act.

Same request key and same body: the stored answer. Same key, other body: refused.
"""

import hashlib

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from wms.db import Tx, col, floor_table, row
from wms.errors import Conflict
from wms.stamp import Stamp
from wms.steps import Act, Answer

scan = floor_table(
    "scan",
    col("key", Uuid),
    col("device", Text),
    col("seq", BigInteger, null=True),
    col("user_id", BigInteger, ForeignKey("app_user.id")),
    col("at", DateTime(timezone=True)),
    col("device_at", DateTime(timezone=True), null=True),
    col("ref", Text),
    col("path", Text, default="''"),
    col("codes", ARRAY(Text)),
    col("body_hash", LargeBinary),
    col("ok", Boolean),
    col("answer", Text),
    UniqueConstraint("warehouse_id", "key"),
    Index("scan_user_ix", "warehouse_id", "user_id", "at"),
)


class KeyReused(Conflict):
    say = "Request key {key} was used before for another act. Send this one under a new key."


class _Stored(msgspec.Struct):
    body_hash: bytes
    answer: str


FIND = text("SELECT body_hash, answer FROM scan WHERE warehouse_id = :warehouse_id AND key = :key")
RECORD = text(
    """
    INSERT INTO scan (warehouse_id, key, device, seq, user_id, at, device_at, ref, path, codes,
                      body_hash, ok, answer)
    VALUES (:warehouse_id, :key, :device, :seq, :user_id, :at, :device_at, :ref, :path, :codes,
            :body_hash, :ok, :answer)
    """
)


def body_hash(act: Act) -> bytes:
    """What must be equal for two sendings to be the same act."""
    body = (act.ref, act.version, act.path, act.scans)
    return hashlib.blake2b(msgspec.json.encode(body), digest_size=16).digest()


def stored_answer(act: Act, hashed: bytes, answer: str) -> Answer:
    """The stored answer, marked as replayed. Raises KeyReused when the body differs."""
    if hashed != body_hash(act):
        raise KeyReused(key=act.key)
    return msgspec.structs.replace(msgspec.json.decode(answer, type=Answer), replayed=True)


async def find_answer(tx: Tx, stamp: Stamp, act: Act) -> Answer | None:
    """The answer given to this key before, or None. Raises KeyReused."""
    found = await row(tx, FIND, _Stored, warehouse_id=stamp.warehouse_id, key=stamp.key)
    return None if found is None else stored_answer(act, found.body_hash, found.answer)


async def record(tx: Tx, stamp: Stamp, act: Act, answer: Answer) -> None:
    """Write the evidence and the answer. A second writer of the key fails on `scan_..._key`."""
    await tx.execute(
        RECORD,
        {
            "warehouse_id": stamp.warehouse_id,
            "key": stamp.key,
            "device": stamp.device,
            "seq": act.seq,
            "user_id": stamp.user_id,
            "at": stamp.at,
            "device_at": stamp.device_at,
            "ref": act.ref,
            "path": act.path,
            "codes": list(act.scans),
            "body_hash": body_hash(act),
            "ok": answer.ok,
            "answer": msgspec.json.encode(answer).decode(),
        },
    )


async def find_said(tx: Tx, stamp: Stamp) -> Answer | None:
    """The stored answer of a key, whatever the body was: what a page shows after an act."""
    found = await row(tx, FIND, _Stored, warehouse_id=stamp.warehouse_id, key=stamp.key)
    return None if found is None else msgspec.json.decode(found.answer, type=Answer)
