"""The flows of the floor: which packet a URL shows and which procedure an act runs.

A new flow is one line here; what it asks and does lives in its room (docs/architecture.md).
"""

from collections.abc import Awaitable, Callable

from web.scanner.acts import Procedure
from wms.db import Tx
from wms.outbound import pick_exceptions, picking
from wms.stamp import Stamp
from wms.steps import Packet

PacketOf = Callable[[Tx, Stamp, str], Awaitable[Packet]]



PACKETS: dict[str, PacketOf] = {
    "pick": picking.packet,
}

ACTS: dict[str, Procedure] = {
    "bind": picking.bind,
    "pick": pick_exceptions.confirm_other,
    "drop": picking.drop,
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
}
