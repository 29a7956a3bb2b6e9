"""Every operation of the published document, asked by whom it is not for.

Nobody, a key without the scope, a key of another warehouse, a key of another owner: none learns
whether a thing exists, reads it, finds it in a list or changes it.
"""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from tests.access import two_owners as made
from tests.access.two_owners import NOWHERE, SITE, THERE, House
from tests.api.test_shipments import proof
from tests.conftest import execute
from tests.world import small_warehouse
from web.api.describe import Operation, operations
from web.api.openapi import openapi
from web.app import create_app
from wms.access.rules import SCOPES
from wms.db import Db
from wms.embedded import EmbeddedPostgres
from wms.settings import Settings

NDJSON = "application/x-ndjson"
app = create_app(Settings(database_url="postgresql://nobody@localhost/none"), background=False)
document = msgspec.json.decode(msgspec.json.encode(openapi(app, "1")))
FOUND = {f"{each.method.upper()} {each.path}": each for each in operations(app)}
GUARDED = [name for name, each in FOUND.items() if each.said and each.said.scope]
# For everybody, or for whoever has a key at all.
OPEN = {
    "GET /oauth/jwks", "POST /oauth/token", "GET /v1/asyncapi.json", "GET /v1/client",
    "GET /v1/docs", "GET /v1/event-samples/{type}/{file}", "GET /v1/event-schemas/{type}/{file}",
    "GET /v1/event-types", "GET /v1/exception-codes", "GET /v1/openapi.json",
}  # fmt: skip
# Names that all partners share, so a taken one is told, and nothing of what has it.
SHARED = {
    "POST /v1/endpoints", "PUT /v1/hook-connections/{connection}",
    "PUT /v1/warehouses/{code}/appointments/{external_id}",
}  # fmt: skip
STREAM = "GET /v1/warehouses/{code}/events/live"  # stays open when it is granted
# Of the house, or numbers only: nothing of ACME has its name there.
NAMELESS = {
    "GET /v1/milestone-codes/{source}",
    "GET /v1/warehouses/{code}/blocks", "GET /v1/warehouses/{code}/docks/availability",
    "GET /v1/warehouses/{code}/reconciliation/backlog",
    "GET /v1/warehouses/{code}/reconciliation/documents",
    "GET /v1/warehouses/{code}/reconciliation/snapshots",
    "GET /v1/warehouses/{code}/reconciliation/stream",
}  # fmt: skip
QUERIES = {
    "GET …/docks/availability": {"day": "2026-03-02"},
    "GET …/events/export": {"day": f"{datetime.now(UTC):%Y-%m-%d}"},
    "GET …/reconciliation/stock": {"owner": "ACME"},
    "POST …/files": {"kind": "orders"},
}
BATCHES = {"orders": made.order, "asns": made.asn, "items": lambda name: {"sku": name}}


