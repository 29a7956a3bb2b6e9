"""A correction of stock as another system asks for it, checked against master data and stock.

Schema errors are found before (wms.documents); here every reference is looked up, and every error
is reported with its JSON Pointer.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.counting.rules import OWN_LIMIT_PCT, OWN_LIMIT_UNITS
from wms.db import Tx, row
from wms.documents import DocumentError
from wms.stamp import Stamp

Code = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[!-.0-~]+$")]  # no space, no /
Short = Annotated[str, Meta(max_length=64, pattern="^[^\\x00]*$")]
KEEPS_STOCK = ("pick", "reserve", "stage_in", "clarify", "pack")


class AdjustmentDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One correction. `request_id` is the sender's own, and makes it safe to send twice.

    Without `to_status`: `qty` units more, or less when negative, of what is in `status`. With it:
    `qty` units pass from `status` to `to_status`. Without `bin` nothing is booked: the bins that
    hold the item are counted.
    """

    request_id: Code
    owner: Code
    sku: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
    qty: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00]+$")]
    bin: Short = ""
    lot: Short = ""
    serial: Short = ""
    status: Literal["available", "damaged", "hold", "quarantine"] = "available"
    to_status: Literal["", "available", "damaged", "hold", "quarantine"] = ""

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).digest()


class Adjustment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A request and where it stands: posted | counting | waiting (for a person) | refused.

    `outcome`: created, or exists when the same request was sent before.
    """

    id: str
    request_id: str
    state: str
    owner: str
    sku: str
    qty: int
    reason: str
    requested_at: datetime
    client: str = ""
    bin: str = ""
    lot: str = ""
    serial: str = ""
    status: str = "available"
    to_status: str = ""
    note: str = ""
    count_ids: list[int] = []
    decided_at: datetime | None = None
    decided_by: str = ""
    outcome: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a request names, by id, and how much of it the bin holds."""

    owner_id: int | None
    owner: str
    item_id: int | None = None
    sku: str = ""
    lot_tracked: bool = False
    serial_tracked: bool = False
    bin_id: int | None = None
    bin: str = ""
    bin_kind: str = ""
    lot_id: int | None = None
    lot: str = ""
    on_hand: int = 0
    serial_bin: str = ""

    @property
    def key(self) -> str:
        return f"stock/{self.owner}/{self.sku}"


# Unique keys of owner, item, bin and lot; balance_place_key and balance_serial_once.
FACTS = text(
    """
    SELECT w.id AS owner_id, coalesce(w.code, '') AS owner, i.id AS item_id,
           coalesce(i.sku, '') AS sku, coalesce(i.lot_tracked, false) AS lot_tracked,
           coalesce(i.serial_tracked, false) AS serial_tracked, b.id AS bin_id,
           coalesce(b.code, '') AS bin, coalesce(b.kind, '') AS bin_kind, l.id AS lot_id,
           coalesce(l.code, '') AS lot,
           coalesce((SELECT sum(x.on_hand) FROM balance x
                      WHERE x.warehouse_id = :warehouse_id AND x.bin_id = b.id
                        AND x.item_id = i.id AND x.lot_id IS NOT DISTINCT FROM l.id), 0) AS on_hand,
           coalesce((SELECT p.code FROM balance x
                       JOIN bin p ON p.warehouse_id = x.warehouse_id AND p.id = x.bin_id
                      WHERE x.warehouse_id = :warehouse_id AND x.owner_id = w.id
                        AND x.item_id = i.id AND x.serial = :serial AND x.serial <> ''
                        AND x.on_hand > 0 LIMIT 1), '') AS serial_bin
      FROM (SELECT 1) one
      LEFT JOIN owner w ON w.code = :owner
      LEFT JOIN item i ON i.owner_id = w.id AND i.sku = :sku
      LEFT JOIN bin b ON b.warehouse_id = :warehouse_id AND b.code = :bin
      LEFT JOIN lot l ON l.warehouse_id = :warehouse_id AND l.owner_id = w.id
       AND l.item_id = i.id AND l.code = :lot
    """
)


async def load_facts(tx: Tx, stamp: Stamp, given: AdjustmentDoc) -> Facts:
    found = await row(
        tx, FACTS, Facts, warehouse_id=stamp.warehouse_id, owner=given.owner, sku=given.sku,
        bin=given.bin, lot=given.lot, serial=given.serial,
    )  # fmt: skip
    assert found is not None
    return found


def check_facts(given: AdjustmentDoc, facts: Facts) -> list[DocumentError]:
    """Everything in a request that leads nowhere or contradicts itself."""
    errors: list[DocumentError] = []

    def wrong(member: str, code: str, message: str) -> None:
        value: Any = getattr(given, member)
        errors.append(DocumentError(f"/{member}", code, message, value))

    if facts.owner_id is None:
        wrong("owner", "unknown-owner", f"There is no owner {given.owner}")
    elif facts.item_id is None:
        wrong("sku", "unknown-item", f"{given.owner} has no item {given.sku}")
    if given.bin and facts.bin_kind not in KEEPS_STOCK:
        wrong("bin", "unknown-location", f"There is no bin {given.bin} that keeps stock")
    if given.lot and facts.item_id is not None and facts.lot_id is None:
        wrong("lot", "unknown-lot", f"No lot {given.lot} of {given.sku} is known here")
    if given.qty == 0 or (given.to_status and given.qty < 0):
        wrong("qty", "out-of-range", "How many units: not zero, and positive with `to_status`")
    if given.to_status == given.status:
        wrong("to_status", "unchanged", "This is the status the goods have")
    if not given.bin:
        if given.to_status:
            wrong("bin", "required", "Say in which bin the goods are")
        return errors
    if facts.lot_tracked and not given.lot:
        wrong("lot", "required", f"{given.sku} is kept by lot")
    if facts.serial_tracked and (not given.serial or abs(given.qty) != 1):
        wrong("serial", "required", f"{given.sku} is kept by serial: one unit in each request")
    if not facts.serial_tracked and given.serial:
        wrong("serial", "unexpected", f"{given.sku} has no serials")
    if given.qty > 0 and not given.to_status and facts.serial_bin:
        wrong("serial", "in-house", f"This serial is in stock in {facts.serial_bin}")
    return errors


def needs_approval(given: AdjustmentDoc, facts: Facts) -> bool:
    """Gains and losses beyond what one person's count may post wait for a supervisor.

    A change of status gains and loses nothing. A serial is a single thing: always looked at.
    """
    if given.to_status:
        return False
    limit = max(OWN_LIMIT_UNITS, facts.on_hand * OWN_LIMIT_PCT // 100)
    return bool(given.serial) or abs(given.qty) > limit
