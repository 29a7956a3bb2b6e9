"""Which exceptions there are, whose they are and until when; what may be done with one.

The registry is published (GET /v1/exception-codes): a code never changes its meaning. Every code
names the team that owns it, so nothing that failed is nobody's.
"""

from datetime import datetime, timedelta

import msgspec

from wms.errors import Conflict, Invalid, NotFound

LEAD, RECEIVING, SERVICE = "shift-lead", "receiving", "customer-service"
INTEGRATION, STOCK = "integration", "inventory-control"
MANAGER = "site-manager"
TEAMS = (LEAD, RECEIVING, SERVICE, INTEGRATION, STOCK, MANAGER)
# Who hears of it when the due time has passed. The last of the chain hears nothing new.
NEXT_LEVEL = {
    RECEIVING: LEAD, LEAD: MANAGER, SERVICE: MANAGER, INTEGRATION: MANAGER, STOCK: MANAGER,
}  # fmt: skip
SUBJECT_MAX = 300


class UnknownException(NotFound):
    say = "There is no exception {id} in this warehouse."


class UnknownAssignee(NotFound):
    say = "There is no active user {user}."


class ExceptionEnded(Conflict):
    say = "That exception is {state} already. It opens again by itself when the trouble comes back."


class ReasonMissing(Invalid):
    say = "Say why: nothing is discarded, nor many at once ended, without a reason."


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One code: whose, until when, how bad, and how it ends without a person."""

    team: str
    due_minutes: int
    severity: str
    text: str
    ends_when: str  # what ends it by itself; empty: only a person does


HOUR, DAY = 60, 24 * 60

CODES: dict[str, Kind] = {
    # the floor
    "short_pick": Kind(
        team=LEAD, due_minutes=15, severity="high",
        text="A picker found less than the bin should hold.",
        ends_when="A count of the bin is completed.",
    ),
    "bin_blocked": Kind(
        team=LEAD, due_minutes=15, severity="normal",
        text="A bin could not be reached.", ends_when="A count of the bin is completed.",
    ),
    "bin_full": Kind(
        team=LEAD, due_minutes=15, severity="low",
        text="A plate did not fit where it was sent.", ends_when="The plate is put away.",
    ),
    "no_bin": Kind(
        team=LEAD, due_minutes=15, severity="high",
        text="No bin has room for a plate.", ends_when="The plate is put away.",
    ),
    "set_aside": Kind(
        team=LEAD, due_minutes=15, severity="normal",
        text="A plate was set aside.", ends_when="The plate is put away.",
    ),
    "floor_trouble": Kind(
        team=LEAD, due_minutes=15, severity="normal",
        text="Something else was reported on the floor.", ends_when="",
    ),
    # goods in
    "receipt_discrepancy": Kind(
        team=RECEIVING, due_minutes=2 * HOUR, severity="normal",
        text="Goods came over, short, damaged, or not as announced.", ends_when="",
    ),
    "asn_rejected": Kind(
        team=RECEIVING, due_minutes=2 * HOUR, severity="high",
        text="An announced delivery was not accepted.",
        ends_when="The delivery is sent again and accepted.",
    ),
    "asn_change_refused": Kind(
        team=RECEIVING, due_minutes=2 * HOUR, severity="normal",
        text="A change of a delivery came too late.",
        ends_when="A later change of the delivery is accepted, or it is cancelled.",
    ),
    # orders
    "order_rejected": Kind(
        team=SERVICE, due_minutes=HOUR, severity="high",
        text="An order was not accepted.", ends_when="The order is sent again and accepted.",
    ),
    "order_change_refused": Kind(
        team=SERVICE, due_minutes=HOUR, severity="normal",
        text="A change of an order came too late.",
        ends_when="A later change of the order is accepted, or it is cancelled.",
    ),
    "cancel_refused": Kind(
        team=SERVICE, due_minutes=HOUR, severity="high",
        text="An order could no longer be cancelled.", ends_when="",
    ),
    # integration
    "dead_letters": Kind(
        team=INTEGRATION, due_minutes=30, severity="high",
        text="Events ran out of delivery attempts.",
        ends_when="All of them are delivered or discarded.",
    ),
    "endpoint_failing": Kind(
        team=INTEGRATION, due_minutes=30, severity="high",
        text="An endpoint has failed for a quarter of an hour or longer.",
        ends_when="The endpoint answers again, or is stopped.",
    ),
    "endpoint_stopped": Kind(
        team=INTEGRATION, due_minutes=30, severity="critical",
        text="An endpoint is suspended or blocked and hears nothing.",
        ends_when="The endpoint is resumed.",
    ),
    "receipt_rejected": Kind(
        team=INTEGRATION, due_minutes=30, severity="high",
        text="A partner's system got an event and could not process it.",
        ends_when="The partner says that it is processed.",
    ),
    "document_refused": Kind(
        team=INTEGRATION, due_minutes=DAY, severity="normal",
        text="A partner's document was not accepted.",
        ends_when="The same document is sent again and accepted.",
    ),
    "document_unfinished": Kind(
        team=INTEGRATION, due_minutes=30, severity="high",
        text="A document came and was never answered.",
        ends_when="It is sent again from its page and accepted.",
    ),
    "lines_refused": Kind(
        team=INTEGRATION, due_minutes=2 * HOUR, severity="high",
        text="Lines of a batch did not go in.",
        ends_when="The same documents come again and all of them go in.",
    ),
    "file_failed": Kind(
        team=INTEGRATION, due_minutes=2 * HOUR, severity="high",
        text="Documents of a file did not go in.",
        ends_when="The file is read again and all of it goes in.",
    ),
    "stream_gap": Kind(
        team=INTEGRATION, due_minutes=30, severity="high",
        text="A consumer's events differ from the log.",
        ends_when="The same range is compared again and is equal.",
    ),
    # stock
    "stock_gap": Kind(
        team=STOCK, due_minutes=DAY, severity="critical",
        text="Balances and movements do not add up to the same stock.",
        ends_when="They add up again.",
    ),
}  # fmt: skip

# Codes of task.exception_raised that are codes here under the same or another name.
FLOOR = {
    "short": "short_pick", "no_bin": "no_bin", "set_aside": "set_aside", "bin_full": "bin_full",
    "bin_blocked": "bin_blocked",
}  # fmt: skip
ENDED_BY_COUNT = ("short_pick", "bin_blocked")
ENDED_BY_PUTAWAY = ("no_bin", "set_aside", "bin_full")


def due_at(code: str, at: datetime) -> datetime:
    return at + timedelta(minutes=CODES[code].due_minutes)


def kept_subject(subject: str) -> str:
    """A subject as it is stored: bounded, without control characters."""
    return "".join(c for c in subject if c.isprintable())[:SUBJECT_MAX]