def bodies(name: str, house: House) -> dict[str, Any]:
    """What each write sends about a thing of ACME; text goes as it is."""
    event = house.id_of("events", name)
    named = {"owner": "ACME", "external_id": name}
    return {
        "POST /v1/endpoints": {"code": name, "url": made.HOOK},
        "POST …/deliveries/discard": {"ids": [event], "reason": "lost"},
        "POST …/replays": {"reason": "lost"},
        "POST /v1/events/{id}/receipts": {"endpoint": name, "verdict": "processed"},
        "PUT /v1/file-mappings/{name}": {"kind": "orders"},
        "PUT /v1/hook-connections/{connection}": {"source": name},
        "PUT /v1/milestone-codes/{source}": {"codes": {"z": "delivered"}},
        "POST /v1/milestones": made.milestone(f"{name}T", 2),
        "PUT /v1/owners/{owner}/field-owners": {"weight": "OTHER"},
        "PUT /v1/owners/{owner}/items/{sku}": {"description": "Changed"},
        "PUT /v1/owners/{owner}/parties/{external_id}": {"name": "Changed", "roles": ["consignee"]},
        "PUT …/appointments/{external_id}": made.appointment(11) | {"asns": []},
        "POST …/appointments/{external_id}/outcome": {"outcome": "arrived"},
        "PUT …/asns/{owner}/{external_id}": made.asn("TENT"),
        "POST …/consumers/{name}/commit": {"pos": 2},
        "POST …/consumers/{name}/seek": {"pos": 0},
        "POST …/exceptions/{id}/assign": {"user": "SUE"},
        "POST …/exceptions/{id}/discard": {"reason": "lost"},
        "POST …/files": made.CSV.format(name),
        "POST …/inventory/adjustment-requests": made.correction(name, -1),
        "PUT …/locations/{location}": {"kind": "pick"},
        "POST …/orders": [made.order("TENT") | named],
        "PUT …/orders/{owner}/{external_id}": made.order("TENT"),
        "POST …/orders/{owner}/{external_id}/cancel": {"reason": "lost"},
        "POST …/orders/{owner}/{external_id}/hold": {"reason": "lost"},
        "POST …/reconciliation/stream/compare": {
            "ranges": [{"from_pos": 1, "to_pos": 1, "ids": [event]}]
        },
        "POST …/shipments/{id}/pods": proof(),
    }  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    name = f"owners{uuid4().hex[:12]}"
    await execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    db = Db(postgres.url(name))
    settings = Settings(
        database_url=postgres.url(name), pool_size=4, egress_allow="127.0.0.0/8",
        data_dir=tmp_path_factory.mktemp("house"),
    )  # fmt: skip
    inside = create_app(settings, background=False)
    try:
        yield await made.build(inside, await small_warehouse(db), settings)
    finally:
        await inside.state.db.close()
        await db.close()
    await execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def path_of(each: Operation, house: House, name: str, **said: str) -> str:
    """The path to ACME's thing of that name; `said` puts something else for a part."""
    parts = dict.fromkeys(each.path_params, name)
    kinds = [part for part in each.path.split("/") if not part.startswith("{")]
    parts |= {"code": "W1", "owner": "ACME", "pod": house.ids["pods"]}
    parts |= {"event": house.id_of("events", name), "value": f"{name}-B"}
    if "id" in each.path_params:
        kind = each.path.split("/{id")[0].rpartition("/")[2]
        parts["id"] = house.id_of(kind, name if "endpoints" not in kinds else THERE)
    return each.path.format(**parts | said)


async def ask(
    house: House, who: httpx.AsyncClient, operation: str, name: str, **said: str
) -> httpx.Response:
    """The operation about ACME's thing of that name, with a body that could be right."""
    each = FOUND[operation]
    known = bodies(name, house)
    short = operation.replace("/v1/warehouses/{code}", "…").replace("/v1/endpoints/{endpoint}", "…")
    body = known.get(operation, known.get(short))
    media = each.said.media if each.said else ""
    if media == NDJSON:
        kind = each.path.rpartition("/")[2].partition(":")[0]
        body = BATCHES[kind]("TENT") | {"owner": "ACME", "external_id": name}
    query = {k: v for k, v in said.items() if k not in each.path_params}
    if short == "GET …/events/{id}/data":
        query |= made.link_to(house, house.id_of("events", name))
    content = body if isinstance(body, str) else body and msgspec.json.encode(body)
    return await who.request(
        each.method, path_of(each, house, name, **said), content=content,
        params=QUERIES.get(short, {}) | query,
        headers={"Content-Type": media} if body else {},
    )  # fmt: skip


def told(answer: httpx.Response, house: House) -> Any:
    """What an answer says, but for the names asked for and what differs in every answer."""
    if answer.status_code < 400:
        return answer.status_code
    problem = answer.json()
    names = (THERE, NOWHERE, *made.NOT_THERE.values(), *house.ids.values())
    for name in sorted(names, key=len, reverse=True):
        problem["detail"] = problem["detail"].replace(name, "*")
    problem["detail"] = re.sub(r"[*\d]+", "*", problem["detail"])
    kept = {"type", "title", "status", "detail", "code", "retryable"}
    return {key: value for key, value in problem.items() if key in kept} | {"errors": [
        (error["path"], error["code"]) for error in problem.get("errors", ())
    ]}  # fmt: skip


def test_the_document_has_no_operation_that_is_open_by_chance() -> None:
    published = {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }
    assert published == FOUND.keys()
    assert published - set(GUARDED) == OPEN
    for name in GUARDED:
        method, _, path = name.partition(" ")
        needs = document["paths"][path][method.lower()]["security"]
        assert {scope for way in needs for each in way.values() for scope in each} <= set(SCOPES)


