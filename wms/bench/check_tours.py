"""Judge the tours of a wave without the planner: units, carts, totes and the walk itself.

Units: mm, g, metres. Shares nothing with `wms.planning`; walks are measured by `halls`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from wms.bench.halls import Hall
from wms.outbound.wave_plan import Pick, PlannedTour, Problem, WavePlan

Place = tuple[int, float]
# A stated walk is whole metres.
ROUNDING_M = 0.51


def walk_of(hall: Hall, at: Mapping[int, Place], tour: PlannedTour) -> float:
    """Metres of a tour that visits the bins of its tasks in their order."""
    bins = list(dict.fromkeys(task.pick.bin_id for task in tour.tasks))
    return hall.tour([at[bin_id] for bin_id in bins])


def list_tour_faults(
    problem: Problem, plan: WavePlan, hall: Hall, at: Mapping[int, Place]
) -> list[str]:
    """Every broken rule in words; an empty list is a valid plan."""
    faults = []
    taken = Counter()
    for tour in plan.tours:
        for task in tour.tasks:
            taken[task.pick.allocation_id] += task.qty
    if taken != Counter({pick.allocation_id: pick.qty for pick in problem.picks}):
        faults.append("not every unit is picked exactly once")
    for number, tour in enumerate(plan.tours):
        faults += [f"tour {number}: {fault}" for fault in list_cart_faults(problem, tour)]
        walked = walk_of(hall, at, tour)
        if abs(walked - tour.metres) > ROUNDING_M:
            faults.append(f"tour {number} says {tour.metres} m and walks {walked:.1f} m")
    return faults + list_split_faults(problem, plan.tours)


def list_cart_faults(problem: Problem, tour: PlannedTour) -> list[str]:
    """Slots of one order each, no more than the cart has, and no tote beyond its limits."""
    faults = []
    order_of = dict(tour.slots)
    if len(order_of) != len(tour.slots) or len(order_of) > problem.cart_slots:
        faults.append(f"{len(tour.slots)} slots")
    totes: dict[int, list[tuple[Pick, int]]] = defaultdict(list)
    for task in tour.tasks:
        if order_of.get(task.slot) != task.pick.order_id:
            faults.append(f"slot {task.slot} is not of order {task.pick.order_id}")
        totes[task.slot].append((task.pick, task.qty))
    for slot, inside in totes.items():
        volume = sum(pick.unit_mm3 * qty for pick, qty in inside)
        weight = sum(pick.weight_g * qty for pick, qty in inside)
        alone = sum(qty for _, qty in inside) == 1
        if not alone and (volume > problem.tote_mm3 or weight > problem.tote_g):
            faults.append(f"slot {slot} holds {volume} mm3 and {weight} g")
    return faults


def list_split_faults(problem: Problem, tours: Sequence[PlannedTour]) -> list[str]:
    """An order rides on one cart; one that fills more than a cart, on as few as its totes need."""
    carts, totes = Counter(), Counter()
    for tour in tours:
        carts.update({order_id for _, order_id in tour.slots})
        totes.update(order_id for _, order_id in tour.slots)
    return [
        f"order {order_id} with {totes[order_id]} totes rides on {number} carts"
        for order_id, number in carts.items()
        if number > -(-totes[order_id] // problem.cart_slots)
    ]
