"""Exchange search over pick faces: which item lies where, judged by exact tours of past orders.

State: one item or none in each face. A move exchanges the contents of two faces; its worth is the
change of the exact tour length of all orders that hold exactly one of the two items, plus the
change of the standing costs (access, moves of goods). Items take turns: an item's orders price all
places at once (`slot_prices`), the prices of both items rank all exchanges, and the best ranked
ones are weighed exactly. What the other item's orders pay is taken from its last turn.
Units: mm of walking; all costs are weighed as such. Guarantees: never worse, deterministic.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.floor import COLUMNS, LEVELS, STATES, WORD, FloorMap
from wms.planning.jit import kernel
from wms.planning.slot_lanes import LANES, lane_work, tour_costs
from wms.planning.slot_prices import price_places

# How many of the best ranked exchanges are weighed, by how many orders of an item it is priced, and
# how large the table of prices may be (beyond that, neighbouring places share a price).
TRIES, SAMPLE, TABLE_MAX = 4, 512, 1 << 24
NEVER, NONE = 1 << 50, 1e18


class Demand(NamedTuple):
    """Orders as lists of items and back, and how much each order counts.

    Shape: order o holds items[first[o]:first[o + 1]] and counts weight[o].
    """

    first: np.ndarray
    items: np.ndarray
    order_first: np.ndarray
    orders: np.ndarray
    weight: np.ndarray


class Faces(NamedTuple):
    """Pick faces: word and bit of their place, cost of one visit there."""

    word: np.ndarray
    bit: np.ndarray
    access: np.ndarray


class Slots(NamedTuple):
    """The plan and what is known of it.

    Face of each item and item of each face (-1 none), tours of the orders as places and lengths,
    the face that each item holds today (-1 none), and a stamp for each order.
    """

    face: np.ndarray
    item: np.ndarray
    mask: np.ndarray
    cost: np.ndarray
    home: np.ndarray
    stamp: np.ndarray


class Terms(NamedTuple):
    """What else counts: visits of items, allowed[item, face], the labour of one move."""

    visits: np.ndarray
    allowed: np.ndarray
    move_cost: int


class Prices(NamedTuple):
    """What the orders of an item would walk with it elsewhere, as found at its last turn.

    Shape: table[item, cell[face]]; an item was priced where known[item] is 1.
    """

    table: np.ndarray
    known: np.ndarray
    cell: np.ndarray


class Scratch(NamedTuple):
    """Space for the search that it need not ask for at every step."""

    work: np.ndarray
    stages: np.ndarray
    after: np.ndarray
    masks: np.ndarray
    weight: np.ndarray
    union: np.ndarray
    places: np.ndarray
    rank: np.ndarray
    todo: np.ndarray
    new_mask: np.ndarray
    new_cost: np.ndarray


def make_prices(faces: Faces, visits: np.ndarray) -> Prices:
    """Return a table for as many places as there is room for; who has no orders has no price."""
    _, cell = np.unique(WORD * faces.word + faces.bit, return_inverse=True)
    places = int(cell.max(initial=0)) + 1
    cells = max(1, min(places, TABLE_MAX // max(1, len(visits))))
    return Prices(
        table=np.zeros((len(visits), cells), np.float32),
        known=(visits == 0).astype(np.int8),
        cell=cell.astype(np.int64) * cells // places,
    )


def make_scratch(floor: FloorMap, orders: int, faces: int) -> Scratch:
    """Return scratch space for a floor and so many orders and faces."""
    states = int(floor.flat[STATES])
    stages = states * int(floor.flat[COLUMNS]) * (int(floor.flat[LEVELS]) + 1)
    return Scratch(
        work=lane_work(states),
        stages=np.zeros((stages, LANES), np.int64),
        after=np.zeros((WORD * floor.words, LANES), np.int64),
        masks=np.zeros((LANES, floor.words), np.int64),
        weight=np.zeros(LANES, np.int64),
        union=np.zeros(floor.words, np.int64),
        places=np.zeros(WORD * floor.words, np.int64),
        rank=np.zeros(faces, np.float64),
        todo=np.zeros(orders, np.int64),
        new_mask=np.zeros((orders, floor.words), np.int64),
        new_cost=np.zeros(orders, np.int64),
    )


@kernel
def order_mask(o, demand, faces, slots, one, one_face, two, two_face, mask):
    """Write the places of an order to `mask`, with two items thought elsewhere."""
    mask[:] = 0
    for at in range(demand.first[o], demand.first[o + 1]):
        item = demand.items[at]
        face = slots.face[item]
        if item == one:
            face = one_face
        elif item == two:
            face = two_face
        if face >= 0:
            mask[faces.word[face]] |= 1 << faces.bit[face]


@kernel
def measure(flat, demand, faces, slots, scratch):
    """Compute masks and costs of all orders; return the total by weight."""
    orders = slots.cost.shape[0]
    for begin in range(0, orders, LANES):
        lanes = min(LANES, orders - begin)
        for o in range(begin, begin + lanes):
            order_mask(o, demand, faces, slots, -1, -1, -1, -1, slots.mask[o])
        tour_costs(flat, slots.mask[begin:], lanes, scratch.union, scratch.work, slots.cost[begin:])
    return (demand.weight * slots.cost).sum()


@kernel
def standing(item, face, faces, slots, terms):
    """Return what an item costs at a face besides walking: access, and being moved there."""
    if item < 0:
        return 0
    cost = terms.visits[item] * faces.access[face]
    if slots.home[item] >= 0 and slots.home[item] != face:
        cost += terms.move_cost
    return cost


@kernel
def list_changed(item, other, demand, slots, number, todo):
    """Write the orders that hold exactly one of two items (other may be -1); return how many."""
    count = 0
    for at in range(demand.order_first[item], demand.order_first[item + 1]):
        slots.stamp[demand.orders[at]] = number
    if other >= 0:
        for at in range(demand.order_first[other], demand.order_first[other + 1]):
            o = demand.orders[at]
            if slots.stamp[o] == number:
                slots.stamp[o] = -number
            else:
                todo[count] = o
                count += 1
    for at in range(demand.order_first[item], demand.order_first[item + 1]):
        if slots.stamp[demand.orders[at]] == number:
            todo[count] = demand.orders[at]
            count += 1
    return count


@kernel
def is_exchange(item, face, faces, slots, terms):
    """Say whether putting an item into a face is allowed and changes anything."""
    old = slots.face[item]
    if old < 0 or face == old or terms.allowed[item, face] == 0:
        return False
    other = slots.item[face]
    if other >= 0 and terms.allowed[other, old] == 0:
        return False
    same_place = faces.word[face] == faces.word[old] and faces.bit[face] == faces.bit[old]
    return not same_place or faces.access[face] != faces.access[old]


@kernel
def write_exchange(item, face, slots, scratch, count):
    """Carry out an exchange whose tours are known."""
    old = slots.face[item]
    other = slots.item[face]
    for i in range(count):
        slots.mask[scratch.todo[i]] = scratch.new_mask[i]
        slots.cost[scratch.todo[i]] = scratch.new_cost[i]
    slots.face[item] = face
    slots.item[face] = item
    slots.item[old] = other
    if other >= 0:
        slots.face[other] = old


@kernel
def standing_change(item, face, faces, slots, terms):
    """Return how an exchange changes the standing costs of both items."""
    old, other = slots.face[item], slots.item[face]
    change = standing(item, face, faces, slots, terms) - standing(item, old, faces, slots, terms)
    change += standing(other, old, faces, slots, terms)
    return change - standing(other, face, faces, slots, terms)


@kernel
def weigh_exchange(item, face, flat, demand, faces, slots, scratch, count, change, patient):
    """Return `change` with the change of the tours listed; give up early unless patient."""
    old, other = slots.face[item], slots.item[face]
    for begin in range(0, count, LANES):
        # A sample of the orders shows most bad exchanges.
        if not patient and change >= 0 and 8 * begin > count:
            return change
        lanes = min(LANES, count - begin)
        for i in range(begin, begin + lanes):
            o = scratch.todo[i]
            order_mask(o, demand, faces, slots, item, face, other, old, scratch.new_mask[i])
        tour_costs(
            flat,
            scratch.new_mask[begin:],
            lanes,
            scratch.union,
            scratch.work,
            scratch.new_cost[begin:],
        )
        for i in range(begin, begin + lanes):
            o = scratch.todo[i]
            change += demand.weight[o] * (scratch.new_cost[i] - slots.cost[o])
    return change


@kernel
def price_item(item, flat, demand, faces, slots, prices, scratch):
    """Price all places by the orders of an item, or by a sample of them."""
    first, end = demand.order_first[item], demand.order_first[item + 1]
    asked = min(end - first, SAMPLE)
    scratch.places[:] = 0
    for begin in range(first, first + asked, LANES):
        lanes = min(LANES, first + asked - begin)
        for lane in range(lanes):
            o = demand.orders[begin + lane]
            order_mask(o, demand, faces, slots, item, -1, -1, -1, scratch.masks[lane])
            scratch.weight[lane] = demand.weight[o]
        price_places(
            flat,
            scratch.masks,
            scratch.weight,
            lanes,
            scratch.work,
            scratch.stages,
            scratch.after,
            scratch.places,
        )
    scale = (end - first) / max(1, asked)
    for face in range(faces.word.shape[0]):
        place = WORD * faces.word[face] + faces.bit[face]
        prices.table[item, prices.cell[face]] = scratch.places[place] * scale
    prices.known[item] = 1


@kernel
def rank_faces(item, faces, slots, terms, prices, rank):
    """Write what putting an item into each face seems to change; NONE where it cannot be."""
    here = prices.cell[slots.face[item]]
    own = prices.table[item]
    for face in range(rank.shape[0]):
        rank[face] = NONE
        other, there = slots.item[face], prices.cell[face]
        if not is_exchange(item, face, faces, slots, terms):
            continue
        if other >= 0 and prices.known[other] == 0:
            continue
        change = own[there] - own[here]
        if other >= 0:
            change += prices.table[other, here] - prices.table[other, there]
        rank[face] = change + standing_change(item, face, faces, slots, terms)


@kernel
def take_turn(item, flat, demand, faces, slots, terms, prices, scratch, number):
    """Exchange an item with what lies in the best face, if that is better; return the change."""
    price_item(item, flat, demand, faces, slots, prices, scratch)
    rank_faces(item, faces, slots, terms, prices, scratch.rank)
    for attempt in range(TRIES):
        face = np.argmin(scratch.rank)
        if scratch.rank[face] >= 0:
            return 0
        scratch.rank[face] = NONE
        count = list_changed(item, slots.item[face], demand, slots, number + attempt, scratch.todo)
        change = standing_change(item, face, faces, slots, terms)
        change = weigh_exchange(
            item, face, flat, demand, faces, slots, scratch, count, change, False
        )
        if change < 0:
            write_exchange(item, face, slots, scratch, count)
            return change
    return 0


@kernel
def descend(flat, demand, faces, slots, terms, prices, scratch, turns, first, steps):
    """Let so many items take turns, in the order of `turns`; return the change of the total."""
    change = 0
    for step in range(first, first + steps):
        item = turns[step % turns.shape[0]]
        number = 1 + step * TRIES
        change += take_turn(item, flat, demand, faces, slots, terms, prices, scratch, number)
    return change


@kernel
def exchange_gain(item, face, flat, demand, faces, slots, terms, scratch, carry_out):
    """Return what an exchange saves in walking and access, and carry it out if asked to."""
    old, other = slots.face[item], slots.item[face]
    # A number that no search reaches marks the orders of this question.
    count = list_changed(item, other, demand, slots, NEVER, scratch.todo)
    slots.stamp[:] = 0
    change = terms.visits[item] * (faces.access[face] - faces.access[old])
    if other >= 0:
        change += terms.visits[other] * (faces.access[old] - faces.access[face])
    change = weigh_exchange(item, face, flat, demand, faces, slots, scratch, count, change, True)
    if carry_out:
        write_exchange(item, face, slots, scratch, count)
    return -change
