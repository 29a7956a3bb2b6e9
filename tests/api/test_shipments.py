"""Shipments as partners read them, and proofs of delivery: kept once, given back as they came."""

import base64
from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.api.partners import partner
from tests.carriers.shipped import shipped
from tests.world import World, scalar
from wms.access.rules import SCOPES

PATH = "/v1/warehouses/W1/shipments"
AT = "2026-03-03T10:00:00+01:00"
PNG = b"\x89PNG" + bytes(range(256))


def proof(**more: Any) -> dict[str, Any]:
    return {"kind": "photo", "at": AT, "media": "image/png",
            "data": base64.b64encode(PNG).decode(), "signed_by": "I. Holm"} | more  # fmt: skip


async def test_a_shipment_shows_cartons_milestones_and_proofs(
    erp: httpx.AsyncClient, world: World
) -> None:
    ship = await shipped(world, "SO-1", "T-1", "T-2")
    await shipped(world, "SO-2", "T-3")
    await shipped(world, "SO-3", "T-4", left=False)
    await erp.post("/v1/milestones", json={
        "source": "at7", "tracking_no": "T-1", "raw_code": "X6", "occurred_at": AT,
    })  # fmt: skip
    await erp.post(f"{PATH}/{ship['id']}/pods", json=proof())
    whole = (await erp.get(f"{PATH}/{ship['id']}")).json()
    assert (whole["order"], whole["carrier"], whole["state"]) == ("SO-1", "PARCEL", "pre_transit")
    assert {each["tracking_no"]: each["state"] for each in whole["cartons"]} == {
        "T-1": "in_transit", "T-2": "pre_transit",
    }  # fmt: skip
    [told] = whole["milestones"]
    assert (told["code"], told["raw_code"], told["utc_offset_min"]) == ("in_transit", "X6", 60)
    assert [each["signed_by"] for each in whole["pods"]] == ["I. Holm"]
    first = await erp.get(f"{PATH}?limit=1")
    rest = await erp.get(first.headers["Link"].partition(";")[0].strip("<>"))
    listed = [each["order"] for x in (first, rest) for each in x.json()["shipments"]]
    assert listed == ["SO-1", "SO-2"]
    assert len((await erp.get(f"{PATH}?order=SO-2")).json()["shipments"]) == 1


async def test_a_proof_is_kept_once_however_it_comes(erp: httpx.AsyncClient, world: World) -> None:
    ship = await shipped(world, "SO-1", "T-1")
    url = f"{PATH}/{ship['id']}/pods"
    first = await erp.post(url, json=proof())
    assert (first.status_code, first.json()["size"]) == (201, len(PNG))
    form = {"kind": "photo", "at": AT, "clean": "false"}
    again = await erp.post(url, data=form, files={"file": ("pod.png", PNG, "image/png")})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    other = await erp.post(url, data=form, files={"file": ("pod.png", PNG + b"2", "image/png")})
    assert (other.status_code, other.json().get("clean", True)) == (201, False)
    assert await scalar(world, "SELECT count(*) FROM outbox WHERE type = 'pod.received'") == 2
    kept = await erp.get(f"{url}/{first.json()['id']}")
    assert (kept.content, kept.headers["content-disposition"]) == (PNG, "attachment")


async def test_who_signed_and_the_picture_are_for_keys_that_see_persons(
    app: Litestar, erp: httpx.AsyncClient, world: World
) -> None:
    ship = await shipped(world, "SO-1", "T-1")
    url = f"{PATH}/{ship['id']}"
    made = await erp.post(f"{url}/pods", json=proof(name="Holm.png"))
    assert "I. Holm" in (await erp.get(url)).text
    picture = f"{url}/pods/{made.json()['id']}"
    assert (await erp.get(picture)).content == PNG
    scopes = [each for each in SCOPES if each != "masks:admin"]
    async with partner(app, world, "SHOP", scopes=scopes) as shop:
        again = await shop.post(f"{url}/pods", json=proof(name="Holm.png"))
        seen = (again, await shop.get(url), await shop.get(f"{PATH}/1-999/pods/1"))
        assert [each.status_code for each in seen] == [200, 200, 404]
        [pod] = seen[1].json()["pods"]
        assert pod["signed_by"].startswith("h_")
        assert not any("Holm" in each.text for each in seen)
        refused = await shop.get(picture)
    assert (refused.status_code, refused.json()["needed"]) == (403, "masks:admin")
    assert refused.json()["type"] == "/problems/forbidden-field"
    assert PNG[:4] not in refused.content


@pytest.mark.parametrize(
    ("shipment", "members", "status"),
    [
        ("1-999", {}, 404), ("x", {}, 404), ("1-%00", {}, 404), ("²-1", {}, 404),
        ("", {"data": "??"}, 422), ("", {"kind": "song"}, 422), ("", {"media": "image"}, 422),
        ("", {"at": "2026-03-03"}, 422), ("", {"data": ""}, 422),
    ],
)  # fmt: skip
async def test_a_proof_that_cannot_be_is_refused(
    erp: httpx.AsyncClient, world: World, shipment: str, members: dict[str, Any], status: int
) -> None:
    ship = await shipped(world, "SO-1", "T-1")
    answer = await erp.post(f"{PATH}/{shipment or ship['id']}/pods", json=proof(**members))
    assert answer.status_code == status
    assert await scalar(world, "SELECT count(*) FROM pod") == 0
