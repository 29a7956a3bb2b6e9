"""Who did it, on which device, in which warehouse, when, under which request key."""

from datetime import datetime
from uuid import UUID

import msgspec


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """Attribution of one act. Every writing procedure takes it second, after the transaction.

    `at` is server time (aware UTC) and the only clock a procedure sees; `device_at` is what the
    device says; `key` is the request key of the act (also the idempotency key).
    """

    warehouse_id: int
    at: datetime
    key: UUID
    user_id: int | None = None
    actor: str = "system:wms"  # user:<code> | partner:<code> | system:<name>
    device: str = ""
    device_at: datetime | None = None
    correlation_id: str = ""

    def along(self, correlation_id: str) -> "Stamp":
        """The same act as a step of a document's flow, whose correlation id its events carry."""
        if not correlation_id:
            return self
        return msgspec.structs.replace(self, correlation_id=correlation_id)
