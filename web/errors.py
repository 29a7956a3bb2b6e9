"""Refusals as HTTP: kind -> status, problem documents (RFC 9457) for programs, a page for people.

The list of problem types is closed: a client may rely on every `type` being in PROBLEMS, each
described under its own URL. `code` names the leaf and never changes its meaning. Scanners get the
same sentence with a tone.
"""

import logging
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy.exc import DBAPIError

from web.templating import render
from wms.access.rules import KeyUnknown, NotSignedIn
from wms.db import translate
from wms.documents import BadDocument
from wms.errors import Busy, Conflict, Denied, Invalid, NotFound, Refused, WmsError
from wms.ids import uuid7

log = logging.getLogger("wms.web")
PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1


class ProblemType(msgspec.Struct, frozen=True):
    """One kind of answer that is not the asked one. `retry` says whether sending it again helps."""

    status: int
    title: str
    retry: str  # no | yes | later (when something else changed) | reread
    when: str


PROBLEMS: dict[str, ProblemType] = {
    "malformed-body": ProblemType(
        400, "The body cannot be read", "no", "Not JSON, wrong encoding or malformed parameters."
    ),
    "validation-failed": ProblemType(
        422,
        "The document has errors",
        "no",
        "Schema or business errors in fields; `errors` is complete.",
    ),
    "bad-request": ProblemType(400, "The request is wrong", "no", "It could never be right."),
    "idempotency-key-missing": ProblemType(
        400, "An Idempotency-Key is missing", "no", "A create without a natural key."
    ),
    "idempotency-key-reuse": ProblemType(
        422, "The Idempotency-Key belongs to another request", "no", "Same key, other body."
    ),
    "unauthenticated": ProblemType(
        401, "Nobody is signed in", "no", "No session, or an API key that is not known."
    ),
    "token-expired": ProblemType(
        401, "The key or token has expired", "later", "Get a fresh token, or a new key."
    ),
    "forbidden": ProblemType(403, "Not allowed", "no", "The role is missing."),
    "forbidden-scope": ProblemType(403, "The key lacks a scope", "no", "Names the scope."),
    "forbidden-owner": ProblemType(
        403, "The key has no access to that owner", "no", "Goods of another client."
    ),
    "forbidden-field": ProblemType(
        403, "The key may not see that", "no", "It shows persons or money; names the scope."
    ),
    "forbidden-site": ProblemType(
        403, "The key has no access to that warehouse", "no", "Another warehouse."
    ),
    "not-found": ProblemType(404, "No such thing", "later", "Nothing in this warehouse has it."),
    "method-not-allowed": ProblemType(405, "Not with this method", "no", "See `Allow`."),
    "conflict": ProblemType(
        409, "The world moved meanwhile", "reread", "Look again, then decide again."
    ),
    "exists-with-different": ProblemType(
        409,
        "It exists and differs",
        "no",
        "The document is known with other content and can no longer change; `field` is the first.",
    ),
    "version-mismatch": ProblemType(
        412, "Another version than `If-Match` names", "reread", "`version` is the current one."
    ),
    "stale-version": ProblemType(
        409, "Older than what is stored", "no", "Only with `Prefer: handling=strict`."
    ),
    "barcode-conflict": ProblemType(
        409, "The barcode means another item", "no", "`other` names the item that has it."
    ),
    "unit-in-use": ProblemType(
        409, "The unit is in use", "later", "Its factor cannot change while there is stock."
    ),
    "change-window-closed": ProblemType(
        409, "Too late for that", "no", "`stage` says how far the document is."
    ),
    "refused": ProblemType(
        422, "The floor's rules say no", "later", "Understood, and refused; `code` says why."
    ),
    "payload-too-large": ProblemType(413, "Too large", "split", "Send it in parts."),
    "unsupported-media-type": ProblemType(415, "Not JSON", "no", "Send application/json."),
    "rate-limited": ProblemType(429, "Too many requests", "yes", "Wait, then send the same again."),
    "busy": ProblemType(
        503, "Busy for a moment", "yes", "Transient; the same request may succeed. Retry-After."
    ),
    "internal": ProblemType(500, "Our mistake", "yes", "`instance` names the incident in the log."),
}

# Leaves whose type is more special than their kind's; by name, so rooms need no import here.
OF_LEAF = {
    "BadDocument": "validation-failed",
    "NotJson": "malformed-body",
    "BadAct": "malformed-body",
    "RequestKeyMissing": "idempotency-key-missing",
    "RequestKeyReused": "idempotency-key-reuse",
    "NotSignedIn": "unauthenticated",
    "KeyUnknown": "unauthenticated",
    "CredentialMissing": "unauthenticated",
    "KeyExpired": "token-expired",
    "TokenInvalid": "unauthenticated",
    "CertificateWrong": "unauthenticated",
    "ScopeMissing": "forbidden-scope",
    "BothScopesMissing": "forbidden-scope",
    "OwnerForbidden": "forbidden-owner",
    "PersonalHidden": "forbidden-field",
    "WarehouseForbidden": "forbidden-site",
    "ExistsWithDifferent": "exists-with-different",
    "ChangeWindowClosed": "change-window-closed",
    "TooManyReplays": "rate-limited",
    "TooManyStreams": "rate-limited",
    "CancelRefused": "change-window-closed",
    "TooManyRequests": "rate-limited",
    "BatchTooLarge": "payload-too-large",
    "NotLines": "unsupported-media-type",
    "VersionMismatch": "version-mismatch",
    "StaleVersion": "stale-version",
    "BarcodeConflict": "barcode-conflict",
    "UnitInUse": "unit-in-use",
}
OF_KIND: dict[type[WmsError], str] = {
    Invalid: "bad-request",
    Denied: "forbidden",
    NotFound: "not-found",
    Conflict: "conflict",
    Refused: "refused",
    Busy: "busy",
}
OF_STATUS = {
    400: "malformed-body",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "payload-too-large",
    415: "unsupported-media-type",
    429: "rate-limited",
}
TONES: dict[type[WmsError], str] = {Conflict: "care", Busy: "care"}


