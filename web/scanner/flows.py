"""The flows of the floor: which packet a URL shows and which procedure an act runs.

A new flow is one line here; what it asks and does lives in its room (docs/architecture.md).
"""

from collections.abc import Awaitable, Callable

from web.scanner.acts import Procedure
from wms.counting import counts
from wms.db import Tx
from wms.inbound import putaway, receiving
from wms.inventory import moving
from wms.outbound import packing, pick_exceptions, picking, putback, reslot, shipping
from wms.stamp import Stamp
from wms.steps import Packet

PacketOf = Callable[[Tx, Stamp, str], Awaitable[Packet]]


PACKETS: dict[str, PacketOf] = {
    "receive": receiving.packet,
    "putaway": putaway.packet,
    "pick": picking.packet,
    "pack": packing.packet,
    "load": shipping.packet,
    "putback": putback.packet,
    "count": counts.packet,
    "move": moving.packet,
    "replenish": reslot.packet,
}

ACTS: dict[str, Procedure] = {
    "receive": receiving.confirm,
    "putaway": putaway.confirm,
    "bind": picking.bind,
    "pick": pick_exceptions.confirm_other,
    "drop": picking.drop,
    "carton": packing.open_carton,
    "pack": packing.pack,
    "close-carton": packing.close,
    "load": shipping.load,
    "depart": shipping.depart,
    "putback": putback.confirm,
    "count": counts.confirm,
    "move": moving.confirm,
    "replenish": reslot.confirm,
}

ROLES: dict[str, tuple[str, ...]] = {
    "receive": ("receiver",),
    "putaway": ("putaway", "receiver"),
    "pick": ("picker",),
    "pack": ("packer",),
    "load": ("loader",),
    "count": ("counter",),
    "putback": ("picker", "putaway", "packer"),
    "move": ("putaway", "picker", "counter", "receiver"),
    "replenish": ("putaway",),
}
