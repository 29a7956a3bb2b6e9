"""Would an endpoint hear an event? The same judgement as delivery makes, and the reason."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events.envelope import MAJOR, LogRow, public_id
from wms.events.leases import EndpointRow
from wms.events.queries import COLUMNS, EndpointView, UnknownEvent
from wms.events.schemas import require_type
from wms.events.subscription import Subscription

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
Number = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]


class GivenEvent(msgspec.Struct, kw_only=True):
    """An envelope as it is delivered; only what filters look at is read."""

    type: str
    subject: str = ""
    partitionkey: str = ""
    sequence: Number = "0"
    keyseq: Number | None = None
    owner: str = ""
    actor: str = ""
    correlationid: str = ""
    data: dict[str, Any] = {}

    def as_row(self) -> LogRow:
        """Raises UnknownType."""
        require_type(self.type, str(MAJOR))
        return LogRow(
            pos=int(self.sequence), event_id=UUID(int=0), lane=0, type=self.type,
            okey=self.partitionkey or self.subject,
            keyseq=None if self.keyseq is None else int(self.keyseq),
            subject=self.subject or self.partitionkey, owner=self.owner, occurred_at=_NEVER,
            recorded_at=_NEVER, actor=self.actor, correlation_id=self.correlationid,
            causation_id="", data=msgspec.json.encode(self.data).decode(),
        )  # fmt: skip


class Judged(msgspec.Struct, kw_only=True):
    """`because` names what keeps the event away: type, owner, itself or filter."""

    wanted: bool
    because: str


FIND = text(
    f"""
    SELECT {COLUMNS} FROM event_log
     WHERE warehouse_id = ANY (CAST(:warehouses AS int[])) AND event_id = :event_id
       AND (CAST(:owners AS text[]) IS NULL OR owner = ANY (CAST(:owners AS text[])))
     LIMIT 1
    """
)


async def find_named(
    tx: Tx, warehouses: list[int], event_id: UUID, owners: set[str] | None
) -> LogRow:
    """A logged event in one of these warehouses. Raises UnknownEvent."""
    names = None if owners is None else sorted(owners)
    values = {"warehouses": warehouses, "event_id": event_id, "owners": names}
    found = await row(tx, FIND, LogRow, **values)
    if found is None:
        raise UnknownEvent(event=public_id(event_id))
    return found


def judge(
    view: EndpointView,
    event: LogRow,
    types: list[str] | None = None,
    owners: list[str] | None = None,
    predicate: dict[str, Any] | None = None,
) -> Judged:
    """With the endpoint's choice, or what is given instead. Raises BadPattern, BadPredicate."""
    chosen = Subscription(
        EndpointRow(
            id=view.id, code=view.code, url=view.url, warehouses=view.warehouses,
            types=view.types if types is None else types,
            owners=view.owners if owners is None else owners,
            predicate=view.predicate if predicate is None else predicate, mode=view.mode,
            media=view.media, lanes=1,
            max_batch=1, max_inflight=1, rate_per_s=None, timeout_ms=view.timeout_ms,
            mask_profile=view.mask_profile, conflate=view.conflate, on_dead=view.on_dead,
            log_attempts=view.log_attempts, allow=[],
        )
    )  # fmt: skip
    why_not = chosen.why_not(event)
    return Judged(wanted=not why_not, because=why_not)
