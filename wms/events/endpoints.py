"""The life of an endpoint: create, prove, sign with, pause, resume, skip.

An endpoint hears nothing before it has shown that it wants to (verification). Pause and suspension
keep its cursor; only `skip` gives events up, says which, and tells the world.
"""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text

from wms.db import Db, Tx, insert, row, rows
from wms.errors import Conflict, Refused
from wms.events import keys, rules, wake
from wms.events.catalog import EndpointEvent, EndpointSkipped, TestPing
from wms.events.egress import Egress, read_networks, read_url
from wms.events.envelope import TENANT, rfc3339
from wms.events.keys import Vault
from wms.events.new_endpoint import BadEndpoint, NewEndpoint, check_new
from wms.events.outbox import emit
from wms.events.queries import get_endpoint, list_sites
from wms.events.signing import live_secrets, store_secret
from wms.events.tables import endpoint as table
from wms.events.webhooks import Sender, content_type
from wms.ids import uuid7
from wms.settings import Settings
from wms.stamp import Stamp

ENDPOINTS_MAX, SECRETS_MAX, OVERLAP_DAYS = 50, 4, 7


class EndpointExists(Conflict):
    say = "There is an endpoint {endpoint} already."


class TooMany(Refused):
    say = "At most {most} {what}."


class WrongState(Conflict):
    say = "{endpoint} is {state}; it cannot be {verb}."


class Created(msgspec.Struct, kw_only=True):
    """`secret` is shown here and never again."""

    code: str
    kid: str
    secret: str


def egress_of(settings: Settings, allow: list[str] | None = None) -> Egress:
    """The operator's rule, widened by what an admin allowed for one endpoint. Raises BadNetwork."""
    return Egress(read_networks(",".join([settings.egress_allow, *(allow or [])])))


# Where an endpoint begins to hear. Warehouses that come later are heard from their first event.
PLACE_CURSORS = text(
    """
    INSERT INTO delivery_cursor (warehouse_id, endpoint_id, lane, pos)
    SELECT w.id, e.id, l.lane, CASE WHEN :at_head THEN coalesce(s.pos, 0) ELSE 0 END
      FROM endpoint e
      JOIN warehouse w ON e.warehouses = '{}' OR w.code = ANY (e.warehouses)
      CROSS JOIN LATERAL generate_series(0, e.lanes - 1) l (lane)
      LEFT JOIN seal_state s ON s.warehouse_id = w.id
     WHERE e.id = :id
    ON CONFLICT DO NOTHING
    """
)


async def create(
    tx: Tx, new: NewEndpoint, vault: Vault, egress: Egress, actor: str, at: datetime
) -> Created:
    """Add an endpoint, unverified, with its first secret. Emits endpoint.created.

    Raises EndpointExists, TooMany, BadEndpoint, BadUrl, BadPattern, BadPredicate.
    """
    await _check(tx, new, egress)
    values = msgspec.structs.asdict(new)
    start, alg = values.pop("start"), values.pop("alg")
    endpoint_id = await insert(
        tx, table, **values, nonce=secrets.token_urlsafe(24), created_at=at, created_by=actor
    )
    secret, shown = await store_secret(tx, endpoint_id, alg, vault, at)
    await tx.execute(PLACE_CURSORS, {"id": endpoint_id, "at_head": start == "now"})
    await tell(tx, new.code, "created", actor, at)
    return Created(code=new.code, kid=secret.kid, secret=shown)


async def _check(tx: Tx, new: NewEndpoint, egress: Egress) -> None:
    codes = list((await tx.execute(text("SELECT code FROM endpoint"))).scalars())
    if new.code in codes:
        raise EndpointExists(endpoint=new.code)
    if len(codes) >= ENDPOINTS_MAX:
        raise TooMany(most=ENDPOINTS_MAX, what="endpoints")
    read_url(new.url, egress)
    check_new(new, set((await list_sites(tx)).values()))


async def add_secret(
    tx: Tx,
    code: str,
    vault: Vault,
    actor: str,
    at: datetime,
    alg: str = keys.HMAC,
    overlap_days: int = OVERLAP_DAYS,
) -> Created:
    """Rotate: the new key and the old ones sign together until the overlap ends.

    Emits endpoint.secret_added. Raises TooMany.
    """
    if not 0 <= overlap_days <= 30 or alg not in (keys.HMAC, keys.ED25519):
        raise BadEndpoint(field="overlap_days", reason="0 to 30, and alg v1 or v1a")
    endpoint = await get_endpoint(tx, code)
    if len(await live_secrets(tx, [endpoint.id])) >= SECRETS_MAX:
        raise TooMany(most=SECRETS_MAX, what="live signing keys")
    ends = text(
        "UPDATE endpoint_secret SET expires_at = :ends WHERE endpoint_id = :id"
        " AND alg = :alg AND (expires_at IS NULL OR expires_at > :ends)"
    )
    values = {"id": endpoint.id, "alg": alg, "ends": at + timedelta(days=overlap_days)}
    await tx.execute(ends, values)
    secret, shown = await store_secret(tx, endpoint.id, alg, vault, at)
    await tell(tx, code, "secret_added", actor, at)
    return Created(code=code, kid=secret.kid, secret=shown)


