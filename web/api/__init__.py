"""The JSON API: every resource's handlers in one list for the assembly.

A new resource is a module with `HANDLERS` and one line here.
"""

from typing import Any

from web import errors
from web.api import (
    adjustments,
    appointments,
    asns,
    audit,
    cancels,
    deliveries,
    endpoints,
    event_data,
    exceptions,
    feed,
    files,
    inventory,
    items,
    jobs,
    live,
    locations,
    milestones,
    oauth,
    orders,
    parties,
    publication,
    receipts,
    reconciliation,
    replays,
    shipments,
)
from web.api.kept import marks_kept
from web.api.letters import keeps_failed
from web.api.tracing import traced

HANDLERS: list[Any] = traced(marks_kept([
    *errors.HANDLERS,
    *oauth.HANDLERS,
    *audit.HANDLERS,
    *keeps_failed(orders.HANDLERS, "order", "put_order", "post_orders"),
    *cancels.HANDLERS,
    *keeps_failed(asns.HANDLERS, "asn", "put_asn"),
    *inventory.HANDLERS,
    *items.HANDLERS,
    *jobs.HANDLERS,
    *locations.HANDLERS,
    *parties.HANDLERS,
    *adjustments.HANDLERS,
    *appointments.HANDLERS,
    *files.HANDLERS,
    *milestones.HANDLERS,
    *shipments.HANDLERS,
    *feed.HANDLERS,
    *event_data.HANDLERS,
    *live.HANDLERS,
    *receipts.HANDLERS,
    *endpoints.HANDLERS,
    *deliveries.HANDLERS,
    *replays.HANDLERS,
    *exceptions.HANDLERS,
    *reconciliation.HANDLERS,
    *publication.HANDLERS,
]))
