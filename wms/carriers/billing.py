"""Whether a shipment may be billed: it was delivered, and a clean proof of that is here.

Told when the verdict changes, by the fact that changed it, in its transaction. The rule is one for
all owners; it travels in the event by name.
"""

import msgspec
from sqlalchemy import text

from wms.carriers.rules import Seen, shipment_state, state_of
from wms.db import Tx, rows
from wms.events import catalog
from wms.events.outbox import emit
from wms.stamp import Stamp

RULE = "delivered_and_clean_proof"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The shipment that is judged."""

    order_id: int
    load_id: int
    order: str
    owner: str
    correlation_id: str

    @property
    def shipment(self) -> str:
        return f"{self.order_id}-{self.load_id}"


class Proof(msgspec.Struct, frozen=True):
    """A proof of delivery; not clean when it names damage or a shortage."""

    id: str
    clean: bool


class _Seen(Seen, frozen=True, kw_only=True):
    lpn_id: int


class _Box(msgspec.Struct):
    id: int


TAKE_ORDER = text(
    """
    SELECT id FROM outbound_order WHERE warehouse_id = :warehouse_id AND id = :order_id
       FOR NO KEY UPDATE
    """
)
# shipment_carton by its order; milestone_shipment_ix; the unique key of pod.
BOXES = text(
    """
    SELECT s.lpn_id AS id FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id AND l.state <> 'void'
     WHERE s.warehouse_id = :warehouse_id AND s.order_id = :order_id AND s.load_id = :load_id
    """
)
SEEN = text(
    """
    SELECT lpn_id, code, source, occurred_at, doubt FROM milestone
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND load_id = :load_id
    """
)
PROOFS = text(
    """
    SELECT CAST(id AS text) AS id, clean FROM pod
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND load_id = :load_id
     ORDER BY id
    """
)


def blockers(proofs: list[Proof]) -> list[str]:
    """What keeps a delivered shipment from being billed; nothing when it may be."""
    if any(proof.clean for proof in proofs):
        return []
    return ["proof_not_clean"] if proofs else ["proof_missing"]


async def tell_delivered(tx: Tx, stamp: Stamp, head: Head) -> None:
    """It was delivered just now. Emits billing.eligible or billing.blocked."""
    await _tell(tx, stamp, head, await _proofs(tx, stamp, head))


async def tell_proof(tx: Tx, stamp: Stamp, head: Head, pod_id: str) -> None:
    """A proof came in. Emits billing.eligible or billing.blocked when that changes the verdict.

    Locks the order, as a milestone does, so that of the two the later one sees both.
    """
    here = _here(stamp, head)
    await tx.execute(TAKE_ORDER, here)
    boxes = await rows(tx, BOXES, _Box, **here)
    seen = await rows(tx, SEEN, _Seen, **here)
    states = [state_of([each for each in seen if each.lpn_id == box.id]) for box in boxes]
    if shipment_state(states) != "delivered":
        return
    proofs = await _proofs(tx, stamp, head)
    if blockers(proofs) != blockers([each for each in proofs if each.id != pod_id]):
        await _tell(tx, stamp, head, proofs)


async def _tell(tx: Tx, stamp: Stamp, head: Head, proofs: list[Proof]) -> None:
    found = blockers(proofs)
    if found:
        type, data = "billing.blocked", catalog.BillingBlocked(
            shipment_id=head.shipment, orders=[head.order], rule=RULE, blockers=found
        )
    else:
        evidence = ["shipment.delivered", *(f"pod/{each.id}" for each in proofs if each.clean)]
        type, data = "billing.eligible", catalog.BillingEligible(
            shipment_id=head.shipment, orders=[head.order], rule=RULE, evidence=evidence,
            eligible_at=stamp.at,
        )  # fmt: skip
    await emit(tx, stamp, type, f"shipment/{head.shipment}", data, owner=head.owner,
               correlation_id=head.correlation_id)  # fmt: skip


async def _proofs(tx: Tx, stamp: Stamp, head: Head) -> list[Proof]:
    return await rows(tx, PROOFS, Proof, **_here(stamp, head))


def _here(stamp: Stamp, head: Head) -> dict[str, int]:
    return {"warehouse_id": stamp.warehouse_id, "order_id": head.order_id,
            "load_id": head.load_id}  # fmt: skip
