"""The OpenAPI 3.1 document, built from the handlers: what `describe` says is the contract.

Every path below /v1 and /oauth, its parameters, bodies, answers and refusals; every event type as a
webhook. A handler that says nothing is not in the document, and a test fails on it.
"""

import types
from collections.abc import Sequence
from typing import Any, Union, get_args, get_origin

import msgspec
from litestar import Litestar
from msgspec import Struct

from web.api.asyncapi import WEBHOOK_HEADERS, event_schema
from web.api.describe import Described, Operation, operations
from web.api.schemas import COMPONENTS, Problem, components
from web.errors import PROBLEM_JSON, PROBLEMS
from wms.access.rules import SCOPES
from wms.events.catalog import TYPES
from wms.events.envelope import Envelope
from wms.events.samples import sample_event
from wms.events.schemas import without_masked

TOKEN_PATH = "/oauth/token"
ABOUT = (
    "Partners send what the floor shall do, and hear what the floor did. Every write may be sent "
    "twice: documents have natural keys, others take an Idempotency-Key. Refusals are problem "
    "documents (RFC 9457) of the closed list at /problems. Fields are only ever added."
)
ALWAYS = ("malformed-body", "bad-request", "method-not-allowed", "rate-limited", "busy")
WITH_SCOPE = ("unauthenticated", "forbidden")
WITH_BODY = ("validation-failed", "refused", "payload-too-large", "unsupported-media-type")
PARAMETERS: dict[str, tuple[str, str]] = {
    "code": ("Code of the warehouse.", "W1"),
    "owner": ("Code of the owner of the goods.", "ACME"),
    "external_id": ("The partner's own number of the document.", "SO-1001"),
    "endpoint": ("Code of the endpoint.", "erp"),
    "after": ("Where to read on: opaque, from the `Link` of the page before.", ""),
    "limit": ("How many the page shall hold.", ""),
}
LIMIT_HEADERS = {
    "RateLimit-Policy": "Quotas of this key: `q` requests in `w` seconds, by name.",
    "RateLimit": "What is left of each: `r` requests; `t` seconds until there is more.",
}
Json = dict[str, Any]


def openapi(app: Litestar, version: str) -> Json:
    """The document. Deterministic: the same handlers give the same bytes."""
    found = [each for each in operations(app) if each.said is not None]
    shapes = _Shapes()
    for each in found:
        shapes.add(each.said)
    event_types = list(TYPES)
    for name in event_types:
        shapes.list.append(TYPES[name].struct)
    shapes.list += [Problem, Envelope]
    schemas, known = components(shapes.list)
    known = without_masked(known)
    known["Problem"]["properties"]["type"]["enum"] = [f"/problems/{slug}" for slug in PROBLEMS]
    paths: Json = {}
    oauth = any(route.path == TOKEN_PATH for route in app.routes)
    for each in found:
        made = _operation(each, shapes, schemas, known, oauth)
        paths.setdefault(each.path, {})[each.method] = made
    return {
        "openapi": "3.1.0",
        "info": {"title": "Warehouse floor", "version": version, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({_tag(each.path) for each in found})]
        + [{"name": "webhooks", "description": "What your endpoint hears."}],
        "paths": paths,
        "webhooks": {name: _webhook(name) for name in event_types},
        "components": {
            "schemas": known,
            "responses": _responses(),
            "securitySchemes": _security(oauth),
        },
    }