# ---- verification --------------------------------------------------------------------------------

MAY_BE_VERIFIED = ("unverified", "active", "blocked")


class NotVerified(Refused):
    say = "{endpoint} did not prove itself: {reason}"


class _ToVerify(msgspec.Struct):
    id: int
    url: str
    state: str
    nonce: str
    allow: list[str]
    timeout_ms: int
    media: str
    mode: str


async def verify(db: Db, settings: Settings, code: str, actor: str) -> None:
    """Send the nonce and require it back, or take the CloudEvents handshake; then it is active.

    Emits endpoint.verified. Raises NotVerified, WrongState, UnknownEndpoint.
    """
    async with db.reading() as tx:
        view = await get_endpoint(tx, code)
        statement = text(
            "SELECT id, url, state, nonce, allow, timeout_ms, media, mode FROM endpoint"
            " WHERE id = :id"
        )
        found = await row(tx, statement, _ToVerify, id=view.id)
        assert found is not None, "an endpoint is never deleted"
        sealed = await live_secrets(tx, [found.id])
    if found.state not in MAY_BE_VERIFIED:
        raise WrongState(endpoint=code, state=found.state, verb="verified")
    vault = Vault(settings)
    egress = egress_of(settings, found.allow)
    named = content_type(found.media, found.mode)
    sender = Sender(found.url, egress, found.timeout_ms / 1000, 1, named)
    sender.secrets = [vault.open(secret) for secret in sealed]
    try:
        reason = await _prove(sender, found.nonce)
    finally:
        await sender.close()
    if reason:
        raise NotVerified(endpoint=code, reason=reason)
    async with db.transaction() as tx:
        done = text(
            "UPDATE endpoint SET state = 'active', verified_at = now()"
            " WHERE id = :id AND state IN ('unverified', 'active', 'blocked')"
        )
        await tx.execute(done, {"id": found.id})
        await tell(tx, code, "verified", actor, datetime.now(UTC))
    wake.reload()


async def _prove(sender: Sender, nonce: str) -> str:
    at = rfc3339(datetime.now(UTC))
    message_id = f"evt_{uuid7().hex}"
    body = msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": message_id,
            "type": "endpoint.verification",
            "source": f"/wms/{TENANT}",
            "time": at,
            "timestamp": at,
            "datacontenttype": "application/json",
            "data": {"nonce": nonce},
        }
    )
    outcome, answer = await sender.fetch_echo(message_id, body)
    if outcome.outcome == rules.OK and nonce in answer:
        return ""
    if await sender.allows_origin("wms"):
        return ""
    if outcome.outcome != rules.OK:
        return outcome.detail or f"it answered {outcome.status}"
    return "the answer does not hold the nonce that was sent"


# ---- pause, resume, skip -------------------------------------------------------------------------

SET_STATE = text(
    """
    UPDATE endpoint SET state = :state, breaker = 'closed', breaker_step = 0, breaker_until = NULL,
           failing_since = NULL, gone_at = NULL, open_in = '{}'
     WHERE id = :id AND state = ANY (CAST(:from_states AS text[]))
    """
)


async def pause(tx: Tx, code: str, actor: str, at: datetime) -> None:
    """Stop sending; the cursor stays. Emits endpoint.paused. Raises WrongState."""
    await _set_state(tx, code, "paused", ["active"], actor, at)


async def resume(tx: Tx, code: str, actor: str, at: datetime) -> None:
    """Go on in order where it stopped. Emits endpoint.resumed, and endpoint.skipped when the log
    is not kept so long. Raises WrongState."""
    await _set_state(tx, code, "resumed", ["paused", "suspended"], actor, at)
    await _move(tx, code, actor, at, PASS_GONE)


async def block(tx: Tx, code: str, cause: str) -> None:
    """Its address must not be called, or its filter cannot be read. Emits endpoint.blocked."""
    await _set_state(tx, code, "blocked", ["active"], "system:events", datetime.now(UTC), cause)


async def _set_state(
    tx: Tx, code: str, verb: str, before: list[str], actor: str, at: datetime, cause: str = ""
) -> None:
    endpoint = await get_endpoint(tx, code)
    state = "active" if verb == "resumed" else verb
    values = {"id": endpoint.id, "state": state, "from_states": before}
    if not (await tx.execute(SET_STATE, values)).rowcount:
        raise WrongState(endpoint=code, state=endpoint.state, verb=verb)
    await tell(tx, code, verb, actor, at, cause)


