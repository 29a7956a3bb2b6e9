"""Every field of every event and answer under every profile; addresses over the API as one sees."""

import re
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from tests.world import World
from web.api.describe import operations
from web.masking import classes_of
from wms.access import clients
from wms.access.masking import CLASSES, PROFILES, Cover
from wms.events.catalog import TYPES
from wms.events.masks import Mask, masked_fields
from wms.events.samples import sample_data

KEY = b"of this test"
# What sounds like a person, money or a secret.
TELLING = re.compile(
    r"street|phone|email|contact|^(actor|user|assignee|by)$|_by$|signed|ship_to|bill_to"
    r"|amount|price|cost|charge|minor$|secret|password|token|pin$"
)
# Answers that say so and mean something else, or that exist to be shown once.
HARMLESS = {
    "decided_by",  # the rule that decided, not a person (persons: Adjustment, Proposal)
    "secret", "access_token", "token_type",  # shown once, to who asked for them
}  # fmt: skip
OPEN = {("Entry", "actor"), ("EndpointView", "contact"), ("EndpointView", "created_by"),
        ("EndpointWithLag", "contact"), ("EndpointWithLag", "created_by"),
        ("Envelope", "actor")}  # fmt: skip


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All values by path; lists count as `*`."""
    if isinstance(tree, dict):
        return {k: v for name, part in tree.items() for k, v in leaves(part, (*path, name)).items()}
    if isinstance(tree, list):
        return {k: v for part in tree for k, v in leaves(part, (*path, "*")).items()}
    return {path: tree}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_field_of_every_event_under_every_profile(profile: str) -> None:
    mask = Mask(profile, KEY)
    looked = 0
    for type in TYPES:
        before = sample_data(type)
        after = mask.data(type, before.decode()) or before
        classes = masked_fields(type)
        seen = leaves(msgspec.json.decode(after))
        for path, value in leaves(msgspec.json.decode(before)).items():
            kind = next((k for known, k in classes.items() if path[: len(known)] == known), None)
            action = PROFILES[profile][kind or "public"]
            looked += 1
            if action == "keep":
                assert seen[path] == value, (type, path)
            elif action == "drop":
                assert path not in seen, (type, path)
            elif value not in (None, ""):
                assert seen[path] != value, (type, path)
                assert re.search("h_[0-9a-f]{20}$" if action == "hash" else "….{0,4}$",
                                 str(seen[path])), (type, path)  # fmt: skip
    assert looked > 300


def test_every_profile_says_what_becomes_of_every_class() -> None:
    assert all(set(actions) == set(CLASSES) for actions in PROFILES.values())
    assert all(actions["secret"] == "drop" for actions in PROFILES.values())
    assert PROFILES["default"]["finance"] == "drop"
    assert PROFILES["default"]["personal"] == "hash"


def test_every_telling_field_of_every_answer_has_a_class(house: Litestar) -> None:
    bare, looked = [], 0
    for operation in operations(house):
        for shape in (operation.said.answers if operation.said else {}).values():
            if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
                continue
            classes = classes_of(shape)
            _, known = msgspec.json.schema_components([shape])
            classified = {path[-1] for path in classes}
            for name, schema in known.items():
                for field in schema.get("properties", {}):
                    looked += 1
                    if not TELLING.search(field) or field in HARMLESS or (name, field) in OPEN:
                        continue
                    if field not in classified:
                        bare.append(f"{operation.path}: {name}.{field}")
    assert bare == []
    assert looked > 300


def test_hashes_join_and_systems_are_no_persons() -> None:
    cover, other = Cover("default", KEY), Cover("default", b"another house")
    assert cover.cover("PIA", "hash") == cover.cover("PIA", "hash") != other.cover("PIA", "hash")
    assert cover.actor("user:PIA") == cover.cover("user:PIA", "hash") != "user:PIA"
    assert cover.actor("partner:ERP") == cover.cover("partner:ERP", "hash") == "partner:ERP"
    assert cover.cover(["4006381333931", ""], "last4") == ["…3931", ""]
    assert cover.cover("Ida", "last4") == "…"  # four of few would be all


async def test_a_refused_document_is_told_without_what_stood_in_it(
    world: World, partner: httpx.AsyncClient
) -> None:
    async def key(code: str, *scopes: str) -> dict[str, str]:
        async with world.db.transaction() as tx:
            made = await clients.create_client(
                tx, code, warehouse_ids=[world.warehouse_id],
                scopes=["orders:write", "exceptions:read", *scopes],
            )  # fmt: skip
        return {"authorization": f"Bearer {made}"}

    plain, admin = await key("SHOP"), await key("ERP", "masks:admin")
    body = {"carrier": "PARCEL", "ship_to": {"name": "Ida Holm " * 40},
            "lines": [{"line_no": "1", "sku": "MUG", "qty": 1}]}  # fmt: skip
    base = "/v1/warehouses/W1"
    put = await partner.put(f"{base}/orders/ACME/SO-1", json=body, headers=plain)
    assert put.status_code == 422
    (head,) = (await partner.get(f"{base}/exceptions", headers=plain)).json()["exceptions"]
    url = f"{base}/exceptions/{head['id']}"
    (error,) = (await partner.get(url, headers=plain)).json()["documents"][0]["errors"]
    assert error["path"] == "/ship_to/name"
    assert re.fullmatch("h_[0-9a-f]{20}", error["value"])
    assert "Ida Holm" in (await partner.get(url, headers=admin)).text


async def test_an_order_is_read_with_the_address_its_key_may_see(
    world: World, partner: httpx.AsyncClient
) -> None:
    async def key(code: str, *scopes: str) -> dict[str, str]:
        async with world.db.transaction() as tx:
            made = await clients.create_client(
                tx, code, warehouse_ids=[world.warehouse_id],
                scopes=["orders:read", "orders:write", *scopes],
            )  # fmt: skip
        return {"authorization": f"Bearer {made}"}

    plain, admin = await key("SHOP"), await key("ERP", "masks:admin")
    address = {"name": "Ida Holm", "street": "Hafenstrasse 1", "city": "Kiel", "postcode": "24103",
               "country": "DE"}  # fmt: skip
    url = "/v1/warehouses/W1/orders/ACME/SO-1"
    body = {"carrier": "PARCEL", "ship_to": address,
            "lines": [{"line_no": "1", "sku": "MUG", "qty": 1}]}  # fmt: skip
    put = await partner.put(url, json=body, headers=plain)
    assert put.status_code == 201, put.text
    full = await partner.get(url, headers=admin)
    masked = await partner.get(url, headers=plain)
    assert full.json()["ship_to"] == address
    shown = masked.json()["ship_to"]
    assert {name: shown[name] for name in ("city", "postcode", "country")} == {
        "city": "Kiel", "postcode": "24103", "country": "DE",
    }  # fmt: skip
    for word in ("Ida", "Holm", "Hafenstrasse"):
        assert word in full.text
        assert word not in masked.text
    assert re.fullmatch("h_[0-9a-f]{20}", shown["name"])
    events = masked.json()["events"]
    assert events
    assert {event["actor"] for event in events} == {"partner:SHOP"}
