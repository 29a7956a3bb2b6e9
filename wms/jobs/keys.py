"""The `idempotency_key` of a line: remembered with its outcome, a whole run in one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import text

from wms import requests
from wms.access.rules import ApiClient
from wms.db import Tx, rows
from wms.errors import Busy, WmsError
from wms.stamp import Stamp


class Keyed(Protocol):
    """A line with a key."""

    number: int
    value: Any
    key: str
    done: dict[str, Any] | None


class _Known(msgspec.Struct):
    key: str
    route: str
    fingerprint: bytes
    answer: str
    at: datetime


class _Key(msgspec.Struct):
    key: str


# Served by the unique key of api_request.
FIND = text(
    """
    SELECT key, route, fingerprint, answer, at FROM api_request
     WHERE warehouse_id = :warehouse_id AND client = :client
       AND key = ANY (CAST(:keys AS text[]))
    """
)
RECORD = text(
    """
    INSERT INTO api_request (warehouse_id, client, key, route, fingerprint, status, answer, at)
    SELECT :warehouse_id, :client, t.key, :route, t.fingerprint, 200, t.answer, :at
      FROM unnest(CAST(:keys AS text[]), CAST(:fingerprints AS bytea[]),
                  CAST(:answers AS text[])) AS t (key, fingerprint, answer)
     ORDER BY t.key
    ON CONFLICT (warehouse_id, client, key) DO NOTHING
    RETURNING key
    """
)


async def find(
    tx: Tx, stamp: Stamp, client: ApiClient, kind: str, lines: Sequence[Keyed]
) -> dict[str, int]:
    """Fill in what was answered before; the keys that are new, with the line that has each first.

    A key that says something else than before is refused.
    """
    fresh: dict[str, int] = {}
    seen: dict[str, bytes] = {}
    asked = {each.key for each in lines}
    known = {
        each.key: each
        for each in await rows(
            tx, FIND, _Known, warehouse_id=stamp.warehouse_id, client=client.code,
            keys=sorted(asked),
        )
    } if asked else {}  # fmt: skip
    for each in lines:
        if each.done is not None:
            continue
        try:
            fingerprint = _fingerprint(client, kind, each)
        except WmsError as error:
            each.done = {"outcome": "rejected", "code": error.code, "detail": str(error)}
            continue
        before = known.get(each.key)
        if before is not None and (before.route, before.fingerprint) == (kind, fingerprint):
            each.done = {**msgspec.json.decode(before.answer), "replayed": True}
        elif before is not None or seen.setdefault(each.key, fingerprint) != fingerprint:
            reused = requests.RequestKeyReused(key=each.key)
            each.done = {"outcome": "rejected", "code": reused.code, "detail": str(reused)}
        else:
            fresh.setdefault(each.key, each.number)
    return fresh


async def record(
    tx: Tx, stamp: Stamp, client: ApiClient, kind: str, lines: Sequence[Keyed]
) -> None:
    """Remember outcomes with their effect. Raises Busy when another run took a key meanwhile."""
    if not lines:
        return
    made = await rows(
        tx, RECORD, _Key, warehouse_id=stamp.warehouse_id, client=client.code, route=kind,
        at=stamp.at, keys=[each.key for each in lines],
        fingerprints=[_fingerprint(client, kind, each) for each in lines],
        answers=[msgspec.json.encode(each.done).decode() for each in lines],
    )  # fmt: skip
    if len(made) < len(lines):
        raise Busy()


def _fingerprint(client: ApiClient, kind: str, line: Keyed) -> bytes:
    return requests.asked(client.code, line.key, kind, line.value).fingerprint
