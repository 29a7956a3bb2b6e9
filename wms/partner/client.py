"""A typed client of this API for partners' own programs.

    async with Client("https://wms.example", key, "W1") as wms:
        await wms.put_order(OrderDoc(owner="ACME", external_id="SO-1", ...))
        async for event in wms.follow("erp", types=["order.*"]):
            ...

Every write may be sent twice, so the client itself tries again when the warehouse is busy or the
line breaks. What is refused is raised as ApiProblem, with every error of the document.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aiohttp
import msgspec

from wms.events.envelope import Envelope
from wms.events.receipts import Receipt
from wms.inbound.asn_documents import AsnDoc
from wms.inbound.asn_documents import Outcome as AsnOutcome
from wms.masterdata.item_documents import ItemDoc, ItemOutcome, ItemRead
from wms.outbound.cancel_requests import CancelDoc
from wms.outbound.cancelling import Cancelled
from wms.outbound.levels import Balance, Level
from wms.outbound.order_documents import OrderDoc, Outcome
from wms.outbound.queries import Order, OrderRow
from wms.partner.calls import CALLS, Asn, Batch, Brief, Pos, Problem, Said, Why

AGAIN = (429, 503)
PAUSE_S, PAUSE_MAX_S = 0.2, 20.0
IDLE_S = 1.0


class ApiProblem(Exception):
    """A refusal. `problem.code` is for programs, `problem.errors` are all errors of a document."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(f"{status} {problem.code}: {problem.detail}")
        self.status = status
        self.problem = problem


class _Answer(msgspec.Struct):
    status: int
    body: bytes
    next_url: str