@pytest.mark.parametrize("operation", [*GUARDED, "GET /v1/client"])
async def test_without_a_key_nothing_is_told(house: House, operation: str) -> None:
    each, nobody = FOUND[operation], made.client(house.app, "")
    for name in (THERE, NOWHERE):
        answer = await nobody.request(each.method, path_of(each, house, name), content=b"\xff{")
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", GUARDED)
async def test_a_key_without_the_scope_hears_which_it_lacks(house: House, operation: str) -> None:
    each = FOUND[operation]
    assert each.said is not None
    lacks = {each.said.scope, each.said.or_scope}
    scopes = tuple(scope for scope in SCOPES if scope not in lacks)
    who = await house.let_in(f"NO-{each.said.scope}-{each.said.or_scope}".replace(":", "."),
                             scopes=scopes)  # fmt: skip
    for name in (THERE, NOWHERE):
        answer = await who.request(each.method, path_of(each, house, name), content=b"\xff{")
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (403, "/problems/forbidden-scope")
        assert problem["needed"] == each.said.scope
        assert f'scope="{each.said.scope}"' in answer.headers["www-authenticate"]


OF_A_SITE = [name for name in GUARDED if "{code}" in name]


@pytest.mark.parametrize("operation", OF_A_SITE)
async def test_a_key_of_another_warehouse_learns_nothing(house: House, operation: str) -> None:
    before = await house.state()
    away = house.asking["AWAY"]
    answers = [
        told(await ask(house, away, operation, THERE), house),
        told(await ask(house, away, operation, NOWHERE), house),
        told(await ask(house, away, operation, THERE, code="W9"), house),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["type"] == "/problems/forbidden-site"
    assert await house.state() == before


# Master data has owners and no warehouse: a key of all owners may read it wherever it is bound.
PRIVATE = [
    name for name in GUARDED
    if "{code}" not in name and not re.search("/v1/(owners|items|barcodes)", name)
]  # fmt: skip


@pytest.mark.parametrize("operation", PRIVATE)
async def test_what_belongs_to_no_warehouse_is_its_makers_own(
    house: House, operation: str
) -> None:
    before = await house.state()
    away = house.asking["AWAY"]
    there = await ask(house, away, operation, THERE)
    assert await house.state() == before
    if operation in SHARED:
        assert there.status_code == 409
        return
    assert told(there, house) == told(await ask(house, away, operation, NOWHERE), house)


OF_AN_OWNER = [name for name in GUARDED if name != STREAM and "/locations" not in name]


@pytest.mark.parametrize("operation", OF_AN_OWNER)
async def test_a_key_of_another_owner_learns_and_changes_nothing(
    house: House, operation: str
) -> None:
    who = house.asking["READER" if operation.startswith("GET") else "WRITER"]
    before = await house.state()
    there = await ask(house, who, operation, THERE)
    assert await house.state() == before
    if operation in SHARED:
        assert there.status_code == 409
        assert "acme" not in there.text.lower()
        return
    nowhere = await ask(house, who, operation, NOWHERE)
    assert told(there, house) == told(nowhere, house)
    if there.status_code >= 400:
        control = told(await ask(house, house.asking["HOUSE"], operation, THERE), house)
        assert control != told(there, house), "the house itself does not find it"
    elif operation.startswith("GET"):
        assert "zebra" not in there.text.lower()
        if operation not in NAMELESS:
            control = await ask(house, house.asking["HOUSE"], operation, THERE)
            assert "zebra" in control.text.lower(), "nothing to find in it"


OWNED = [
    name for name in GUARDED
    if "{owner}" in name or "owner" in (FOUND[name].said.query if FOUND[name].said else {})
]  # fmt: skip


@pytest.mark.parametrize("operation", OWNED)
async def test_whether_an_owner_exists_is_not_told(house: House, operation: str) -> None:
    for who in (house.asking["READER"], house.asking["WRITER"]):
        if who is house.asking["READER"] and not operation.startswith("GET"):
            continue
        answers = [
            (answer.status_code, answer.json()["type"] if answer.status_code >= 400 else "")
            for owner in ("ACME", "NOBODY")
            for answer in [await ask(house, who, operation, NOWHERE, owner=owner)]
        ]
        assert answers[0] == answers[1]


async def test_lists_narrowed_to_an_owner_hold_its_things(house: House) -> None:
    """So that the tests above do not find empty lists in good order."""
    reader = house.asking["READER"]
    for path in ("orders", "asns", "shipments", "inventory/levels", "inventory/movements"):
        assert "TAPIR-1" in (await reader.get(f"{SITE}/{path}")).text, path
