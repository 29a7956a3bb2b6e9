"""The data of an event that was too large to send, by the link that was sent instead (`dataref`).

    GET /v1/warehouses/{code}/events/{id}/data?endpoint=&expires=&signature=
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get

from web.api.asked import number, word
from web.api.describe import describe
from web.api.feed import EVENTS, Pos, owners_of, site_of
from web.api.security import REQUEST, partner_of
from web.api.writes import raw
from web.session import now
from wms.events.envelope import read_id
from wms.events.keys import Vault
from wms.events.links import Links, LinkWrong
from wms.events.masks import Mask
from wms.events.queries import find_event, get_endpoint

Name = Annotated[str, msgspec.Meta(max_length=200)]


@get(EVENTS + "/{id:str}/data", summary="The data of an event, by the link in its delivery",
     **describe("events:read", answers={200: dict[str, Any]}, refuses=("bad-request",),
                query={"endpoint": Name, "expires": Pos, "signature": Name}))  # fmt: skip
async def show_event_data(request: REQUEST) -> Response[Any]:
    """Masked as the endpoint's deliveries are. For the partner whose endpoint it is, and of the
    owners its key has, until the link ends."""
    partner = await partner_of(request, "events:read")
    event_id = read_id(str(request.path_params["id"]))
    vault = Vault(request.app.state.settings)
    site = site_of(request, str(request.path_params["code"]))
    sent = Links(site, word(request, "endpoint"), vault.link_key)
    sent.check(event_id, number(request, "expires"), word(request, "signature"), now())
    owners = await owners_of(partner.db, partner.client)
    async with partner.db.reading() as tx:
        endpoint = await get_endpoint(tx, sent.endpoint)
        if endpoint.created_by != f"partner:{partner.client.code}":
            raise LinkWrong()
        if endpoint.owners:
            heard = set(endpoint.owners)
            owners = heard if owners is None else heard & owners
        row = await find_event(tx, partner.stamp.warehouse_id, event_id, owners)
    mask = Mask(endpoint.mask_profile, vault.mask_key)
    return raw(mask.data(row.type, row.data) or row.data.encode(), 200)


HANDLERS = [show_event_data]
