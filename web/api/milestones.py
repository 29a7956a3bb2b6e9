"""What carriers tell us: statuses over the API, and signed webhooks.

    POST /v1/milestones                           one as JSON, or many as NDJSON
    GET, PUT /v1/milestone-codes/{source}         a partner's words for canonical codes
    PUT  /v1/hook-connections/{connection}        who may call us; answers its secret, once
    GET  /v1/hook-connections                     the partner's own; GET, DELETE one
    POST /hooks/{connection}                      a call, signed as Standard Webhooks says

A status is never refused for being late, and an unknown tracking number waits for its carton.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.exceptions import ClientException
from sqlalchemy import text

from web.api.asked import plain
from web.api.describe import describe
from web.api.kept import taken, tell_lines
from web.api.paging import json
from web.api.security import REQUEST, client_with
from web.api.writes import again, at_large
from web.paging import BadPage
from web.session import now
from wms.access.rules import ApiClient
from wms.carriers import hooks, milestones, rules
from wms.carriers.hooks import Call, Connection, ConnectionDoc
from wms.carriers.milestones import MilestoneDoc, MilestoneOutcome, check_milestone
from wms.db import Db, Tx
from wms.documents import BadDocument, DocumentError, NotJson, decode, parse
from wms.errors import Busy
from wms.events.keys import Vault
from wms.ids import uuid7
from wms.jobs.lines import LineOutcome
from wms.stamp import Stamp

NDJSON = "application/x-ndjson"
LINES_MAX, CHUNK, TRIES = 1000, 100, 3
Code = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(rules.CODES)})$")]
RawCode = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
CODES = "/v1/milestone-codes/{source:str}"
CONNECTIONS = "/v1/hook-connections"
CONNECTION = CONNECTIONS + "/{connection:str}"

FORGET_CODES = text("DELETE FROM milestone_code WHERE source = :source")
PUT_CODE = text(
    """
    INSERT INTO milestone_code (source, raw_code, code) VALUES (:source, :raw_code, :code)
    ON CONFLICT (source, raw_code) DO UPDATE SET code = excluded.code
    """
)


class MilestoneLine(MilestoneOutcome, frozen=True, omit_defaults=True, kw_only=True):
    """What became of a line; `line` counts from 1 as sent, empty lines too."""

    line: int


class MilestoneBatch(msgspec.Struct):
    """One outcome for each line that is not empty, in the order sent."""

    outcomes: list[MilestoneLine]


class CodeTable(msgspec.Struct):
    """Raw code (any case) -> canonical code. It goes before the tables we know."""

    codes: Annotated[dict[RawCode, Code], msgspec.Meta(max_length=500)]


class ConnectionList(msgspec.Struct):
    """Connections of one partner."""

    connections: list[Connection]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A call is kept; `outcome`: created, or exists when it came before."""

    outcome: str
    recorded: int = 0
    rejected: int = 0


@post("/v1/milestones", status_code=201, summary="Report carrier statuses",
      **describe("milestones:write", takes=MilestoneDoc,
                 answers={200: MilestoneOutcome, 201: MilestoneOutcome, 207: MilestoneBatch},
                 refuses=("malformed-body", "validation-failed")))  # fmt: skip
async def post_milestones(request: REQUEST) -> Response[Any]:
    """One: 201, or 200 when it is known. NDJSON: 207 with an outcome for each line.

    `parked`: no carton has that tracking number yet; it is kept for 30 days and recorded then.
    """
    partner = await at_large(request, "milestones:write")
    client, body = partner.client, await taken(request, partner)
    if request.headers.get("content-type", "").partition(";")[0].strip() == NDJSON:
        found = await _many(request, client, body)
        lines = [
            LineOutcome(line=each.line, outcome=each.outcome, errors=each.errors)
            for each in found
        ]
        await again(partner, lambda tx: tell_lines(tx, partner, "milestones", lines))
        return json(MilestoneBatch(found), 207)
    document, _unknown = parse(decode(body), MilestoneDoc)
    [done] = await _record(request, client, [document])
    return json(done, 200 if done.outcome == "exists" else 201)


