"""What a partner may open bounds what its endpoints hear, also after they were made.

Call `bound` in the transaction that changes a client: its endpoints are narrowed to its warehouses
and owners and to the masks it may see, and rest where nothing is left. Delivery takes a changed
endpoint up by itself. What is opened wider later is the partner's to ask for.
"""

from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.access.clients import ClientView
from wms.db import Tx, rows
from wms.events import endpoints
from wms.events.masks import OPEN_PROFILES

SCOPE = "webhooks:write"


class _Endpoint(msgspec.Struct, kw_only=True):
    id: int
    code: str
    state: str
    warehouses: list[str]
    owners: list[str]
    mask_profile: str


MINE = text(
    """
    SELECT id, code, state, warehouses, owners, mask_profile FROM endpoint
     WHERE created_by = :actor ORDER BY id FOR UPDATE
    """
)
NARROW = text(
    """
    UPDATE endpoint SET warehouses = :warehouses, owners = :owners, mask_profile = :mask_profile
     WHERE id = :id
    """
)
# Deliveries that wait for a retry must not come after all. Their events stay in the log.
FORGET = text(
    """
    DELETE FROM parked p USING event_log e
     WHERE p.endpoint_id = :id AND e.warehouse_id = p.warehouse_id AND e.pos = p.pos
       AND cardinality(CAST(:owners AS text[])) > 0 AND e.owner <> ALL (CAST(:owners AS text[]))
    """
)


async def bound(tx: Tx, client: ClientView, actor: str, at: datetime) -> None:
    """Locks the client's endpoints. Emits endpoint.paused."""
    barred = not client.active or SCOPE not in client.scopes
    for each in await rows(tx, MINE, _Endpoint, actor=f"partner:{client.code}"):
        warehouses = _within(each.warehouses, client.warehouses)
        owners = _within(each.owners, client.owners) if client.owners else each.owners
        nothing = not warehouses or (client.owners and not owners)
        if (nothing or barred) and each.state == "active":
            await endpoints.pause(tx, each.code, actor, at)
        mask = each.mask_profile
        if mask not in OPEN_PROFILES and "masks:admin" not in client.scopes:
            mask = OPEN_PROFILES[0]
        # An empty list would mean all: whoever wakes it hears what is allowed, or no warehouse.
        values = {
            "warehouses": warehouses or list(client.warehouses) or [""],
            "owners": owners or list(client.owners), "mask_profile": mask,
        }  # fmt: skip
        if values != {name: getattr(each, name) for name in values}:
            await tx.execute(NARROW, {"id": each.id, **values})
            await tx.execute(FORGET, {"id": each.id, "owners": values["owners"]})


def _within(heard: list[str], allowed: tuple[str, ...]) -> list[str]:
    """Of what is heard, what is allowed; hearing all means all that is allowed."""
    return [code for code in heard if code in allowed] if heard else list(allowed)
