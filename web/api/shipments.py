"""Shipments over HTTP: what left, how far it got, and the proofs of its delivery.

    GET  /v1/warehouses/{code}/shipments?owner=&order=&after=&limit=
    GET  /v1/warehouses/{code}/shipments/{id}                     cartons, milestones, proofs
    POST /v1/warehouses/{code}/shipments/{id}/pods                JSON with base64, or multipart
    GET  /v1/warehouses/{code}/shipments/{id}/pods/{pod}          the proof as it came
"""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile

from web.api.admission import reading
from web.api.asked import word
from web.api.describe import describe
from web.api.kept import taken
from web.api.paging import json, limit_of, page
from web.api.security import REQUEST, partner_of
from web.api.writes import again
from web.masking import require_clear
from web.numbers import whole
from wms.carriers import shipments
from wms.carriers.shipments import Pod, PodFacts, Shipment
from wms.db import Tx
from wms.documents import BadDocument, DocumentError, decode, parse

SHIPMENTS = "/v1/warehouses/{code:str}/shipments"
SHIPMENT = SHIPMENTS + "/{id:str}"
BODY_MAX = 28 * 1024 * 1024  # 20 MiB as base64, and the rest of the document
REFUSES = ("bad-request", "not-found")


class PodDoc(PodFacts, frozen=True, kw_only=True):
    """A proof of delivery; `data` is the file as base64."""

    data: Annotated[str, msgspec.Meta(min_length=1, max_length=BODY_MAX)]


class ShipmentPage(msgspec.Struct):
    """Shipments by load and order."""

    shipments: list[Shipment]


@get(SHIPMENTS, summary="Shipments that left, page by page",
     **describe("shipments:read", answers={200: ShipmentPage}, listed=True, refuses=REFUSES,
                query={"owner": str, "order": str, "after": str, "limit": int}))  # fmt: skip
async def list_shipments(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "shipments:read")
    limit = limit_of(request, shipments.PAGE_MAX)
    async with reading(partner) as tx:
        found = await shipments.list_shipments(
            tx, partner.stamp, owner=word(request, "owner"), order=word(request, "order"),
            owner_ids=partner.client.owner_ids, after=word(request, "after"), limit=limit,
        )  # fmt: skip
    return page(request, "shipments", found, limit, found[-1].id if found else "")


@get(SHIPMENT, summary="One shipment with its cartons, milestones and proofs of delivery",
     **describe("shipments:read", answers={200: Shipment}, refuses=REFUSES))  # fmt: skip
async def get_shipment(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "shipments:read")
    name = str(request.path_params["id"])
    async with reading(partner) as tx:
        return json(await shipments.find_shipment(tx, partner.stamp, partner.client, name))


@post(f"{SHIPMENT}/pods", status_code=201, request_max_body_size=BODY_MAX,
      summary="Hand in a proof of delivery",
      **describe("milestones:write", takes=PodDoc, answers={200: Pod, 201: Pod},
                 refuses=(*REFUSES, "malformed-body", "validation-failed",
                          "payload-too-large")))  # fmt: skip
async def post_pod(request: REQUEST) -> Response[Any]:
    """JSON, or a form with the same members and the file as `file`. The same file again: 200."""
    partner = await partner_of(request, "milestones:write")
    name = str(request.path_params["id"])
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await taken(request, partner)
    if media == "multipart/form-data":
        facts, content = await _form(request)
    else:
        document, _unknown = parse(decode(body), PodDoc)
        facts, content = document, _bytes(document.data)

    async def keep(tx: Tx) -> Pod:
        return await shipments.keep_pod(tx, partner.stamp, partner.client, name, facts, content)

    kept = await again(partner, keep)
    return json(kept, 201 if kept.outcome == "created" else 200)


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadDocument([DocumentError("/data", "wrong-format", "Not base64")]) from None


async def _form(request: REQUEST) -> tuple[PodFacts, bytes]:
    form = await request.form()
    sent = form.get("file")
    if not isinstance(sent, UploadFile):
        raise BadDocument([DocumentError("/file", "required", "The file is missing")])
    value: dict[str, Any] = {
        name: form[name] for name in ("kind", "at", "signed_by", "media", "name", "clean")
        if isinstance(form.get(name), str)
    }  # fmt: skip
    value.setdefault("media", sent.content_type or "application/octet-stream")
    value.setdefault("name", sent.filename or "")
    if "clean" in value:
        value["clean"] = {"true": True, "false": False}.get(value["clean"], value["clean"])
    facts, _unknown = parse(value, PodFacts)
    return facts, await sent.read()


@get(f"{SHIPMENT}/pods/{{pod:str}}", summary="A proof of delivery as it came",
     **describe("shipments:read", answers={200: {"type": "string"}},
                answer_media="application/octet-stream",
                refuses=(*REFUSES, "forbidden-field")))  # fmt: skip
async def get_pod(request: REQUEST) -> Response[Any]:
    """Always as bytes to keep: it is what a stranger sent. Only for keys that see persons in clear:
    a picture, a signature or a document cannot be masked in part."""
    partner = await partner_of(request, "shipments:read")
    given = str(request.path_params["pod"])
    number = whole(given)
    if number is None:
        raise shipments.NoSuchPod(pod=repr(given[:40]))
    async with reading(partner) as tx:
        content = await shipments.read_pod(
            tx, partner.stamp, partner.client, str(request.path_params["id"]), number
        )
    require_clear(partner.client, "A proof of delivery")
    return Response(
        content, media_type="application/octet-stream",
        headers={"Content-Disposition": "attachment"},
    )  # fmt: skip


HANDLERS = [list_shipments, get_shipment, post_pod, get_pod]