class _Shapes:
    """Every type the document names, in one list, so that each becomes one component."""

    def __init__(self) -> None:
        self.list: list[Any] = []
        self._at: dict[int, int] = {}

    def add(self, said: Described | None) -> None:
        if said is None:
            return
        for shape in (said.takes, *said.answers.values(), *said.query.values()):
            for part in _alternatives(shape):
                self._at[id(part)] = len(self.list)
                self.list.append(part)

    def schema(self, shape: Any, schemas: Sequence[Json]) -> Json:
        if isinstance(shape, dict):
            return dict(shape)
        parts = [schemas[self._at[id(part)]] for part in _alternatives(shape)]
        return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _alternatives(shape: Any) -> Sequence[Any]:
    """Structs that an answer may be one of; msgspec itself knows tagged unions only."""
    if shape is None or isinstance(shape, dict):
        return []
    parts = get_args(shape) if get_origin(shape) in (Union, types.UnionType) else ()
    structs = [part for part in parts if isinstance(part, type) and issubclass(part, Struct)]
    return parts if len(structs) > 1 else [shape]


def _tag(path: str) -> str:
    parts = [part for part in path.split("/")[1:] if part]
    if parts[0] == "oauth":
        return "oauth"
    named = parts[3:] if parts[1] == "warehouses" and len(parts) > 3 else parts[1:]
    return named[0].removesuffix(".json")


def _operation(
    each: Operation, shapes: _Shapes, schemas: Sequence[Json], known: Json, oauth: bool
) -> Json:
    said = each.said or Described()
    made: Json = {
        "operationId": f"{_tag(each.path)}.{each.name}",
        "tags": [_tag(each.path)],
        "summary": each.summary or each.name.replace("_", " "),
        "description": each.text,
        "security": _needs(said, oauth),
        "parameters": [_parameter(name, "path", {}) for name in each.path_params]
        + [_parameter(name, "query", shapes.schema(s, schemas)) for name, s in said.query.items()]
        + _headers(said, each.method),
        "responses": _answers(each, said, shapes, schemas),
    }
    if said.takes is not None:
        schema = _without_path(shapes.schema(said.takes, schemas), each.path_params, known)
        made["requestBody"] = {"required": True, "content": {said.media: {"schema": schema}}}
    return made


def _without_path(schema: Json, path_params: Sequence[str], known: Json) -> Json:
    """Members that the path says already need not be repeated in the body."""
    named = known.get(str(schema.get("$ref", "")).removeprefix(COMPONENTS), {})
    required = named.get("required", [])
    if not set(required) & set(path_params):
        return schema
    return {**named, "required": [name for name in required if name not in path_params]}


def _parameter(name: str, place: str, schema: Json) -> Json:
    text, example = PARAMETERS.get(name, ("", ""))
    made: Json = {"name": name, "in": place}
    schema = schema or {"type": "string", "minLength": 1, "maxLength": 200}
    text = schema.pop("description", text)
    if text:
        made["description"] = text
    if place == "path":
        made["required"] = True
    if example:
        made["example"] = example
    return {**made, "schema": schema}


def _headers(said: Described, method: str) -> list[Json]:
    made: list[Json] = []
    if said.keyed and method != "get":
        text = "The same key gives the same answer for 30 days; another body under it is refused."
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        made.append({"name": "Idempotency-Key", "description": text, "schema": schema})
    if "version-mismatch" in said.refuses:
        text = "The version that is changed, as its ETag said; another one is refused with 412."
        schema = {"type": "string", "pattern": '^"[0-9]{1,9}"$'}
        made.append({"name": "If-Match", "description": text, "schema": schema})
    if "stale-version" in said.refuses:
        text = "`handling=strict`: an older source version is refused instead of ignored."
        schema = {"type": "string", "examples": ["handling=strict", "handling=lenient"]}
        made.append({"name": "Prefer", "description": text, "schema": schema})
    return [{**each, "in": "header"} for each in made]


def _needs(said: Described, oauth: bool) -> list[Json]:
    ways = ("key", "oauth2") if oauth else ("key",)
    scopes = [each for each in (said.scope, said.or_scope) if each]
    return [{way: [scope]} for scope in scopes for way in ways]