class Client:
    """One partner and one warehouse. `tries` counts the first."""

    def __init__(
        self, url: str, key: str, warehouse: str, *, tries: int = 5, timeout_s: float = 30
    ) -> None:
        self.url = url.rstrip("/")
        self.warehouse = warehouse
        self._tries = max(1, tries)
        self._session = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {key}"},
            timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar(),
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    # ---- orders ----------------------------------------------------------------------------------

    async def put_order(self, order: OrderDoc, *, version: int | None = None) -> Outcome:
        """Create or change one order; `version` changes that version only. Raises ApiProblem."""
        headers = {} if version is None else {"if-match": f'"{version}"'}
        names = {"owner": order.owner, "external_id": order.external_id}
        return await self._call("put_order", names, order, headers=headers)

    async def post_orders(self, orders: Sequence[OrderDoc], key: str = "") -> Batch:
        """Many orders; each has an outcome of its own. `key` makes the answer repeatable."""
        headers = {"idempotency-key": key or str(uuid4())}
        return await self._call("post_orders", {}, list(orders), headers=headers)

    async def get_order(self, owner: str, external_id: str) -> Order:
        return await self._call("get_order", {"owner": owner, "external_id": external_id})

    async def list_orders(self, state: str = "", limit: int = 100) -> AsyncIterator[OrderRow]:
        """By cutoff; page by page behind the scenes."""
        async for page in self._pages("list_orders", {}, state=state, limit=limit):
            for order in page.orders:
                yield order

    async def cancel_order(
        self, owner: str, external_id: str, reason: str, *, ref: str = ""
    ) -> Cancelled:
        """May come before its order. `ref`: the same one again gets the same answer."""
        names = {"owner": owner, "external_id": external_id}
        return await self._call("cancel_order", names, CancelDoc(reason=reason, cancel_ref=ref))

    async def hold_order(self, owner: str, external_id: str, reason: str) -> Brief:
        names = {"owner": owner, "external_id": external_id}
        return await self._call("hold_order", names, Why(reason))

    async def release_hold(self, owner: str, external_id: str) -> Brief:
        return await self._call("release_hold", {"owner": owner, "external_id": external_id})

    # ---- deliveries, items, stock ----------------------------------------------------------------

    async def put_asn(self, asn: AsnDoc) -> AsnOutcome:
        return await self._call(
            "put_asn", {"owner": asn.owner, "external_id": asn.external_id}, asn
        )

    async def get_asn(self, owner: str, external_id: str) -> Asn:
        return await self._call("get_asn", {"owner": owner, "external_id": external_id})

    async def cancel_asn(self, owner: str, external_id: str, reason: str = "") -> AsnOutcome:
        names = {"owner": owner, "external_id": external_id}
        return await self._call("cancel_asn", names, Why(reason))

    async def put_item(self, item: ItemDoc) -> ItemOutcome:
        return await self._call("put_item", {"owner": item.owner, "sku": item.sku}, item)

    async def get_item(self, owner: str, sku: str) -> ItemRead:
        return await self._call("get_item", {"owner": owner, "sku": sku})

    async def list_items(self, owner: str, limit: int = 100) -> AsyncIterator[ItemRead]:
        async for page in self._pages("list_items", {"owner": owner}, limit=limit):
            for item in page.items:
                yield item

    async def levels(
        self, owner: str = "", sku: str = "", limit: int = 100
    ) -> AsyncIterator[Level]:
        """What is on hand, promised and free, item by item."""
        async for page in self._pages("levels", {}, owner=owner, sku=sku, limit=limit):
            for level in page.levels:
                yield level

    async def balances(
        self, owner: str = "", sku: str = "", limit: int = 100
    ) -> AsyncIterator[Balance]:
        """Stock by bin, plate, lot, serial and status."""
        async for page in self._pages("balances", {}, owner=owner, sku=sku, limit=limit):
            for balance in page.balances:
                yield balance

    # ---- events ----------------------------------------------------------------------------------

    async def events(
        self, after: int = 0, *, types: Sequence[str] = (), owner: str = "", limit: int = 500
    ) -> AsyncIterator[Envelope]:
        """The log from a position to its present end, in order."""
        while True:
            query = {"after": after, "limit": limit, "types": ",".join(types), "owner": owner}
            page = await self._call("events", {}, query=query)
            for event in page.events:
                yield event
            after = page.next_after
            if page.caught_up:
                return

    async def follow(
        self, consumer: str, *, types: Sequence[str] = (), limit: int = 500, idle_s: float = IDLE_S
    ) -> AsyncIterator[Envelope]:
        """Every event, for ever, from where this consumer stopped.

        A page is committed when its last event was taken in full: after a crash the events of the
        page begun come again, under the same ids.
        """
        while True:
            query = {"consumer": consumer, "types": ",".join(types), "limit": limit}
            page = await self._call("events", {}, query=query)
            for event in page.events:
                yield event
            if page.next_after:
                await self._call("commit", {"name": consumer}, Pos(page.next_after))
            if page.caught_up:
                await asyncio.sleep(idle_s)

    async def say(
        self, event_id: str, verdict: Literal["processed", "rejected", "deferred"], *,
        endpoint: str | None = None, consumer: str | None = None, code: str = "", detail: str = "",
    ) -> Receipt:  # fmt: skip
        """What became of an event in your own system, hours later if need be."""
        said = Said(
            verdict=verdict, endpoint=endpoint, consumer=consumer, code=code, detail=detail
        )
        return await self._call("say", {"id": event_id}, said)

    # ---- the wire --------------------------------------------------------------------------------

    async def _call(
        self, name: str, path: dict[str, str], body: Any = None, *,
        headers: dict[str, str] | None = None, query: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """One call of CALLS. Raises ApiProblem."""
        call = CALLS[name]
        names = {"code": self.warehouse, **path}
        url = call.path.format(**{key: quote(value, safe="") for key, value in names.items()})
        found = await self._send(call.method, self.url + url, body, headers or {}, query or {})
        return msgspec.json.decode(found.body, type=call.answers)

    async def _pages(self, name: str, path: dict[str, str], **query: Any) -> AsyncIterator[Any]:
        call = CALLS[name]
        names = {"code": self.warehouse, **path}
        url = call.path.format(**{key: quote(value, safe="") for key, value in names.items()})
        asked = query
        while url:
            found = await self._send(call.method, self.url + url, None, {}, asked)
            yield msgspec.json.decode(found.body, type=call.answers)
            url, asked = found.next_url, {}

    async def _send(
        self, method: str, url: str, body: Any, headers: dict[str, str], query: dict[str, Any]
    ) -> _Answer:
        data = None if body is None else msgspec.json.encode(body)
        headers = {**headers, "content-type": "application/json"}
        asked = {key: str(value) for key, value in query.items() if value not in ("", None)}
        for attempt in range(1, self._tries + 1):
            pause = min(PAUSE_MAX_S, PAUSE_S * 2 ** (attempt - 1))
            try:
                async with self._session.request(
                    method, url, data=data, headers=headers, params=asked, allow_redirects=False
                ) as answer:
                    content = await answer.read()
                    if answer.status < 300:
                        return _Answer(answer.status, content, _next(answer))
                    if answer.status not in AGAIN or attempt == self._tries:
                        raise ApiProblem(answer.status, _problem(content))
                    pause = max(pause, _seconds(answer.headers.get("retry-after", "")))
            except (aiohttp.ClientConnectionError, TimeoutError):
                if attempt == self._tries:
                    raise
            await asyncio.sleep(min(pause, PAUSE_MAX_S))
        raise AssertionError("the last try answers or raises")


def _next(answer: aiohttp.ClientResponse) -> str:
    """Path and query of the next page, from its Link header (RFC 8288)."""
    link = answer.links.get("next")
    if link is None:
        return ""
    parts = urlsplit(str(link["url"]))
    return f"{parts.path}?{parts.query}"


def _problem(content: bytes) -> Problem:
    try:
        return msgspec.json.decode(content, type=Problem)
    except msgspec.MsgspecError:
        return Problem(detail=content[:200].decode("utf-8", "replace"))


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0
