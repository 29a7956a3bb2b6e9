"""Signed webhooks of carriers and their aggregators: kept as they came, then read.

The signature is that of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. A message that
cannot be read stays, with the reason; it is read again when its connection's members change.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.access.rules import ApiClient
from wms.carriers.milestones import (
    MilestoneDoc,
    MilestoneOutcome,
    Word,
    check_milestone,
    record,
)
from wms.db import Tx, row, rows
from wms.documents import DocumentError
from wms.errors import Conflict, Denied, NotFound
from wms.events.keys import HMAC, SealedSecret, Vault, new_secret
from wms.exceptions import life
from wms.exceptions.following import briefly
from wms.stamp import Stamp

TOLERANCE = timedelta(minutes=5)
BODY_MAX = 1024 * 1024
LIST_MAX = 1000
Pointer = Annotated[str, Meta(max_length=200, pattern="^(/[^\\x00]*)?$")]


class NoSuchConnection(NotFound):
    say = "There is no connection {connection}."


class SignatureWrong(Denied):
    say = "The signature of this message is wrong, or it is older than five minutes."


class ConnectionOff(Denied):
    say = "Connection {connection} is switched off. Whoever made it can switch it on again."


class ConnectionTaken(Conflict):
    say = "There is a connection {connection} of somebody else."


class ConnectionDoc(msgspec.Struct, frozen=True, kw_only=True):
    """How to read somebody's webhooks. `list_at` points to the list of statuses in their body, if
    it is one; `members`: our member (`tracking_no`, `raw_code`, …) -> JSON Pointer in each."""

    source: Word
    members: Annotated[dict[Word, Pointer], Meta(max_length=20)] = {}
    list_at: Pointer = ""


class Connection(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A connection; `secret` is shown once, when it is made. Calls of one that is not `active` are
    refused."""

    code: str
    source: str
    members: dict[str, str]
    url: str
    active: bool
    list_at: str = ""
    outcome: str = ""
    secret: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call as it came."""

    message_id: str
    timestamp: str
    signature: str
    body: bytes


class _Kept(msgspec.Struct, kw_only=True):
    id: int
    code: str
    client: str
    warehouse_ids: tuple[int, ...]
    owner_ids: tuple[int, ...]
    source: str
    members: str
    kid: str
    sealed: Any
    active: bool

    def read_members(self) -> dict[str, str]:
        return msgspec.json.decode(self.members, type=dict[str, str])


class _Message(msgspec.Struct, kw_only=True):
    id: int
    body: Any
    received_at: datetime


_KEPT = """
    SELECT id, code, client, warehouse_ids, owner_ids, source, CAST(members AS text) AS members,
           kid, sealed, active
      FROM hook_connection
