"""What the world hears about orders that came in: accepted, updated, rejected."""

from collections.abc import Sequence
from typing import Any

import msgspec

from wms.events import catalog
from wms.events.groups import Carr, Party, doc, line
from wms.events.outbox import outbox_row
from wms.outbound.order_documents import Known, OrderDoc, Outcome, differing_fields
from wms.stamp import Stamp


def intake_events(
    stamp: Stamp,
    docs: Sequence[OrderDoc],
    outcomes: Sequence[Outcome],
    writes: Sequence[tuple[int, Known | None]],
) -> list[dict[str, Any]]:
    """Outbox rows of order.accepted, order.updated and order.rejected, in the documents' order.

    An order for an owner that its sender may not name is told to nobody: it is no order of that
    owner's. The sender has its outcome, the document stays as a letter.
    """
    told: list[dict[str, Any]] = []
    before = dict(writes)
    for number, (each, outcome) in enumerate(zip(docs, outcomes, strict=True)):
        key = f"order/{each.owner}/{each.external_id}"
        flow = flow_of(stamp, each, before.get(number))
        if any(error.code == "forbidden-owner" for error in outcome.errors):
            continue
        if outcome.outcome == "rejected":
            errors = [msgspec.to_builtins(error) for error in outcome.errors]
            data: Any = catalog.OrderRejected(
                external_id=each.external_id, owner=each.owner, errors=errors
            )
            told.append(
                outbox_row(
                    stamp, "order.rejected", key, data, owner=each.owner, correlation_id=flow
                )
            )
        elif number in before:
            kind, data = _accepted_or_updated(each, outcome, before[number])
            told.append(
                outbox_row(
                    stamp, kind, key, data, owner=each.owner, keyseq=outcome.version,
                    correlation_id=flow,
                )
            )  # fmt: skip
    return told


def flow_of(stamp: Stamp, each: OrderDoc, stored: Known | None = None) -> str:
    """The correlation id of an order's whole way: what its sender gave, else the order's key."""
    known = stored.correlation_id if stored is not None else ""
    return stamp.correlation_id or known or f"order/{each.owner}/{each.external_id}"


def _accepted_or_updated(
    each: OrderDoc, outcome: Outcome, stored: Known | None
) -> tuple[str, msgspec.Struct]:
    head = doc(
        "order",
        outcome.id,
        each.external_id,
        owner=each.owner,
        version=outcome.version,
        status=outcome.state,
    )
    if stored is not None:
        old = {line_no for line_no, _, _ in stored.lines}
        new = {line_doc.line_no for line_doc in each.lines}
        return "order.updated", catalog.OrderUpdated(
            order=head,
            changed_fields=differing_fields(stored, each),
            lines_added=sorted(new - old),
            lines_removed=sorted(old - new),
        )
    to = each.ship_to
    return "order.accepted", catalog.OrderAccepted(
        order=head,
        ship_to=Party(
            name=to.name, street=to.street, city=to.city, postcode=to.postcode, region=to.region,
            country=to.country, contact=to.contact,
        ),
        carrier=Carr(carrier=each.carrier, service=each.service),
        service_level=each.service,
        ship_by=outcome.cutoff_at,
        lines=[line(ln.line_no, ln.sku, ordered=ln.qty) for ln in each.lines],
    )  # fmt: skip