class _Skipped(msgspec.Struct):
    from_pos: int
    to_pos: int


# Raising the epoch ends whoever delivers now; nothing up to `to_pos` is sent any more.
SKIP = text(
    """
    UPDATE delivery_cursor c
       SET pos = s.pos, epoch = c.epoch + 1, lease_owner = '', lease_until = NULL
      FROM (SELECT lane, pos AS before FROM delivery_cursor
             WHERE warehouse_id = :warehouse_id AND endpoint_id = :id FOR UPDATE) old
      JOIN seal_state s ON s.warehouse_id = :warehouse_id
     WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = :id AND c.lane = old.lane
    RETURNING old.before AS from_pos, s.pos AS to_pos
    """
)
BURY = text(
    """
    UPDATE parked SET state = 'dead', next_at = NULL, last_class = 'skipped'
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :id AND state <> 'dead'
    """
)


# Events before the first one kept cannot be sent any more.
PASS_GONE = text(
    """
    UPDATE delivery_cursor c
       SET pos = s.first_pos - 1, epoch = c.epoch + 1, lease_owner = '', lease_until = NULL
      FROM (SELECT lane, pos AS before FROM delivery_cursor
             WHERE warehouse_id = :warehouse_id AND endpoint_id = :id FOR UPDATE) old
      JOIN seal_state s ON s.warehouse_id = :warehouse_id
     WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = :id AND c.lane = old.lane
       AND old.before < s.first_pos - 1
    RETURNING old.before AS from_pos, s.first_pos - 1 AS to_pos
    """
)


async def skip(tx: Tx, code: str, actor: str, at: datetime) -> None:
    """Give up what is not delivered yet: parked rows die, endpoint.skipped tells the range."""
    await _move(tx, code, actor, at, SKIP, bury=True)


async def _move(
    tx: Tx, code: str, actor: str, at: datetime, statement: TextClause, *, bury: bool = False
) -> None:
    endpoint = await get_endpoint(tx, code)
    for warehouse_id in await list_sites(tx):
        values = {"id": endpoint.id, "warehouse_id": warehouse_id}
        lanes = await rows(tx, statement, _Skipped, **values)
        if not lanes:
            continue
        if bury:
            await tx.execute(BURY, values)
        skipped = EndpointSkipped(
            endpoint_id=code,
            by=actor,
            from_pos=min(lane.from_pos for lane in lanes),
            to_pos=max(lane.to_pos for lane in lanes),
        )
        stamp = _stamp(warehouse_id, actor, at)
        await emit(tx, stamp, "endpoint.skipped", f"endpoint/{code}", skipped)


# A retry asked for by a person: dead or not, it is due now and may fail its full schedule again.
RETRY = text(
    """
    UPDATE parked SET state = 'due', next_at = now(), n = 0
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :id AND state IN ('dead', 'due')
       AND (CAST(:event_ids AS uuid[]) IS NULL OR event_id = ANY (CAST(:event_ids AS uuid[])))
    """
)


async def retry(tx: Tx, code: str, event_ids: list[UUID] | None = None) -> int:
    """Try parked deliveries again now, all or those named; returns how many."""
    endpoint = await get_endpoint(tx, code)
    asked = 0
    for warehouse_id in await list_sites(tx):
        values = {"id": endpoint.id, "warehouse_id": warehouse_id, "event_ids": event_ids}
        asked += (await tx.execute(RETRY, values)).rowcount
    return asked


async def ping(tx: Tx, stamp: Stamp, code: str) -> None:
    """Send a test event to one endpoint, through the log like any other. Emits test.ping."""
    await get_endpoint(tx, code)
    await emit(tx, stamp, "test.ping", f"endpoint/{code}", TestPing(), test=True)


async def tell(tx: Tx, code: str, verb: str, actor: str, at: datetime, cause: str = "") -> None:
    """Tell every warehouse the endpoint hears what happened to it."""
    endpoint = await get_endpoint(tx, code)
    for warehouse_id, site in (await list_sites(tx)).items():
        if not endpoint.warehouses or site in endpoint.warehouses:
            data = EndpointEvent(endpoint_id=code, name=endpoint.name, by=actor, cause=cause)
            stamp = _stamp(warehouse_id, actor, at)
            await emit(tx, stamp, f"endpoint.{verb}", f"endpoint/{code}", data)


def _stamp(warehouse_id: int, actor: str, at: datetime) -> Stamp:
    return Stamp(warehouse_id=warehouse_id, at=at, key=uuid7(), actor=actor)
