"""The JSON API: every resource's handlers in one list for the assembly.

A new resource is a module with `HANDLERS` and one line here.
"""

from typing import Any

from web import errors
from web.api import (
    adjustments,
    asns,
    audit,
    cancels,
    deliveries,
    endpoints,
    exceptions,
    feed,
    files,
    inventory,
    items,
    jobs,
    live,
    oauth,
    orders,
    publication,
    receipts,
    reconciliation,
    replays,
)
from web.api.letters import keeps_failed

HANDLERS: list[Any] = [
    *errors.HANDLERS,
    *oauth.HANDLERS,
    *audit.HANDLERS,
    *keeps_failed(orders.HANDLERS, "order", "put_order", "post_orders"),
    *cancels.HANDLERS,
    *keeps_failed(asns.HANDLERS, "asn", "put_asn"),
    *inventory.HANDLERS,
    *items.HANDLERS,
    *jobs.HANDLERS,
    *adjustments.HANDLERS,
    *files.HANDLERS,
    *feed.HANDLERS,
    *receipts.HANDLERS,
    *endpoints.HANDLERS,
    *deliveries.HANDLERS,
    *exceptions.HANDLERS,
    *reconciliation.HANDLERS,
    *replays.HANDLERS,
    *live.HANDLERS,
    *publication.HANDLERS,
]
