"""Does the endpoint answer now? One signed request at once, outside the stream, on a person's word.

A trial carries a sample with an id of its own and `test: true`; it is logged as an attempt without
a position. A probe that is answered lets an open breaker look at once with the next real event.
"""

import json
from datetime import UTC, datetime

import msgspec
from sqlalchemy import text

from wms.db import Db, row
from wms.events import endpoints, rules, wake
from wms.events.bodies import masked
from wms.events.envelope import LogRow, Site, public_id
from wms.events.keys import Vault
from wms.events.masks import Mask
from wms.events.outcomes import ADD_ATTEMPT, Batch
from wms.events.queries import EndpointView
from wms.events.samples import sample_data
from wms.events.signing import live_secrets
from wms.events.webhooks import Sender, content_type
from wms.events.window import Item
from wms.ids import uuid7
from wms.settings import Settings


class Tried(msgspec.Struct, kw_only=True):
    """What came of one request. `status` 0 means no answer; `probed` that an open breaker was told
    to look with the next real event."""

    id: str
    type: str
    status: int
    outcome: str
    detail: str
    body: str
    total_ms: int
    probed: bool = False


class _Allowed(msgspec.Struct):
    allow: list[str]


ALLOWED = text("SELECT allow FROM endpoint WHERE id = :id")

# A change of `probes` makes whoever delivers begin anew, with the pause of the breaker over.
PROBE = text(
    """
    UPDATE endpoint SET probes = probes + 1, breaker_until = now()
     WHERE id = :id AND state = 'active' AND breaker = 'open'
    """
)


async def try_out(
    db: Db, settings: Settings, view: EndpointView, warehouse_id: int, site: Site, type: str
) -> Tried:
    """Send a sample of a type and wait for the answer. Raises UnknownType, BadUrl, WrongState."""
    if view.state in ("unverified", "blocked"):
        raise endpoints.WrongState(endpoint=view.code, state=view.state, verb="tried out")
    data = sample_data(type)
    vault = Vault(settings)
    now = datetime.now(UTC)
    event = LogRow(
        pos=0, event_id=uuid7(), lane=0, type=type, okey=f"endpoint/{view.code}", keyseq=None,
        subject=f"endpoint/{view.code}", owner="", occurred_at=now, recorded_at=now,
        actor="system:trial", correlation_id="", causation_id="", data=data.decode(), test=True,
    )  # fmt: skip
    body = masked(event, site, Mask(view.mask_profile, vault.mask_key))
    async with db.reading() as tx:
        allowed = await row(tx, ALLOWED, _Allowed, id=view.id)
        sealed = await live_secrets(tx, [view.id])
    egress = endpoints.egress_of(settings, allowed.allow if allowed else [])
    named = content_type(view.media, view.mode)
    sender = Sender(view.url, egress, view.timeout_ms / 1000, 1, named)
    sender.secrets = [vault.open(secret) for secret in sealed]
    batch = f"bat_{uuid7().hex}" if view.mode == "batch" else ""
    try:
        headers = {"webhook-type": "batch" if batch else type, "webhook-test": "true"}
        body = b"[" + body + b"]" if batch else body
        outcome = await sender.post(batch or public_id(event.event_id), body, headers)
    finally:
        await sender.close()
    async with db.transaction() as tx:
        made = Batch()
        made.log(Item(event, event.okey, "test"), outcome, batch)
        values = {"warehouse_id": warehouse_id, "endpoint_id": view.id}
        await tx.execute(ADD_ATTEMPT, {**values, "attempts": json.dumps(made.attempts)})
    return Tried(
        id=public_id(event.event_id), type=type, status=outcome.status, outcome=outcome.outcome,
        detail=outcome.detail, body=outcome.body, total_ms=outcome.total_ms,
    )  # fmt: skip


async def probe(
    db: Db, settings: Settings, view: EndpointView, warehouse_id: int, site: Site
) -> Tried:
    """Try it out; when it answers and its breaker is open, delivery looks again now."""
    tried = await try_out(db, settings, view, warehouse_id, site, "test.ping")
    if tried.outcome == rules.OK:
        async with db.transaction() as tx:
            tried.probed = bool((await tx.execute(PROBE, {"id": view.id})).rowcount)
        wake.reload()
    return tried
