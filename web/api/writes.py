"""How a partner's write runs: tried again when the floor is busy, remembered under its key."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from litestar import Response
from litestar.enums import MediaType

from web.api.admission import DOCUMENTS, turn
from web.api.kept import state_of, taken
from web.api.paging import versioned, written
from web.api.security import CORRELATION_MAX, REQUEST, Partner, client_with
from web.errors import problem
from web.numbers import whole
from web.session import partner_stamp
from wms import requests
from wms.access.rules import WarehouseForbidden
from wms.db import Tx
from wms.documents import BadDocument, DocumentError, decode, parse
from wms.errors import Busy, Conflict, Invalid, WmsError
from wms.jobs import kept
from wms.versions import StaleVersion, VersionMismatch

T = TypeVar("T")
TRIES = 3
VERSION_MAX = 2**31 - 1


class BadHeader(Invalid):
    say = "The header {name} is wrong: {value}"


class Undone(Exception):
    """Carries what a dry run found past the rollback of all it did."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


def if_match(request: REQUEST) -> int | None:
    """The version that `If-Match` names, quoted or bare; None for no such header or `*`.

    Raises BadHeader.
    """
    given = request.headers.get("if-match", "*").strip()
    bare = given.removeprefix("W/").strip('"')
    if bare == "*":
        return None
    version = whole(bare)
    if version is None:
        raise BadHeader(name="If-Match", value=given)
    return min(version, VERSION_MAX)


def strict(request: REQUEST) -> bool:
    """`Prefer: handling=strict`: an older source version is refused instead of ignored."""
    return "handling=strict" in _preferences(request)


def respond_async(request: REQUEST) -> bool:
    """`Prefer: respond-async`: answer at once, do it as a job."""
    return "respond-async" in _preferences(request)


def _preferences(request: REQUEST) -> set[str]:
    given = request.headers.get("prefer", "")
    return {each.strip().replace(" ", "").lower() for each in given.replace(";", ",").split(",")}


class ExistsWithDifferent(Conflict):
    say = (
        "{name} came before under the same source version and differs in {field}. "
        "Give what has changed a higher one."
    )


class Document(msgspec.Struct, Generic[T], frozen=True):
    """A document as it came, and what the request says of it."""

    value: Any
    read: T
    unknown: list[str]
    expected: int | None  # by If-Match


async def document_of(
    request: REQUEST, partner: Partner, shape: type[T], **named: str
) -> Document[T]:
    """The document a request brings, kept first; `named` are the members that its path says.

    Raises NotJson, BadDocument with all its errors, BadHeader.
    """
    value = decode(await taken(request, partner))
    for name, expected in named.items():
        same_as_path(value, name, expected)
    read, unknown = parse(value, shape)
    return Document(value, read, unknown, if_match(request))