"""
FIND = text(f"{_KEPT} WHERE code = :code")
BY_ID = text(f"{_KEPT} WHERE id = :id")
OF_CLIENT = text(f"{_KEPT} WHERE client = :client ORDER BY code")
SWITCH_OFF = text("UPDATE hook_connection SET active = false WHERE id = :id")
CREATE = text(
    """
    INSERT INTO hook_connection (code, client, warehouse_ids, owner_ids, source, members, kid,
                                 sealed)
    VALUES (:code, :client, :warehouse_ids, :owner_ids, :source, CAST(:members AS jsonb), :kid,
            :sealed)
    ON CONFLICT (code) DO NOTHING
    RETURNING id
    """
)
CHANGE = text(
    """
    UPDATE hook_connection SET source = :source, members = CAST(:members AS jsonb),
           warehouse_ids = :warehouse_ids, owner_ids = :owner_ids, active = true
     WHERE code = :code
    """
)
AGAIN = text(
    "UPDATE hook_message SET state = 'received' WHERE connection_id = :id AND state = 'failed'"
)
KEEP = text(
    """
    INSERT INTO hook_message (connection_id, message_id, body, received_at)
    VALUES (:connection_id, :message_id, :body, :at)
    ON CONFLICT (connection_id, message_id) DO NOTHING
    RETURNING id
    """
)
TAKE = text(
    """
    SELECT id, body, received_at FROM hook_message
     WHERE connection_id = :connection_id AND message_id = :message_id AND state = 'received'
       FOR UPDATE
    """
)
WAITING = text(
    """
    SELECT m.connection_id AS id, m.message_id FROM hook_message m
     WHERE m.state = 'received' AND m.received_at < :before ORDER BY m.id LIMIT 100
    """
)
CLOSE = text(
    "UPDATE hook_message SET state = :state, report = CAST(:report AS jsonb) WHERE id = :id"
)


class Waiting(msgspec.Struct, frozen=True):
    """A message that was kept and not read."""

    id: int
    message_id: str


class _Id(msgspec.Struct):
    id: int


async def put_connection(
    tx: Tx, client: ApiClient, code: str, document: ConnectionDoc, vault: Vault
) -> Connection:
    """Make or change a connection, and switch it on; messages of it that failed are read again.

    Raises ConnectionTaken.
    """
    members = dict(document.members) | ({"": document.list_at} if document.list_at else {})
    values = {
        "code": code, "client": client.code, "source": document.source,
        "warehouse_ids": list(client.warehouse_ids), "owner_ids": list(client.owner_ids),
        "members": msgspec.json.encode(members).decode(),
    }  # fmt: skip
    secret, shown, _public = new_secret()
    made = await row(tx, CREATE, _Id, **values, kid=secret.kid, sealed=vault.seal(secret))
    outcome = "created"
    if made is None:
        known = await find_connection(tx, code)
        if known.client != client.code:
            raise ConnectionTaken(connection=code)
        await tx.execute(CHANGE, {k: v for k, v in values.items() if k != "client"})
        await tx.execute(AGAIN, {"id": known.id})
        outcome, shown = "updated", ""
    return Connection(
        code=code, source=document.source, members=dict(document.members),
        list_at=document.list_at, url=_url(code), active=True, outcome=outcome, secret=shown,
    )  # fmt: skip


async def list_connections(tx: Tx, client: ApiClient) -> list[Connection]:
    """The partner's own, by code."""
    return [_shown(each) for each in await rows(tx, OF_CLIENT, _Kept, client=client.code)]


async def get_connection(tx: Tx, client: ApiClient, code: str) -> Connection:
    """Raises NoSuchConnection, also for somebody else's."""
    return _shown(await _own(tx, client, code))


async def switch_off(tx: Tx, client: ApiClient, code: str) -> Connection:
    """From now on its calls are refused; what it kept stays. Raises NoSuchConnection."""
    kept = await _own(tx, client, code)
    await tx.execute(SWITCH_OFF, {"id": kept.id})
    kept.active = False
    return _shown(kept)


async def _own(tx: Tx, client: ApiClient, code: str) -> _Kept:
    found = await find_connection(tx, code)
    if found.client != client.code:
        raise NoSuchConnection(connection=code)
    return found


def _shown(kept: _Kept) -> Connection:
    members = kept.read_members()
    list_at = members.pop("", "")
    return Connection(
        code=kept.code, source=kept.source, members=members, list_at=list_at, url=_url(kept.code),
        active=kept.active,
    )  # fmt: skip


def _url(code: str) -> str:
    return f"/hooks/{code}"


async def find_connection(tx: Tx, code: str) -> _Kept:
    """Raises NoSuchConnection."""
    found = await row(tx, FIND, _Kept, code=code)
    if found is None:
        raise NoSuchConnection(connection=code)
    return found


def verify(kept: _Kept, call: Call, vault: Vault, at: datetime) -> None:
    """Raises SignatureWrong, ConnectionOff."""
    fresh = call.timestamp.isascii() and call.timestamp.isdigit() and len(call.timestamp) < 12
    if not fresh or abs(at.timestamp() - int(call.timestamp)) > TOLERANCE.total_seconds():
        raise SignatureWrong()
    row_of = SealedSecret(endpoint_id=0, kid=kept.kid, alg=HMAC, sealed=bytes(kept.sealed),
                          active_from=at)  # fmt: skip
    content = f"{call.message_id}.{call.timestamp}.".encode() + call.body
    right = hmac.digest(vault.open(row_of).key, content, "sha256")
    for entry in call.signature.split():
        alg, _, given = entry.partition(",")
        try:
            if alg == HMAC and hmac.compare_digest(base64.b64decode(given, validate=True), right):
                if not kept.active:
                    raise ConnectionOff(connection=kept.code)
                return
        except (binascii.Error, ValueError):
            continue
    raise SignatureWrong()


