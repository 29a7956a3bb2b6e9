"""Ways out of a plan that no exchange improves: for a while the orders count differently.

A shake weighs every order anew by chance and lets each item take a turn; with the true weights the
search then settles again, elsewhere. The better plan of the two is kept. What random orders ask for
are whole rearrangements that make sense, which random exchanges would not be.
Guarantees: the best plan is never lost; deterministic.
"""

import numpy as np

from wms.planning.slot_search import Demand, Slots

# How far weights are shaken, as the deviation of their logarithm, and after how many shakes in vain
# the search is over.
SHAKE, VAIN_MAX = 1.0, 16


class Shakes:
    """The best plan so far, the true weights, and how many shakes have brought nothing."""

    def __init__(self, demand: Demand, slots: Slots, total: int, seed: int):
        self.demand, self.slots = demand, slots
        self.rng = np.random.default_rng(seed)
        self.weight = demand.weight.copy()
        self.plan = [part.copy() for part in self.parts()]
        self.total = total
        self.vain = 0

    def parts(self) -> tuple[np.ndarray, ...]:
        """Return what a plan consists of."""
        return self.slots.face, self.slots.item, self.slots.mask, self.slots.cost

    def keep(self, total: int) -> None:
        """Keep the present plan if it is the best so far."""
        if total < self.total:
            self.total, self.vain = total, 0
            for kept, part in zip(self.plan, self.parts(), strict=True):
                kept[:] = part

    def shake(self) -> bool:
        """Weigh the orders of the best plan by chance; say no if that was in vain too often."""
        if self.vain >= VAIN_MAX:
            return False
        self.vain += 1
        self.go_back()
        noise = np.exp(SHAKE * self.rng.standard_normal(len(self.weight)))
        self.demand.weight[:] = np.maximum(1, np.rint(self.weight * noise))
        return True

    def calm(self, standing: int) -> int:
        """Weigh the orders as they are; return the total of the present plan."""
        self.demand.weight[:] = self.weight
        return int((self.weight * self.slots.cost).sum()) + standing

    def go_back(self) -> None:
        """Return to the best plan, with the true weights."""
        self.demand.weight[:] = self.weight
        for kept, part in zip(self.plan, self.parts(), strict=True):
            part[:] = kept