class Put(Protocol):
    """An outcome of master data."""

    @property
    def outcome(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def decided_by(self) -> str: ...
    @property
    def errors(self) -> Sequence[DocumentError]: ...


def outcome_problem(
    request: REQUEST, done: Put, name: str, expected: int | None, given: int | None
) -> WmsError | None:
    """The refusal that an outcome means, or None. `expected` and `given` are the request's
    If-Match and source_version."""
    facts = {"version": done.version, "decided_by": done.decided_by}
    if done.outcome == "rejected":
        return BadDocument(done.errors)
    if done.outcome == "version_mismatch":
        return VersionMismatch(expected=expected, **facts)
    if done.outcome == "ignored_stale" and strict(request):
        return StaleVersion(given=given, **facts)
    if done.outcome.startswith("exists_with_different_"):
        field = done.outcome.removeprefix("exists_with_different_")
        return ExistsWithDifferent(name=name, field=field, **facts)
    return None


def put_answer(
    request: REQUEST, done: Any, name: str, document: Document[Any]
) -> Response[Any]:
    """The answer to a put of master data: its outcome, or the refusal it means."""
    given = document.read.source_version
    refusal = outcome_problem(request, done, name, document.expected, given)
    if refusal is not None:
        return problem(refusal, request)
    told = msgspec.structs.replace(done, unknown_fields=tuple(document.unknown))
    return versioned(told, done.version, 201 if done.outcome == "created" else 200)


async def tried(
    partner: Partner, act: Callable[[Tx], Awaitable[T]], lane: str = DOCUMENTS
) -> T:
    """What `act` would do: all of it is rolled back, its finding comes out."""

    async def run(tx: Tx) -> T:
        raise Undone(await act(tx))

    try:
        return await again(partner, run, lane)
    except Undone as undone:
        return undone.found


async def at_large(request: REQUEST, scope: str) -> Partner:
    """The partner of a request outside any warehouse; the stamp names the first it may enter.

    Raises KeyUnknown, ScopeMissing, WarehouseForbidden.
    """
    client = await client_with(request, scope)
    if not client.warehouse_ids:
        raise WarehouseForbidden(code=client.code)
    correlation = request.headers.get("x-correlation-id", "")[:CORRELATION_MAX]
    stamp = partner_stamp(client, client.warehouse_ids[0], correlation_id=correlation)
    return Partner(client, stamp, request.app.state.db)


async def again(
    partner: Partner, act: Callable[[Tx], Awaitable[T]], lane: str = ""
) -> T:
    """One transaction; a transient refusal is tried twice more before the partner hears of it.

    `lane` is the one it waits in (web.api.admission). The document that the request brought is
    marked in the same transaction.
    """
    async with turn(partner, lane):
        for _ in range(TRIES - 1):
            try:
                return await _once(partner, act)
            except Busy:
                continue
        return await _once(partner, act)


async def _once(partner: Partner, act: Callable[[Tx], Awaitable[T]]) -> T:
    sent = partner.sent
    async with partner.db.transaction() as tx:
        found = await act(tx)
        state = "refused" if sent.stayed_out else state_of(found)
        if sent.id:
            await kept.settle(tx, partner.stamp, sent.id, sent.subject, state,
                              answer=sent.stayed_out, job_id=sent.job_id)  # fmt: skip
    sent.state = state
    return found


async def keyed(
    request: REQUEST,
    partner: Partner,
    value: Any,
    act: Callable[[Tx], Awaitable[tuple[int, Any]]],
    *,
    needed: bool = False,
    lane: str = "",
    write: Callable[[Any], bytes] = written,
) -> Response[Any]:
    """`act` (status and answer) under the request's Idempotency-Key, if it has one.

    The answer is stored with the effect, as its reader may see it; the same request again gets it
    back, byte by byte, with `Idempotency-Replayed: true`. Raises RequestKeyMissing when one is
    `needed`, RequestKeyReused.
    """
    key = request.headers.get("idempotency-key")
    if key is None and needed:
        raise requests.RequestKeyMissing()
    route = f"{request.method} {request.url.path}"
    asked = None if key is None else requests.asked(partner.client.code, key, route, value)

    async def run(tx: Tx) -> Response[Any]:
        if asked is not None:
            stored = await requests.find_answered(tx, partner.stamp, asked)
            if stored is not None:
                answer = raw(stored.answer.encode(), stored.status)
                answer.headers["Idempotency-Replayed"] = "true"
                return answer
        status, found = await act(tx)
        body = write(found)
        if asked is not None:
            await requests.record_answer(tx, partner.stamp, asked, status, body)
        return raw(body, status)

    return await again(partner, run, lane)


def same_as_path(value: Any, name: str, expected: str) -> None:
    """A member that repeats the path may, and must not contradict it. Raises BadDocument."""
    if not isinstance(value, dict):
        return
    given = value.setdefault(name, expected)
    if given != expected:
        raise BadDocument(
            [DocumentError(f"/{name}", "contradicts-path", f"The path says {expected}", str(given))]
        )


def raw(body: bytes, status: int) -> Response[Any]:
    return Response(body, media_type=MediaType.JSON, status_code=status)
