"""Carrier statuses, decided: canonical codes, the state they make, and which cannot be true. Pure.

A state follows from all milestones of a carton in the order they happened, not in which they came.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

FUTURE = timedelta(hours=2)
BEFORE = timedelta(hours=1)  # carriers' clocks and ours
PARKED_DAYS = 30

# What each canonical code makes of a carton; "" changes nothing.
STATE_OF = {
    "created": "pre_transit", "label_created": "pre_transit", "pickup_arrived": "pre_transit",
    "picked_up": "in_transit", "in_transit": "in_transit", "arrived_hub": "in_transit",
    "departed_hub": "in_transit", "customs_hold": "exception", "customs_released": "in_transit",
    "out_for_delivery": "out_for_delivery", "delivery_arrived": "out_for_delivery",
    "delivery_attempted": "delivery_failed", "available_for_pickup": "available_for_pickup",
    "delivered": "delivered", "refused": "exception", "returning": "returning",
    "returned": "returned", "delayed": "exception", "damaged": "exception", "lost": "lost",
    "cancelled": "cancelled", "eta": "", "other": "",
}  # fmt: skip
CODES = tuple(STATE_OF)
TERMINAL = ("delivered", "returned", "lost", "cancelled")
BEFORE_DEPARTURE = ("created", "label_created", "pickup_arrived", "eta", "other", "cancelled")
# States that are told when a carton comes into them, and under which event.
TOLD = {
    "delivery_failed": "shipment.delivery_failed", "returning": "shipment.returning",
    "returned": "shipment.returning", "exception": "shipment.exception",
    "lost": "shipment.exception",
}  # fmt: skip

# Raw codes of known sources, in small letters. A partner's own table (milestone_code) goes first.
RAW: dict[str, dict[str, str]] = {
    "karrio": {
        "pending": "created", "picked_up": "picked_up", "in_transit": "in_transit",
        "out_for_delivery": "out_for_delivery", "delivery_failed": "delivery_attempted",
        "ready_for_pickup": "available_for_pickup", "delivered": "delivered",
        "return_to_sender": "returning", "delivery_delayed": "delayed", "on_hold": "customs_hold",
        "consignee_refused": "refused", "carrier_damaged_parcel": "damaged",
        "carrier_parcel_lost": "lost", "cancelled": "cancelled", "estimated_delivery": "eta",
    },
    "easypost": {
        "pre_transit": "created", "in_transit": "in_transit",
        "out_for_delivery": "out_for_delivery", "available_for_pickup": "available_for_pickup",
        "delivered": "delivered", "return_to_sender": "returning", "failure": "delivery_attempted",
        "cancelled": "cancelled", "est_delivery_date": "eta",
    },
    "shipengine": {
        "ny": "created", "ac": "picked_up", "it": "in_transit", "de": "delivered",
        "ex": "delayed", "at": "delivery_attempted", "sp": "available_for_pickup",
    },
    "project44": {
        "shipment_created": "created", "picked_up": "picked_up", "shipment_received": "picked_up",
        "position_update": "in_transit", "departed_stop": "departed_hub",
        "arrived_at_stop": "arrived_hub", "held": "customs_hold",
        "out_for_delivery": "out_for_delivery", "loaded_for_delivery": "out_for_delivery",
        "delivery_missed": "delivery_attempted", "available_for_pickup": "available_for_pickup",
        "delivered": "delivered", "delayed": "delayed", "cancelled": "cancelled", "eta": "eta",
    },
    "at7": {
        "xb": "created", "x3": "pickup_arrived", "x8": "pickup_arrived", "af": "picked_up",
        "cp": "picked_up", "x6": "in_transit", "p1": "departed_hub", "x4": "arrived_hub",
        "rh": "customs_released", "x1": "delivery_arrived", "x5": "delivery_arrived",
        "ah": "delivery_attempted", "aw": "available_for_pickup", "d1": "delivered",
        "a7": "refused", "a3": "returning", "sd": "delayed", "a9": "damaged", "ca": "cancelled",
        "ag": "eta", "x2": "eta",
    },
}  # fmt: skip


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One milestone of a carton as its state is made from."""

    code: str
    source: str
    occurred_at: datetime
    doubt: str = ""


def canonical(source: str, raw_code: str, own: Mapping[str, str]) -> str:
    """The canonical code of a raw one; `own` are the partner's words. Unknown words are `other`."""
    word = raw_code.strip().lower()
    known = own.get(word) or RAW.get(source.lower(), {}).get(word)
    return known or (word if word in STATE_OF else "other")


def doubt_of(code: str, at: datetime, received_at: datetime, departed_at: datetime | None) -> str:
    """Why a milestone cannot be true as told; it is kept, and no state is made from it."""
    if at > received_at + FUTURE and code != "eta":
        return "future"
    if departed_at is not None and code not in BEFORE_DEPARTURE and at < departed_at - BEFORE:
        return "before_departure"
    return ""


def state_of(milestones: Sequence[Seen]) -> str:
    """A terminal state stays, unless the source that told it corrects itself later."""
    state, source = "pre_transit", ""
    for each in sorted(milestones, key=lambda each: each.occurred_at):
        made = STATE_OF.get(each.code, "")
        if each.doubt or not made or (state in TERMINAL and each.source != source):
            continue
        state, source = made, each.source
    return state


def shipment_state(cartons: Sequence[str]) -> str:
    """Of a shipment's cartons: trouble first, then the one that is least far; delivered is all."""
    order = ("lost", "exception", "delivery_failed", "returning", "returned", "pre_transit",
             "in_transit", "out_for_delivery", "available_for_pickup", "cancelled", "delivered")
    return min(cartons, key=order.index, default="pre_transit")
