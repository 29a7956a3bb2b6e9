"""Events are written here, inside the transaction that caused them, and nowhere else.

Rule that keeps order true per document: lock the document's row first, emit last.
"""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx
from wms.events import carried, catalog, wake
from wms.ids import uuid7
from wms.stamp import Stamp

EMIT = text(
    """
    INSERT INTO outbox (warehouse_id, event_id, type, okey, keyseq, subject, owner, occurred_at,
                        recorded_at, actor, correlation_id, causation_id, data,
                        traceparent, test)
    VALUES (:warehouse_id, :event_id, :type, :okey, :keyseq, :subject, :owner, :occurred_at,
            :recorded_at, :actor, :correlation_id, :causation_id, :data,
            :traceparent, :test)
    """
)


def outbox_row(
    stamp: Stamp,
    type: str,
    key: str,
    data: msgspec.Struct | dict[str, Any],
    *,
    owner: str = "",
    keyseq: int | None = None,
    correlation_id: str = "",
    causation: UUID | None = None,
    traceparent: str = "",
    test: bool = False,
) -> dict[str, Any]:
    """One event as a row. `type` is in events.catalog; `key` is subject and ordering key, such as
    `order/ORD-1` or `stock/OWNER/SKU`; `keyseq` is the document's version where it has one."""
    assert catalog.is_known(type, data), f"{type} with this payload is not in events.catalog"
    return {
        "warehouse_id": stamp.warehouse_id,
        "event_id": uuid7(),
        "type": type,
        "okey": key,
        "keyseq": keyseq,
        "subject": key,
        "owner": owner,
        "occurred_at": stamp.device_at or stamp.at,
        "recorded_at": stamp.at,
        "actor": stamp.actor,
        "correlation_id": correlation_id or stamp.correlation_id,
        "causation_id": str(causation or stamp.key),
        "data": msgspec.json.encode(data).decode(),
        "traceparent": traceparent or carried.traceparent.get(),
        "test": test,
    }


async def emit(
    tx: Tx,
    stamp: Stamp,
    type: str,
    key: str,
    data: msgspec.Struct | dict[str, Any],
    **envelope: Any,
) -> None:
    """Write one event (see `outbox_row`). Call it after the document's row is locked."""
    await tx.execute(EMIT, outbox_row(stamp, type, key, data, **envelope))
    wake.nudge()


async def emit_many(tx: Tx, events: list[dict[str, Any]]) -> None:
    """Write several events built with `outbox_row`, in their order, in one round trip."""
    if events:
        await tx.execute(EMIT, events)
        wake.nudge()
