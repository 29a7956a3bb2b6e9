"""Every operation of the published document against the real application: it keeps its word.

Whatever is sent, right or wrong: no server error, no status, media type or header that is not
published, and every answer fits its schema. The examples are the same in every run.
"""

import re
import zlib
from collections import Counter
from typing import Any

import httpx
import msgspec
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema_rs import Draft202012Validator
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.conftest import Served
from tests.events.conftest import QUICK
from web.api.openapi import openapi
from web.app import create_app
from wms.events.worker import drain
from wms.inbound.asn_documents import AsnDoc
from wms.outbound.order_documents import OrderDoc
from wms.settings import Settings

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance, response_headers_conformance,
]  # fmt: skip
EXAMPLES = 6
LIVE = "/events/live$"  # stays open; it has a test of its own
# Names that exist, so that not every request ends at a warehouse or owner that does not.
REAL: dict[str, Any] = {
    "code": "W1", "owner": "ACME", "sku": "MUG", "endpoint": "erp", "external_id": "SO-1",
    "carrier": "PARCEL", "service": "standard", "dock": "", "id": "1", "request_id": "1",
}  # fmt: skip

app = create_app(Settings(database_url="postgresql://nobody@localhost/none"), background=False)
document = msgspec.json.decode(msgspec.json.encode(openapi(app, "1")))
schema = schemathesis.openapi.from_dict(document)
schema.config.phases.coverage.unexpected_methods = {"PATCH"}  # one wrong method is enough



@schema.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    return real(path_parameters)


@schema.hook
def map_body(context: Any, body: Any) -> Any:
    return real(body)


def real(drawn: Any, name: str = "") -> Any:
    """The same with most names replaced by such that exist; the drawn text decides which."""
    if isinstance(drawn, dict):
        return {key: real(value, key) for key, value in drawn.items()}
    if isinstance(drawn, list):
        return [real(each) for each in drawn]
    if isinstance(drawn, str) and name in REAL and zlib.crc32(drawn.encode("utf-8", "replace")) % 8:
        return REAL[name]
    return drawn


@schemathesis.serializer("application/x-ndjson", "text/csv")
def lines(_context: Any, value: Any) -> bytes:
    """Bodies that are not JSON: lines of it, or the text itself."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    each_line = value if isinstance(value, list) else [value]
    return b"\n".join(msgspec.json.encode(each) for each in each_line)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seeded(served: Served) -> Served:
    """An order, a delivery, an item and an endpoint under the names in REAL."""
    names = {"owner": "ACME", "external_id": "SO-1"}
    lines = [{"line_no": "1", "sku": "MUG", "qty": 2}]
    order = msgspec.convert({**names, "carrier": "PARCEL", "lines": lines}, OrderDoc)
    due = "2026-03-02T09:00:00Z"
    asn = msgspec.convert({**names, "expected_at": due, "lines": lines}, AsnDoc)
    async with served.client() as wms:
        await wms.put_order(order)
        await wms.put_asn(asn)
    headers = {"Authorization": f"Bearer {served.key}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as client:
        new = {"code": "erp", "url": "http://127.0.0.1:9/hook"}
        made = await client.post("/v1/endpoints", json=new)
        assert made.status_code == 201, made.text
    await drain(served.world.db, served.settings, QUICK)
    return served


boundaries: Counter[str] = Counter()


def is_due(case: Case) -> bool:
    """Of an operation's many boundary cases, which resemble each other, the first and each fifth;
    of the drawn ones all."""
    if case.meta is None or case.meta.phase.name is not TestPhase.COVERAGE:
        return True
    boundaries[case.operation.label] += 1
    return boundaries[case.operation.label] <= 40 or boundaries[case.operation.label] % 5 == 0


@schema.exclude(path_regex=LIVE).parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_the_api_keeps_its_word(case: Case, seeded: Served):
    if not is_due(case):
        return
    answer = case.call(
        base_url=seeded.url, headers={"Authorization": f"Bearer {seeded.key}"}, timeout=20
    )
    case.validate_response(answer, checks=CHECKS)


async def test_the_live_stream_is_as_published(seeded: Served):
    [path] = [path for path in document["paths"] if re.search(LIVE, path)]
    said = document["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
    inside = said["schema"]["properties"]["data"]["contentSchema"]
    events = Draft202012Validator(inside | {"components": document["components"]})
    headers = {"Authorization": f"Bearer {seeded.key}"}
    async with (
        httpx.AsyncClient(base_url=seeded.url, headers=headers) as client,
        client.stream("GET", path.replace("{code}", "W1"), params={"after": 0}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                events.validate(msgspec.json.decode(line.removeprefix("data:")))
                break


def test_every_operation_is_in_the_run():
    found = [each.ok().path for each in schema.get_all_operations()]
    assert len(found) == sum(len(item) for item in document["paths"].values())
    assert [bool(re.search(LIVE, path)) for path in found].count(True) == 1
