"""A simulated ERP whose messages overtake each other: creates, changes, cancels, mixed and twice.

The wrong order is drawn from a seed. What must stay true: whatever the order, the warehouse ends
with the newest version of every order, or with its cancellation.
"""

import asyncio
from random import Random

import msgspec

from wms.outbound.order_documents import OrderDoc
from wms.partner.client import ApiProblem, Client

TWICE = 0.4  # share of messages that are sent again
CANCELLED = 0.25
VERSIONS_MAX = 4
AT_ONCE = 8
TOO_LATE = 409


class Message(msgspec.Struct, frozen=True):
    """One thing the ERP sends; without a document it is a cancellation."""

    external_id: str
    document: OrderDoc | None = None


class Truth(msgspec.Struct, frozen=True):
    """What the ERP itself holds in the end."""

    newest: OrderDoc
    cancelled: bool


class Plan(msgspec.Struct, frozen=True):
    """What is sent, in this order, and what must come out."""

    messages: list[Message]
    truth: dict[str, Truth]


class Sent(msgspec.Struct):
    """Counts of what was answered, by outcome."""

    outcomes: dict[str, int] = msgspec.field(default_factory=dict)

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def make_plan(seed: int, orders: int, owner: str, skus: list[str], carrier: str) -> Plan:
    """Messages for so many orders. The same seed gives the same plan."""
    draw = Random(seed)
    messages: list[Message] = []
    truth: dict[str, Truth] = {}
    for number in range(orders):
        external_id = f"ERP-{seed}-{number}"
        versions = [
            _document(draw, owner, external_id, version, skus, carrier)
            for version in range(1, draw.randint(1, VERSIONS_MAX) + 1)
        ]
        mine = [Message(external_id, document) for document in versions]
        cancelled = draw.random() < CANCELLED
        if cancelled:
            mine.append(Message(external_id))
        messages += mine + [each for each in mine if draw.random() < TWICE]
        truth[external_id] = Truth(versions[-1], cancelled)
    draw.shuffle(messages)
    return Plan(messages, truth)


def _document(
    draw: Random, owner: str, external_id: str, version: int, skus: list[str], carrier: str
) -> OrderDoc:
    lines = [
        {"line_no": str(number), "sku": sku, "qty": draw.randint(1, 5)}
        for number, sku in enumerate(draw.sample(skus, draw.randint(1, len(skus))), 1)
    ]
    values = {
        "owner": owner, "external_id": external_id, "carrier": carrier, "lines": lines,
        "priority": version, "source_version": version,
    }  # fmt: skip
    return msgspec.convert(values, OrderDoc)


async def send(client: Client, plan: Plan, owner: str) -> Sent:
    """Send everything, several at once, as feeds do. Raises ApiProblem on what is not expected."""
    sent = Sent()
    waiting = iter(plan.messages)

    async def lane() -> None:
        for message in waiting:
            sent.count(await _send_one(client, message, owner))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(lane())
    return sent


async def _send_one(client: Client, message: Message, owner: str) -> str:
    """A cancelled order takes no change any more: that answer is expected."""
    try:
        if message.document is not None:
            return (await client.put_order(message.document)).outcome
        ref = f"cancel-{message.external_id}"
        found = await client.cancel_order(owner, message.external_id, "customer said so", ref=ref)
        return found.verdict
    except ApiProblem as refusal:
        if refusal.status != TOO_LATE:
            raise
        return refusal.problem.code


async def differences(client: Client, plan: Plan, owner: str) -> list[str]:
    """Orders that are not as the ERP holds them; nothing when all is right."""
    wrong: list[str] = []
    for external_id, truth in plan.truth.items():
        order = await client.get_order(owner, external_id)
        if truth.cancelled:
            if order.state != "cancelled":
                wrong.append(f"{external_id} is {order.state}, not cancelled")
            continue
        wanted = sorted((each.line_no, each.sku, each.qty) for each in truth.newest.lines)
        lines = sorted((each.line_no, each.sku, each.ordered) for each in order.lines)
        if (order.source_version, lines) != (truth.newest.source_version, wanted):
            wrong.append(f"{external_id} has version {order.source_version}: {lines}")
    return wrong