async def keep(tx: Tx, kept: _Kept, call: Call, at: datetime) -> bool:
    """Store a verified call; False when this message came before."""
    values = {"connection_id": kept.id, "message_id": call.message_id, "body": call.body, "at": at}
    return await row(tx, KEEP, _Id, **values) is not None


async def list_waiting(tx: Tx, at: datetime) -> Sequence[Waiting]:
    """Messages that nobody read: the process that kept them died, or they are read again."""
    return await rows(tx, WAITING, Waiting, before=at - timedelta(seconds=30))


async def read_message(
    tx: Tx, stamp: Stamp, connection_id: int, message_id: str
) -> list[MilestoneOutcome]:
    """Record what a kept message says; nothing when somebody else did. Locks the message."""
    kept = await row(tx, BY_ID, _Kept, id=connection_id)
    values = {"connection_id": connection_id, "message_id": message_id}
    message = await row(tx, TAKE, _Message, **values)
    if kept is None or message is None:
        return []
    client = ApiClient(id=0, code=kept.client, warehouse_ids=kept.warehouse_ids,
                       owner_ids=kept.owner_ids, scopes=())  # fmt: skip
    stamp = msgspec.structs.replace(stamp, actor=f"partner:{kept.client}", at=message.received_at)
    outcomes: list[MilestoneOutcome] = []
    for given, errors in read_body(bytes(message.body), kept.source, kept.read_members()):
        if given is None:
            outcomes.append(MilestoneOutcome(outcome="rejected", tracking_no="", errors=errors))
        else:
            outcomes.append(await record(tx, stamp, client, given))
    bad = any(each.outcome == "rejected" for each in outcomes) or not outcomes
    await tx.execute(CLOSE, {
        "id": message.id, "state": "failed" if bad else "done",
        "report": msgspec.json.encode(outcomes).decode(),
    })  # fmt: skip
    if kept.warehouse_ids:
        await _tell(tx, msgspec.structs.replace(stamp, warehouse_id=kept.warehouse_ids[0]), kept,
                    message_id, outcomes, bad)  # fmt: skip
    return outcomes


async def _tell(
    tx: Tx, stamp: Stamp, kept: _Kept, message_id: str, outcomes: list[MilestoneOutcome], bad: bool
) -> None:  # fmt: skip
    """A message that could not be read is somebody's until one of its connection can be."""
    code, subject = "document_refused", f"hooks/{kept.code}"
    if not bad:
        await life.resolve_cured(tx, stamp, code, subject, "A message of it was read.")
        return
    errors = [msgspec.to_builtins(error) for each in outcomes for error in each.errors]
    facts = {"errors": briefly(errors), "count": len(errors), "message": message_id,
             "sender": f"partner:{kept.client}"}  # fmt: skip
    await life.open_exception(tx, stamp, code, subject, facts)


def read_body(
    body: bytes, source: str, members: dict[str, str]
) -> list[tuple[MilestoneDoc | None, list[DocumentError]]]:
    """The statuses of a body, each with its errors. Pure."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return [(None, [DocumentError("", "malformed", f"Not JSON: {error}")])]
    listed = follow(value, members.get("", ""))
    each_of = listed if isinstance(listed, list) else [listed]
    if len(each_of) > LIST_MAX:
        return [(None, [DocumentError("", "wrong-length", f"More than {LIST_MAX} statuses")])]
    made: list[tuple[MilestoneDoc | None, list[DocumentError]]] = []
    for each in each_of:
        document = {"source": source}
        for name in MilestoneDoc.__struct_fields__:
            found = follow(each, members.get(name, f"/{name}"))
            if found is not None and name != "source":
                document[name] = str(found) if isinstance(found, (int, float)) else found
        errors = check_milestone(document)
        made.append((None if errors else msgspec.convert(document, MilestoneDoc), errors))
    return made


def follow(value: Any, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) leads to, or None."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 7:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value