async def _many(request: REQUEST, client: ApiClient, body: bytes) -> list[MilestoneLine]:
    numbered = [(n, line) for n, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not 1 <= len(numbered) <= LINES_MAX:
        raise BadDocument(
            [DocumentError("", "wrong-length", f"Expected 1 to {LINES_MAX} lines")]
        )
    outcomes: dict[int, MilestoneOutcome] = {}
    good: dict[int, MilestoneDoc] = {}
    for number, line in numbered:
        try:
            value = decode(line)
            errors = check_milestone(value)
        except NotJson as refusal:
            value, errors = {}, [DocumentError("", "malformed", str(refusal))]
        if errors:
            named = value.get("tracking_no", "") if isinstance(value, dict) else ""
            outcomes[number] = MilestoneOutcome(
                outcome="rejected", tracking_no=str(named)[:64], errors=errors
            )
        else:
            good[number] = msgspec.convert(value, MilestoneDoc)
    done = await _record(request, client, list(good.values()))
    outcomes |= dict(zip(good, done, strict=True))
    return [
        MilestoneLine(line=number, **msgspec.structs.asdict(outcomes[number]))
        for number, _ in numbered
    ]


async def _record(
    request: REQUEST, client: ApiClient, documents: list[MilestoneDoc]
) -> list[MilestoneOutcome]:
    """In short transactions; what went in stays in, and is known when it is sent again."""
    db: Db = request.app.state.db
    stamp = _stamp(request, client)
    done: list[MilestoneOutcome] = []
    for start in range(0, len(documents), CHUNK):
        part = documents[start : start + CHUNK]
        for _ in range(TRIES - 1):
            try:
                made = await _part(db, stamp, client, part)
                break
            except Busy:
                continue
        else:
            made = await _part(db, stamp, client, part)
        done += made
    return done


async def _part(
    db: Db, stamp: Stamp, client: ApiClient, documents: list[MilestoneDoc]
) -> list[MilestoneOutcome]:
    async with db.transaction() as tx:
        return [await milestones.record(tx, stamp, client, each) for each in documents]


def _stamp(request: REQUEST, client: ApiClient) -> Stamp:
    correlation = request.headers.get("x-correlation-id", "")[:128]
    return Stamp(warehouse_id=0, at=now(), key=uuid7(), actor=f"partner:{client.code}",
                 correlation_id=correlation)  # fmt: skip


@put(CODES, status_code=200, summary="A partner's words for canonical codes",
     **describe("milestones:write", takes=CodeTable, answers={200: CodeTable},
                refuses=("malformed-body", "validation-failed", "bad-request")))  # fmt: skip
async def put_codes(request: REQUEST) -> Response[Any]:
    """Replaces the table of this source; milestones recorded before keep their code."""
    client = await client_with(request, "milestones:write")
    source = f"{client.code}/{_word(request, 'source')}"
    table, _unknown = parse(decode(await request.body()), CodeTable)
    wrong = [word for word in table.codes if not word.isprintable()]
    if wrong:
        raise BadDocument([DocumentError("/codes", "wrong-format", "Unprintable", repr(wrong[0]))])
    codes = {word.strip().lower(): code for word, code in table.codes.items()}

    async def replace(tx: Tx) -> None:
        await tx.execute(FORGET_CODES, {"source": source})
        for word, code in sorted(codes.items()):
            await tx.execute(PUT_CODE, {"source": source, "raw_code": word, "code": code})

    async with request.app.state.db.transaction() as tx:
        await replace(tx)
    return json(CodeTable(codes))


@get(CODES, summary="A partner's words for canonical codes",
     **describe("milestones:write", answers={200: CodeTable},
                refuses=("bad-request",)))  # fmt: skip
async def get_codes(request: REQUEST) -> Response[Any]:
    client = await client_with(request, "milestones:write")
    source = _word(request, "source")
    async with request.app.state.db.reading() as tx:
        codes = await milestones.own_codes(tx, client.code, source)
    return json({"codes": codes})


@put(CONNECTION, status_code=200,
     summary="Let somebody send signed webhooks",
     **describe("milestones:write", takes=ConnectionDoc,
                answers={200: Connection, 201: Connection},
                refuses=("malformed-body", "validation-failed", "bad-request",
                         "conflict")))  # fmt: skip
async def put_connection(request: REQUEST) -> Response[Any]:
    """201 with the signing secret, which is shown once; 200 changed, and switched on again. What
    could not be read before is read again."""
    client = await client_with(request, "milestones:write")
    code = _word(request, "connection")
    if not code.isascii() or not code.replace("-", "").replace("_", "").isalnum():
        raise BadPage(name="connection", value=code)
    document, _unknown = parse(decode(await request.body()), ConnectionDoc)
    vault = Vault(request.app.state.settings)
    async with request.app.state.db.transaction() as tx:
        made = await hooks.put_connection(tx, client, code, document, vault)
    return json(made, 201 if made.outcome == "created" else 200)


@get(CONNECTIONS, summary="Connections of this partner",
     **describe("milestones:write", answers={200: ConnectionList}))  # fmt: skip
async def list_connections(request: REQUEST) -> Response[Any]:
    """By code, also those that are switched off. Secrets are not shown again."""
    client = await client_with(request, "milestones:write")
    async with request.app.state.db.reading() as tx:
        return json(ConnectionList(await hooks.list_connections(tx, client)))


@get(CONNECTION, summary="One connection",
     **describe("milestones:write", answers={200: Connection},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_connection(request: REQUEST) -> Response[Any]:
    client = await client_with(request, "milestones:write")
    async with request.app.state.db.reading() as tx:
        return json(await hooks.get_connection(tx, client, _word(request, "connection")))


@delete(CONNECTION, status_code=200, summary="Switch a connection off",
        **describe("milestones:write", answers={200: Connection},
                   refuses=("bad-request", "not-found")))  # fmt: skip
async def switch_off(request: REQUEST) -> Response[Any]:
    """Its calls are refused from now on; what it sent stays. `PUT` switches it on again, with the
    same secret."""
    client = await client_with(request, "milestones:write")
    async with request.app.state.db.transaction() as tx:
        return json(await hooks.switch_off(tx, client, _word(request, "connection")))


@post("/hooks/{connection:str}", status_code=202, request_max_body_size=hooks.BODY_MAX,
      summary="A signed call from a carrier",
      **describe(takes={}, answers={200: Heard, 202: Heard},
                 refuses=("forbidden", "not-found", "payload-too-large",
                          "malformed-body")))  # fmt: skip
async def hear(request: REQUEST) -> Response[Any]:
    """Kept before it is read, so 202 means that nothing of it can get lost any more."""
    call = Call(
        message_id=request.headers.get("webhook-id", ""),
        timestamp=request.headers.get("webhook-timestamp", ""),
        signature=request.headers.get("webhook-signature", ""), body=await request.body(),
    )  # fmt: skip
    if not 1 <= len(call.message_id) <= 200 or not call.message_id.isprintable():
        raise hooks.SignatureWrong()
    db: Db = request.app.state.db
    at = now()
    code = _word(request, "connection")
    async with db.reading() as tx:
        kept = await hooks.find_connection(tx, code)
    hooks.verify(kept, call, Vault(request.app.state.settings), at)
    async with db.transaction() as tx:
        new = await hooks.keep(tx, kept, call, at)
    stamp = Stamp(warehouse_id=0, at=at, key=uuid7(), actor=f"partner:{kept.client}")
    try:
        async with db.transaction() as tx:
            done = await hooks.read_message(tx, stamp, kept.id, call.message_id)
    except Busy:
        done = []  # the chore reads it in a moment
    bad = sum(each.outcome == "rejected" for each in done)
    heard = Heard(outcome="created" if new else "exists", recorded=len(done) - bad, rejected=bad)
    return json(heard, 202 if new else 200)


def _word(request: REQUEST, name: str) -> str:
    given = plain(str(request.path_params[name]), name, 64)
    if not given:
        raise ClientException(detail=f"`{name}` is empty")
    return given


HANDLERS = [
    post_milestones, put_codes, get_codes, put_connection, list_connections, get_connection,
    switch_off, hear,
]  # fmt: skip