def problem_type(error: WmsError) -> str:
    """The key into PROBLEMS of a refusal."""
    special = OF_LEAF.get(error.code)
    if special is not None:
        return special
    return next((slug for kind, slug in OF_KIND.items() if isinstance(error, kind)), "internal")


def tone_of(error: WmsError) -> str:
    """How a scanner says it: `care` when looking again helps, else `wrong`."""
    return next((tone for kind, tone in TONES.items() if isinstance(error, kind)), "wrong")


def problem_document(error: WmsError, instance: str = "") -> dict[str, Any]:
    """The members of RFC 9457 and ours; the leaf's facts travel as members too."""
    slug = problem_type(error)
    kind = PROBLEMS[slug]
    document: dict[str, Any] = {
        **{name: _plain(fact) for name, fact in error.facts.items()},
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": str(error),
        "code": error.code,
        "retryable": kind.retry == "yes",
        "tone": tone_of(error),
    }
    if instance:
        document["instance"] = instance
    if isinstance(error, BadDocument):
        document["errors"] = error.errors
    return document


def _plain(fact: object) -> object:
    return fact if isinstance(fact, (str, int, float, bool, list, dict)) else str(fact)


def _instance(request: Request[Any, Any, Any]) -> str:
    return f"/requests/{request.headers.get('x-request-id') or uuid7()}"


def problem(error: WmsError, request: Request[Any, Any, Any]) -> Response[bytes]:
    """A refusal as a problem document."""
    document = problem_document(error, _instance(request))
    correlation = request.headers.get("x-correlation-id")
    if correlation:
        document["correlation_id"] = correlation
    headers = {"Retry-After": str(RETRY_AFTER_S)} if document["retryable"] else {}
    headers |= getattr(error, "headers", {})
    challenge = getattr(error, "challenge", "Bearer" if document["status"] == 401 else "")
    if challenge:
        headers["WWW-Authenticate"] = challenge
    return Response(
        msgspec.json.encode(document),
        status_code=document["status"],
        media_type=PROBLEM_JSON,
        headers=headers,
    )


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """People ask for HTML; everything under /v1 is for programs."""
    if request.url.path.startswith("/v1"):
        return False
    return "text/html" in request.headers.get("accept", "") or "HX-Request" in request.headers


def refused(request: Request[Any, Any, Any], error: WmsError) -> Response[Any]:
    """A refusal that no page caught: a problem document, a sign-in, or a page with the sentence."""
    if not wants_page(request):
        return problem(error, request)
    face = "office" if request.url.path.startswith("/office") else "floor"
    if isinstance(error, (NotSignedIn, KeyUnknown)):
        login = f"/{face}/login"
        if "HX-Request" in request.headers:
            return Response(b"", status_code=204, headers={"HX-Redirect": login})
        return Redirect(login, status_code=303)
    status = PROBLEMS[problem_type(error)].status
    template = "office/_refused.html" if "HX-Request" in request.headers else f"{face}/error.html"
    page = render(template, message=str(error), back=f"/{face}", status=status, title="Not done")
    return Response(page, status_code=status, media_type=MediaType.HTML)


class NoSuchPage(NotFound):
    say = "There is nothing at {path}."


class BadRequest(Invalid):
    say = "{detail}"


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What the framework refuses itself: unknown paths, methods, bodies."""
    if isinstance(error, NotAuthorizedException):
        return refused(request, NotSignedIn())
    if error.status_code == 404:
        return refused(request, NoSuchPage(path=request.url.path))
    slug = OF_STATUS.get(error.status_code)
    if slug is None:
        return failed(request, error)
    document = problem_document(BadRequest(detail=error.detail), _instance(request))
    kind = PROBLEMS[slug]
    document |= {"type": f"/problems/{slug}", "title": kind.title, "status": error.status_code}
    return Response(
        msgspec.json.encode(document),
        status_code=error.status_code,
        media_type=PROBLEM_JSON,
        headers=error.headers or {},
    )


class Incident(WmsError):
    say = "Something went wrong on our side. The incident is {incident}; nothing was changed."


def failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A programmer's error, or a driver error that nobody translated: logged, never explained."""
    known = translate(error) if isinstance(error, DBAPIError) else error
    if isinstance(known, WmsError):
        return refused(request, known)
    incident = str(uuid7())
    log.exception("incident %s: %s %s", incident, request.method, request.url.path, exc_info=error)
    return refused(request, Incident(incident=incident))


@get("/problems", include_in_schema=False, sync_to_thread=False)
def problem_types() -> dict[str, ProblemType]:
    """The closed list."""
    return PROBLEMS


@get("/problems/{slug:str}", include_in_schema=False, sync_to_thread=False)
def problem_page(slug: FromPath[str]) -> ProblemType:
    """What one problem type means."""
    found = PROBLEMS.get(slug)
    if found is None:
        raise NoSuchPage(path=f"/problems/{slug}")
    return found


HANDLERS = [problem_types, problem_page]
EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    WmsError: refused,
    HTTPException: http_error,
    Exception: failed,
}
