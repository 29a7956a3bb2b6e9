"""The published documents: valid OpenAPI 3.1, closed problems, every event, nothing left open."""

import json
import re
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from web.api import publication
from web.api.asyncapi import asyncapi
from web.api.describe import operations
from web.api.openapi import openapi
from web.app import create_app
from web.errors import PROBLEMS
from wms.events.catalog import TYPES
from wms.settings import Settings


@pytest.fixture(scope="module")
def app() -> Litestar:
    """Never connects: the documents are made from the handlers alone."""
    return create_app(Settings(database_url="postgresql://nobody@localhost/none"), background=False)


@pytest.fixture(scope="module")
def document(app: Litestar) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(openapi(app, "1")))


def refs(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        here = [tree["$ref"]] if isinstance(tree.get("$ref"), str) else []
        return here + [ref for value in tree.values() for ref in refs(value)]
    return [ref for each in tree for ref in refs(each)] if isinstance(tree, list) else []


def resolve(document: dict[str, Any], ref: str) -> Any:
    found: Any = document
    for part in ref.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]):
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))


def test_every_handler_says_what_it_takes_and_answers(app: Litestar):
    """`**describe(...)` in the route decorator (web/api/describe.py)."""
    silent = [f"{each.method} {each.path}" for each in operations(app) if each.said is None]
    assert silent == []


def test_problems_are_the_closed_list(document: dict[str, Any]):
    listed = document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert listed == [f"/problems/{slug}" for slug in PROBLEMS]
    for path, item in document["paths"].items():
        for method, each in item.items():
            refused = {status for status in each["responses"] if status >= "400"}
            assert {"400", "429", "503"} <= refused, (method, path)
            assert not each["security"] or {"401", "403"} <= refused, (method, path)


def test_every_event_type_is_a_webhook_and_a_message(document: dict[str, Any]):
    assert list(document["webhooks"]) == list(TYPES)
    events = msgspec.json.decode(msgspec.json.encode(asyncapi("1")))
    assert list(events["components"]["messages"]) == list(TYPES)
    for tree in (document, events):
        for ref in set(refs(tree)):
            resolve(tree, ref)
    assert json.dumps(events) == json.dumps(msgspec.json.decode(msgspec.json.encode(asyncapi("1"))))


def test_the_documents_are_served_and_read_by_people(document: dict[str, Any]):
    made = Litestar(publication.HANDLERS, openapi_config=None, logging_config=None)
    with TestClient(made) as client:
        served = client.get("/v1/openapi.json").json()
        assert set(served["paths"]) < set(document["paths"])
        page = client.get("/v1/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "order.shipped" in page.text
        assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', page.text))
        sample = client.get("/v1/event-samples/order.shipped/1.json").json()
        assert (sample["type"], sample["specversion"]) == ("order.shipped", "1.0")
