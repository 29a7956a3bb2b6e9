"""What we publish about ourselves: the API as OpenAPI, the events as AsyncAPI, both to read.

    GET  /v1/openapi.json                       OpenAPI 3.1, with the events as webhooks
    GET  /v1/asyncapi.json                      AsyncAPI 3
    GET  /v1/event-samples/{type}/{major}.json  one event of a type, as it is sent
    GET  /v1/docs                               the same for people, without scripts

The documents are made at the first request and kept: they cannot change while a process lives.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Response, get
from litestar.enums import MediaType
from litestar.params import FromPath

from web.api.asyncapi import asyncapi
from web.api.describe import describe
from web.api.openapi import openapi
from web.api.security import REQUEST
from web.api.writes import raw
from web.templating import render
from wms.events.envelope import Envelope
from wms.events.samples import sample_event
from wms.events.schemas import require_type

DOCUMENT = {"type": "object", "description": "The document itself."}


def _kept(request: REQUEST, name: str, make: Callable[[], Any]) -> Any:
    state = request.app.state
    if name not in state:
        state[name] = make()
    return state[name]


def _openapi(request: REQUEST) -> dict[str, Any]:
    return _kept(request, "openapi", lambda: openapi(request.app, version("wms")))


@get("/v1/openapi.json", summary="This API as OpenAPI 3.1", sync_to_thread=False,
     **describe(answers={200: DOCUMENT}))  # fmt: skip
def show_openapi(request: REQUEST) -> Response[Any]:
    return raw(
        _kept(request, "openapi_json", lambda: msgspec.json.encode(_openapi(request))), 200
    )


@get("/v1/asyncapi.json", summary="The events as AsyncAPI 3", sync_to_thread=False,
     **describe(answers={200: DOCUMENT}))  # fmt: skip
def show_asyncapi(request: REQUEST) -> Response[Any]:
    def make() -> bytes:
        return msgspec.json.encode(asyncapi(version("wms")))

    return raw(_kept(request, "asyncapi_json", make), 200)


@get("/v1/event-samples/{type:str}/{file:str}", summary="One event of a type, as it is sent",
     sync_to_thread=False,
     **describe(answers={200: Envelope}, refuses=("not-found",)))  # fmt: skip
def show_sample(type: FromPath[str], file: FromPath[str]) -> Response[Any]:
    require_type(type, file.removesuffix(".json"))
    return raw(sample_event(type), 200)


@get("/v1/docs", summary="This page", media_type=MediaType.HTML, sync_to_thread=False,
     **describe(answers={200: {"type": "string"}}, answer_media="text/html"))  # fmt: skip
def show_docs(request: REQUEST) -> str:
    """Every operation and every event type on one page."""
    return _kept(request, "docs", lambda: _docs(_openapi(request)))


def _docs(document: dict[str, Any]) -> str:
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            scopes = [scope for need in each["security"] for scope in need.get("key", [])]
            tags.setdefault(each["tags"][0], []).append(
                {
                    "method": method.upper(), "path": path, "summary": each["summary"],
                    "text": each["description"], "scopes": scopes,
                    "query": [p["name"] for p in each["parameters"] if p["in"] == "query"],
                    "statuses": list(each["responses"]),
                }
            )  # fmt: skip
    events = [
        {"type": name, "text": hook["post"]["summary"], "more": hook["post"]["description"]}
        for name, hook in document["webhooks"].items()
    ]
    return render("api/docs.html", info=document["info"], tags=sorted(tags.items()), events=events)


HANDLERS = [show_openapi, show_asyncapi, show_sample, show_docs]
