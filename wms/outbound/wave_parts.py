"""What the plan of a wave is made of: picks, orders and stock to choose from; tasks and tours.

Pure values that travel to a planning worker and back. Units: mm, g, base units, seconds.
"""

import msgspec

from wms.outbound.wave_due import Shift
from wms.planning.travel import Layout


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """One promise: so much of an item from a bin. Sizes are of one unit; 0 is not known."""

    allocation_id: int
    order_id: int
    order_line_id: int
    item_id: int
    lot_id: int | None
    lpn_id: int | None
    bin_id: int
    pick_sequence: int
    qty: int
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    balance_id: int = 0

    @property
    def unit_mm3(self) -> int:
        return self.length_mm * self.width_mm * self.height_mm


class WaveOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of the wave. `due_s` is the epoch; `priority` is minutes ahead of it."""

    order_id: int
    due_s: int
    priority: int

    @property
    def urgency(self) -> tuple[float, int]:
        """Smaller goes first: the order in which the floor claims tours, then the due time."""
        return self.due_s - 60.0 * self.priority, self.due_s


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Stock that may be taken instead of other stock of its `kind`: rotation holds them equal.

    `free` is what nobody was promised; a kind includes the balances that its picks come from.
    """

    balance_id: int
    kind: int
    bin_id: int
    lpn_id: int | None
    pick_sequence: int
    free: int


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """All that planning needs to know. Spots of the layout are bin ids as text.

    Without a `shift` nobody is late: tours are as short as can be, due times only sort them.
    """

    orders: tuple[WaveOrder, ...]
    picks: tuple[Pick, ...]
    layout: Layout | None
    depot: str
    cart_slots: int
    tote_mm3: int
    tote_g: int
    seconds: float
    shift: Shift | None = None
    offers: tuple[Offer, ...] = ()


class Portion(msgspec.Struct, frozen=True):
    """So much of a pick into one tote."""

    pick: Pick
    qty: int


class PlannedTask(msgspec.Struct, frozen=True):
    """One pick task; slots count from 1.

    `instead` is the pick as it was promised, where planning chose another bin for it.
    """

    pick: Pick
    qty: int
    slot: int
    instead: Pick | None = None

    @property
    def promised(self) -> Pick:
        return self.instead or self.pick


class PlannedTour(msgspec.Struct, frozen=True):
    """One trip: tasks in walking order, and which order each slot of the cart serves."""

    tasks: tuple[PlannedTask, ...]
    slots: tuple[tuple[int, int], ...]  # (slot, order)
    metres: int
    priority: int


class WavePlan(msgspec.Struct, frozen=True):
    """The answer, and how it was found."""

    tours: tuple[PlannedTour, ...]
    method: str
    stopped: str
    metres: int
