"""Files that came in: what became of each, what stayed out and why, read again after a change.

GET  /office/files?state=&kind=&before=      POST /office/files            upload, dry or for good
GET  /office/files/{id}                      its report and the mapping it was read by
GET  /office/files/{id}/errors               NDJSON            GET …/content     as it came
POST /office/files/{id}/retry                mapping=<name>, kind=<name>
POST /office/files/{id}/mapping              text=<JSON>, then the file is read again by it
"""

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from web.numbers import MOST, whole
from web.office.frame import GUARDS, REQUEST, face_of, field, onward, page
from web.office.writing import writing
from web.session import session_of, stamp_of
from wms.access.rules import Session
from wms.documents import BadDocument, decode, parse
from wms.errors import Invalid, WmsError
from wms.files import inbox, mappings
from wms.files.inbox import NewFile, NoSuchMapping, client_of
from wms.files.intake import take_in
from wms.files.kinds import KINDS
from wms.files.mapping import Mapping
from wms.files.reading import BYTES_MAX, begin_mapping
from wms.files.tables import FILE_STATES
from wms.stamp import Stamp

PAGE = 50


@get("/office/files", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    asked = request.query_params
    state = asked.get("state", "") if asked.get("state", "") in FILE_STATES else ""
    kind = asked.get("kind", "") if asked.get("kind", "") in KINDS else ""
    last = whole(asked.get("before", "")) or MOST
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        files = await inbox.list_files(
            tx, face.stamp, state=state, kind=kind, before=last, limit=PAGE
        )
        kept = await mappings.list_mappings(tx, "")
    more = ""
    if len(files) == PAGE:
        more = "/office/files?" + urlencode({"state": state, "kind": kind, "before": files[-1].id})
    return page(
        request, face, "files", "files", files=files, kinds=list(KINDS), states=FILE_STATES,
        chosen_state=state, chosen_kind=kind, mappings=kept, more=more,
    )  # fmt: skip


@post("/office/files", guards=GUARDS, include_in_schema=False,
      request_max_body_size=BYTES_MAX + 65_536)  # fmt: skip
async def upload(request: REQUEST) -> Response[Any]:
    """A file from a person's desk; dry unless the other button was pressed."""
    session = await session_of(request)
    stamp = stamp_of(session)
    form = await request.form()
    sent = form.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        return onward("/office/files?" + urlencode({"message": "Choose a file first."}))
    name = "".join(each for each in sent.filename if each.isprintable())
    new = NewFile(
        kind=field(form, "kind"), name=name, sender=_sender(session), content=await sent.read(),
        mapping=field(form, "mapping"), mode=field(form, "mode") if field(form, "mode") in
        ("atomic", "partial") else "", dry_run=field(form, "act") != "take",
    )  # fmt: skip
    try:
        async with writing(request) as write:
            file_id, outcome = await inbox.store(write.tx, stamp, new, stamp.at)
            kept = {"name": name, "kind": new.kind, "dry_run": new.dry_run, "outcome": outcome}
            await write.note("file.uploaded", f"file/{file_id}", after=kept)
    except WmsError as refusal:
        return onward("/office/files?" + urlencode({"message": str(refusal)}))
    if outcome == "exists":
        said = "These bytes came before: this is what became of them."
        return onward(f"/office/files/{file_id}?" + urlencode({"message": said}))
    await take_in(request.app.state.db, stamp, file_id)
    return onward(f"/office/files/{file_id}")


@get("/office/files/{file_id:int}", guards=GUARDS, include_in_schema=False)
async def show_file(request: REQUEST, file_id: FromPath[int]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        file = await inbox.find(tx, face.stamp, file_id)
        text, is_new = "", False
        try:
            if file.mapping:
                text = _text(await inbox.find_mapping(tx, file.sender, file.mapping, file.kind))
        except NoSuchMapping:
            body, _errors = await inbox.read_content(tx, face.stamp, file_id)
            text, is_new = _text(begin_mapping(body, file.kind, list(KINDS))), True
        names = await mappings.list_for(tx, client_of(file.sender))
    known = file.kind in KINDS
    return page(
        request, face, "files", "file", file=file, mapping=text, is_new=is_new, kinds=list(KINDS),
        known=known,
        mappings=[each for each in names if each.mapping.kind == file.kind or not known],
    )  # fmt: skip


def _text(mapping: Mapping | dict[str, Any]) -> str:
    told = msgspec.json.encode(msgspec.to_builtins(mapping))
    return msgspec.json.format(told, indent=2).decode()


@get("/office/files/{file_id:int}/errors", guards=GUARDS, include_in_schema=False)
async def errors(request: REQUEST, file_id: FromPath[int]) -> Response[Any]:
    return await _download(request, file_id, errors=True)


@get("/office/files/{file_id:int}/content", guards=GUARDS, include_in_schema=False)
async def content(request: REQUEST, file_id: FromPath[int]) -> Response[Any]:
    return await _download(request, file_id, errors=False)


async def _download(request: REQUEST, file_id: int, *, errors: bool) -> Response[Any]:
    """Never shown by the browser: it is what a stranger sent."""
    stamp = stamp_of(await session_of(request))
    async with request.app.state.db.reading() as tx:
        body, told = await inbox.read_content(tx, stamp, file_id)
    name = f"file-{file_id}.errors.ndjson" if errors else f"file-{file_id}"
    return Response(
        told.encode() if errors else body, media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )  # fmt: skip


@post("/office/files/{file_id:int}/retry", guards=GUARDS, include_in_schema=False)
async def retry(request: REQUEST, file_id: FromPath[int]) -> Response[Any]:
    stamp = stamp_of(await session_of(request))
    form = await request.form()
    return await _again(request, stamp, file_id, field(form, "mapping"), field(form, "kind"))


@post("/office/files/{file_id:int}/mapping", guards=GUARDS, include_in_schema=False)
async def edit(request: REQUEST, file_id: FromPath[int]) -> Response[Any]:
    """Keep the mapping as it was edited, then read the file by it."""
    stamp = stamp_of(await session_of(request))
    form = await request.form()
    text = str(form.get("text", ""))
    try:
        mapping, unknown = parse(decode(text.encode()), Mapping)
        if unknown:
            raise BadMapping(names=", ".join(unknown))
        async with writing(request) as write:
            file = await inbox.find(write.tx, stamp, file_id)
            await mappings.put(write.tx, stamp, client_of(file.sender), file.mapping, mapping)
            await write.note("mapping.changed", f"mapping/{file.mapping}", after=mapping)
    except BadDocument as refusal:
        said = "; ".join(f"{each.path}: {each.message}" for each in refusal.errors[:5])
        return onward(f"/office/files/{file_id}?" + urlencode({"message": said}))
    except WmsError as refusal:
        return onward(f"/office/files/{file_id}?" + urlencode({"message": str(refusal)}))
    return await _again(request, stamp, file_id, file.mapping, mapping.kind)


class BadMapping(Invalid):
    say = "A mapping has no {names}."


async def _again(
    request: REQUEST, stamp: Stamp, file_id: int, mapping: str, kind: str
) -> Response[Any]:
    try:
        async with writing(request) as write:
            await inbox.retry(write.tx, stamp, file_id, mapping, kind=kind)
            read = {"mapping": mapping, "kind": kind}
            await write.note("file.retried", f"file/{file_id}", after=read)
        await take_in(request.app.state.db, stamp, file_id)
        said = "Read again."
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"/office/files/{file_id}?" + urlencode({"message": said}))


def _sender(session: Session) -> str:
    return f"user:{session.code}"


HANDLERS = [show, upload, show_file, errors, content, retry, edit]
