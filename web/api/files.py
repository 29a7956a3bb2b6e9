"""Files of documents: sent, checked without effect, reported line by line, read again.

    POST /v1/warehouses/{code}/files?kind=&mapping=&mode=&dry_run=&name=     the file as the body
    GET  /v1/warehouses/{code}/files?state=&kind=&after=&limit=              the newest first
    GET  /v1/warehouses/{code}/files/{id}                                    with its report
    GET  /v1/warehouses/{code}/files/{id}/errors                             NDJSON, what stayed out
    GET  /v1/warehouses/{code}/files/{id}/content                            as it came
    POST /v1/warehouses/{code}/files/{id}/retry                              {"mapping": "..."}
    GET  /v1/file-mappings                         GET, PUT /v1/file-mappings/{name}

A partner sees the files it sent and the mappings it keeps.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post, put

from web.api.admission import reading
from web.api.asked import flag, number, plain, word
from web.api.describe import describe
from web.api.paging import json, limit_of, page
from web.api.security import REQUEST, Partner, client_with, partner_of
from web.api.writes import again
from web.numbers import whole
from web.paging import BadPage
from web.session import now
from wms.db import Db, Tx
from wms.documents import decode, parse
from wms.files import inbox, mappings
from wms.files.inbox import FileCard, NewFile, NoSuchFile, NoSuchMapping
from wms.files.intake import take_in
from wms.files.mapping import Mapping
from wms.files.mappings import KeptMapping
from wms.files.reading import BYTES_MAX
from wms.files.tables import FILE_MODES, FILE_STATES
from wms.ids import uuid7
from wms.stamp import Stamp

FILES = "/v1/warehouses/{code:str}/files"
FILE = FILES + "/{id:str}"
MAPPINGS = "/v1/file-mappings"
NDJSON = "application/x-ndjson"
Kind = Literal["orders", "asns", "items", "milestones"]
State = Literal["", "received", "checked", "done", "partial", "failed"]


class FilePage(msgspec.Struct):
    """Files, the newest first."""

    files: list[FileCard]


class MappingList(msgspec.Struct):
    mappings: list[KeptMapping]


class Anew(msgspec.Struct):
    """How to read a file again: with this mapping and as this kind, or as it was."""

    kind: Kind | None = None
    mapping: Annotated[str, msgspec.Meta(max_length=64, pattern="^[A-Za-z0-9_-]*$")] | None = None


@post(FILES, status_code=201, request_max_body_size=BYTES_MAX, summary="Send a file of documents",
      **describe("files:write", takes={"type": "string"}, media="text/csv",
                 query={"kind": Kind, "mapping": str, "mode": Literal["", "atomic", "partial"],
                        "dry_run": bool, "name": str},
                 answers={200: FileCard, 201: FileCard},
                 refuses=("bad-request", "not-found", "malformed-body",
                          "payload-too-large")))  # fmt: skip
async def post_file(request: REQUEST) -> Response[Any]:
    """Kept first, then read. 201 with its report; 200 when these bytes came before.

    One of an unknown kind or mapping is kept too, and failed: it is read again when that is mended.
    A file that nothing of went in may be sent again: master data may have changed since.
    """
    partner = await partner_of(request, "files:write")
    mode = word(request, "mode")
    if mode and mode not in FILE_MODES:
        raise BadPage(name="mode", value=mode)
    new = NewFile(
        kind=word(request, "kind"), name=word(request, "name") or "upload",
        sender=_sender(partner), content=await request.body(), mode=mode,
        mapping=word(request, "mapping", 64), dry_run=flag(request, "dry_run"),
        owner_ids=partner.client.owner_ids,
    )  # fmt: skip

    async def store(tx: Tx) -> tuple[int, str]:
        return await inbox.store(tx, partner.stamp, new, partner.stamp.at)

    file_id, outcome = await again(partner, store)
    if outcome != "exists":
        await take_in(partner.db, partner.stamp, file_id)
    card = msgspec.structs.replace(await _card(partner, file_id), outcome=outcome)
    return json(card, 200 if outcome == "exists" else 201)


@get(FILES, summary="Files that this partner sent",
     **describe("files:read", query={"state": State, "kind": str, "after": int, "limit": int},
                answers={200: FilePage}, refuses=("bad-request", "not-found"),
                listed=True))  # fmt: skip
async def list_files(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "files:read")
    limit = limit_of(request, inbox.PAGE_MAX)
    state = word(request, "state")
    if state and state not in FILE_STATES:
        raise BadPage(name="state", value=state)
    async with reading(partner) as tx:
        found = await inbox.list_files(
            tx, partner.stamp, sender=_sender(partner), state=state, kind=word(request, "kind"),
            before=number(request, "after") or 2**62, limit=limit,
        )  # fmt: skip
    return page(request, "files", list(found), limit, found[-1].id if found else "")


@get(FILE, summary="One file with its report",
     **describe("files:read", answers={200: FileCard},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_file(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "files:read")
    return json(await _card(partner, _id(request)))


@get(f"{FILE}/errors", summary="The documents of a file that did not go in",
     **describe("files:read", answers={200: inbox.LineReport}, answer_media=NDJSON,
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_errors(request: REQUEST) -> Response[Any]:
    """A line for each: its lines in the file, all its errors, and the document as it was read."""
    partner = await partner_of(request, "files:read")
    async with reading(partner) as tx:
        _content, errors = await inbox.read_content(
            tx, partner.stamp, _id(request), _sender(partner)
        )
    return Response(errors.encode(), media_type=NDJSON)


@get(f"{FILE}/content", summary="A file as it came",
     **describe("files:read", answers={200: {"type": "string"}},
                answer_media="application/octet-stream",
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_content(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "files:read")
    async with reading(partner) as tx:
        content, _errors = await inbox.read_content(
            tx, partner.stamp, _id(request), _sender(partner)
        )
    return Response(content, media_type="application/octet-stream")


@post(f"{FILE}/retry", status_code=200, summary="Read a file again",
      **describe("files:write", takes=Anew, answers={200: FileCard},
                 refuses=("bad-request", "malformed-body", "validation-failed", "not-found",
                          "conflict")))  # fmt: skip
async def retry_file(request: REQUEST) -> Response[Any]:
    """After a mapping or master data changed. A dry run that is read again stays one."""
    partner = await partner_of(request, "files:write")
    body = await request.body()
    anew, _unknown = parse(decode(body) if body else {}, Anew)
    file_id = _id(request)

    async def retry(tx: Tx) -> None:
        await inbox.retry(
            tx, partner.stamp, file_id, anew.mapping, _sender(partner), anew.kind or ""
        )

    await again(partner, retry)
    await take_in(partner.db, partner.stamp, file_id)
    return json(await _card(partner, file_id))


@put(f"{MAPPINGS}/{{name:str}}", status_code=200, summary="Keep a mapping of columns to members",
     **describe("files:write", takes=Mapping, answers={200: KeptMapping, 201: KeptMapping},
                refuses=("malformed-body", "validation-failed", "bad-request")))  # fmt: skip
async def put_mapping(request: REQUEST) -> Response[Any]:
    """Idempotent. 201 created, 200 updated or unchanged."""
    code, db, name = await _keeper(request, "files:write")
    mapping, _unknown = parse(decode(await request.body()), Mapping)
    stamp = Stamp(warehouse_id=0, at=now(), key=uuid7(), actor=f"partner:{code}")
    async with db.transaction() as tx:
        kept = await mappings.put(tx, stamp, code, name, mapping)
    return json(kept, 201 if kept.outcome == "created" else 200)


@get(f"{MAPPINGS}/{{name:str}}", summary="One mapping",
     **describe("files:read", answers={200: KeptMapping},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_mapping(request: REQUEST) -> Response[Any]:
    code, db, name = await _keeper(request, "files:read")
    async with db.reading() as tx:
        return json(await mappings.get(tx, code, name))


@get(MAPPINGS, summary="Mappings of this partner",
     **describe("files:read", answers={200: MappingList}))  # fmt: skip
async def list_mappings(request: REQUEST) -> Response[Any]:
    client = await client_with(request, "files:read")
    db: Db = request.app.state.db
    async with db.reading() as tx:
        return json(MappingList(list(await mappings.list_mappings(tx, client.code))))


async def _keeper(request: REQUEST, scope: str) -> tuple[str, Db, str]:
    client = await client_with(request, scope)
    name = plain(str(request.path_params["name"]), "name", 64)
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise NoSuchMapping(mapping=name, kind="any kind")
    return client.code, request.app.state.db, name


def _sender(partner: Partner) -> str:
    return f"partner:{partner.client.code}"


def _id(request: REQUEST) -> int:
    given = str(request.path_params["id"])
    id = whole(given)
    if id is None:
        raise NoSuchFile(file=repr(given[:40]))
    return id


async def _card(partner: Partner, file_id: int) -> FileCard:
    async with reading(partner) as tx:
        return await inbox.find(tx, partner.stamp, file_id, _sender(partner))


HANDLERS = [
    post_file, list_files, get_file, get_errors, get_content, retry_file, put_mapping, get_mapping,
    list_mappings,
]  # fmt: skip
