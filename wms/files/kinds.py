"""What each kind of file holds, and the procedure that takes its documents in.

The procedures are those of the API: a file is another way to say the same, never another rule.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from wms.access.rules import ApiClient
from wms.carriers import milestones
from wms.carriers.milestones import MilestoneDoc
from wms.db import Tx
from wms.documents import BadDocument, DocumentError
from wms.errors import Busy, WmsError
from wms.inbound import asn
from wms.inbound.asn_documents import AsnDoc
from wms.masterdata import items
from wms.masterdata.item_documents import ItemDoc
from wms.outbound import orders
from wms.outbound.order_documents import OrderDoc
from wms.stamp import Stamp

GOOD = ("created", "updated", "exists", "ignored_stale", "parked", "proposed")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document."""

    outcome: str
    key: str
    errors: Sequence[DocumentError] = ()

    @property
    def good(self) -> bool:
        return self.outcome in GOOD


Take = Callable[[Tx, Stamp, ApiClient, list[Any]], Awaitable[list[Taken]]]


class FileKind(msgspec.Struct, frozen=True, kw_only=True):
    """`keys`: members that say which rows of a CSV are one document. `mode`: unless asked else."""

    shape: Any
    keys: tuple[str, ...]
    mode: str
    take: Take


async def _orders(tx: Tx, stamp: Stamp, client: ApiClient, docs: list[Any]) -> list[Taken]:
    return [
        Taken(outcome=each.outcome, key=f"{each.owner}/{each.external_id}",
              errors=tuple(each.errors) or _differs(each.outcome))
        for each in await orders.accept(tx, stamp, docs, client.owner_ids)
    ]  # fmt: skip


def _differs(outcome: str) -> tuple[DocumentError, ...]:
    if outcome in GOOD:
        return ()
    words = outcome.replace("_", " ")
    return (DocumentError("", outcome.split("_with_")[0], f"Not taken: {words}"),)


def one_by_one(
    act: Callable[[Tx, Stamp, ApiClient, Any], Awaitable[Any]],
    key: Callable[[Any], str],
) -> Take:
    """A procedure of one document for many, each in a savepoint: a refused one leaves nothing."""

    async def take(tx: Tx, stamp: Stamp, client: ApiClient, docs: list[Any]) -> list[Taken]:
        done: list[Taken] = []
        for each in docs:
            try:
                async with tx.begin_nested():
                    made = await act(tx, stamp, client, each)
                errors = tuple(getattr(made, "errors", ())) or _differs(made.outcome)
                done.append(Taken(outcome=made.outcome, key=key(each), errors=errors))
            except Busy:
                raise
            except BadDocument as refusal:
                done.append(Taken(outcome="rejected", key=key(each), errors=refusal.errors))
            except WmsError as refusal:
                wrong = DocumentError("", refusal.code, str(refusal))
                done.append(Taken(outcome="rejected", key=key(each), errors=[wrong]))
        return done

    return take


async def _announce(tx: Tx, stamp: Stamp, client: ApiClient, each: Any) -> Any:
    return await asn.announce(tx, stamp, client, each)


async def _put_item(tx: Tx, stamp: Stamp, client: ApiClient, each: Any) -> Any:
    return await items.put_item(tx, stamp, client, each)


async def _record(tx: Tx, stamp: Stamp, client: ApiClient, each: Any) -> Any:
    return await milestones.record(tx, stamp, client, each)


def _natural(each: Any) -> str:
    return f"{each.owner}/{each.external_id}"


KINDS: dict[str, FileKind] = {
    "orders": FileKind(
        shape=OrderDoc, keys=("owner", "external_id"), mode="atomic", take=_orders
    ),
    "asns": FileKind(
        shape=AsnDoc, keys=("owner", "external_id"), mode="atomic",
        take=one_by_one(_announce, _natural),
    ),
    "items": FileKind(
        shape=ItemDoc, keys=("owner", "sku"), mode="partial",
        take=one_by_one(_put_item, lambda each: f"{each.owner}/{each.sku}"),
    ),
    "milestones": FileKind(
        shape=MilestoneDoc, keys=(), mode="partial",
        take=one_by_one(_record, lambda each: each.tracking_no),
    ),
}  # fmt: skip