def _answers(each: Operation, said: Described, shapes: _Shapes, schemas: Sequence[Json]) -> Json:
    made: Json = {}
    for status, shape in sorted(said.answers.items()):
        answer: Json = {"description": each.summary or "Done"}
        if shape is not None:
            schema = shapes.schema(shape, schemas)
            if said.answer_media == "text/event-stream":
                schema = _sse(schema)
            answer["content"] = {said.answer_media: {"schema": schema}}
        headers: Json = {}
        if said.scope:
            headers |= {name: _header(text) for name, text in LIMIT_HEADERS.items()}
        if said.listed:
            headers["Link"] = _header("The next page, as `rel=\"next\"`; missing on the last.")
        if said.keyed and each.method != "get":
            headers["Idempotency-Replayed"] = _header("`true` when this is the stored answer.")
        made[str(status)] = answer | ({"headers": headers} if headers else {})
    for status in sorted({PROBLEMS[slug].status for slug in _refusals(each, said)}):
        made.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
    return made


def _sse(schema: Json) -> Json:
    """One message of a stream: JSON in `data`, the position in `id`."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    text = {"type": "string"}
    return {"type": "object", "properties": {"data": data, "id": text, "event": text}}


def _refusals(each: Operation, said: Described) -> list[str]:
    slugs = [*ALWAYS, *said.refuses]
    if said.scope:
        slugs += WITH_SCOPE
    if said.takes is not None or each.method != "get":
        slugs += WITH_BODY
    if said.keyed:
        slugs += ("idempotency-key-missing", "idempotency-key-reuse")
    if each.path_params:
        slugs.append("not-found")
    return slugs


def _header(text: str) -> Json:
    return {"description": text, "schema": {"type": "string"}}


def _responses() -> Json:
    """One answer for each status that a problem can have."""
    made: Json = {}
    for status in sorted({kind.status for kind in PROBLEMS.values()}):
        slugs = [slug for slug, kind in PROBLEMS.items() if kind.status == status]
        text = "; ".join(f"`{slug}`: {PROBLEMS[slug].when}" for slug in slugs)
        schema: Json = {
            "allOf": [{"$ref": f"{COMPONENTS}Problem"}],
            "properties": {
                "type": {"enum": [f"/problems/{slug}" for slug in slugs]},
                "status": {"const": status},
            },
        }
        headers: Json = {}
        if any(PROBLEMS[slug].retry == "yes" for slug in slugs):
            headers["Retry-After"] = _header("Seconds to wait.")
        if status == 401:
            headers["WWW-Authenticate"] = _header("How to sign in.")
        made[str(status)] = {
            "description": text,
            "content": {PROBLEM_JSON: {"schema": schema}},
            **({"headers": headers} if headers else {}),
        }
    return made


def _security(oauth: bool) -> Json:
    made: Json = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key: `Bearer wms_…`."}
    }
    if oauth:
        flow = {"tokenUrl": TOKEN_PATH, "scopes": dict(SCOPES)}
        made["oauth2"] = {"type": "oauth2", "flows": {"clientCredentials": flow}}
    return made


def _webhook(name: str) -> Json:
    kind = TYPES[name]
    content: Json = {
        "schema": event_schema(name), "example": msgspec.json.decode(sample_event(name)),
    }  # fmt: skip
    return {
        "post": {
            "operationId": f"webhooks.{name}",
            "tags": ["webhooks"],
            "summary": kind.text,
            "description": f"Volume: {kind.volume}. In order of `{kind.key}`.",
            "parameters": [
                {"name": header, "in": "header", "required": True, "description": text,
                 "schema": {"type": "string"}}
                for header, text in WEBHOOK_HEADERS.items()
            ],
            "requestBody": {"required": True, "content": {"application/json": content}},
            "responses": {
                "2XX": {"description": "Taken; it will not come again."},
                "410": {"description": "This endpoint is gone: sending pauses."},
                "429": {"description": "Too fast; `Retry-After` is honoured."},
                "default": {"description": "It comes again, later and in order."},
            },
        }
    }  # fmt: skip
