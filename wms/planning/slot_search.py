"""Swap search over pick faces: which item lies where, judged by exact tours of past orders.

State: one item or none in each face. A move exchanges the contents of two faces; its worth is the
change of the exact tour length of all orders that hold exactly one of the two items, plus the
change of the standing costs (access, moves of goods).
Units: mm of walking; all costs are weighed as such. Guarantees: never worse, deterministic.
Source: swap descent with exact tours; candidates near items of the same order as in correlated
storage (Kim and Smith, International Journal of Production Research 50, 2012).
"""

from typing import NamedTuple

import numpy as np

from wms.planning.compiled import draw
from wms.planning.jit import kernel
from wms.planning.tour_cost import tour_cost

NEAR = 8
NEVER = 1 << 50


class Demand(NamedTuple):
    """Orders as lists of items and back. Shape: order o holds items[first[o]:first[o + 1]]."""

    first: np.ndarray
    items: np.ndarray
    order_first: np.ndarray
    orders: np.ndarray


class Faces(NamedTuple):
    """Pick faces: word and bit of their place, cost of one visit there.

    `row` lists them so that near ones are neighbours, `row_of` is the way back.
    """

    word: np.ndarray
    bit: np.ndarray
    access: np.ndarray
    row: np.ndarray
    row_of: np.ndarray


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
def measure(flat, words, work, demand, faces, slots):
    """Compute masks and costs of all orders; return the total."""
    total = 0
    for o in range(slots.cost.shape[0]):
        order_mask(o, demand, faces, slots, -1, -1, -1, -1, slots.mask[o])
        slots.cost[o] = tour_cost(flat, slots.mask[o], 0, words, work)
        total += slots.cost[o]
    return total


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
def propose(demand, faces, slots, state):
    """Return an item and a face to put it in: near an item of one of its orders, or anywhere."""
    n_faces = slots.item.shape[0]
    o = draw(state, slots.cost.shape[0])
    count = demand.first[o + 1] - demand.first[o]
    item = demand.items[demand.first[o] + draw(state, count)]
    other = demand.items[demand.first[o] + draw(state, count)]
    if draw(state, 2) == 0 or slots.face[other] < 0:
        return item, draw(state, n_faces)
    at = faces.row_of[slots.face[other]] + draw(state, 2 * NEAR + 1) - NEAR
    return item, faces.row[min(max(at, 0), n_faces - 1)]


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
def weigh_exchange(
    item,
    face,
    flat,
    words,
    work,
    demand,
    faces,
    slots,
    todo,
    count,
    new_mask,
    new_cost,
    change,
    patient,
):
    """Return `change` with the change of the tours listed; give up early unless patient."""
    old = slots.face[item]
    other = slots.item[face]
    check = 1 + count // 12
    for i in range(count):
        # Most exchanges are bad, and a sample of the orders shows it: they are given up early.
        if i == check:
            if change >= 0 and not patient:
                return change
            check *= 2
        o = todo[i]
        order_mask(o, demand, faces, slots, item, face, other, old, new_mask[i])
        new_cost[i] = tour_cost(flat, new_mask[i], 0, words, work)
        change += new_cost[i] - slots.cost[o]
    return change


@kernel
def write_exchange(item, face, slots, todo, count, new_mask, new_cost):
    """Carry out an exchange whose tours are known."""
    old = slots.face[item]
    other = slots.item[face]
    for i in range(count):
        slots.mask[todo[i]] = new_mask[i]
        slots.cost[todo[i]] = new_cost[i]
    slots.face[item] = face
    slots.item[face] = item
    slots.item[old] = other
    if other >= 0:
        slots.face[other] = old


@kernel
def try_exchange(
    item, face, flat, words, work, demand, faces, slots, terms, todo, new_mask, new_cost, number
):
    """Exchange an item with what lies in a face if that is better; return the change."""
    if not is_exchange(item, face, faces, slots, terms):
        return 0
    old = slots.face[item]
    other = slots.item[face]
    change = standing(item, face, faces, slots, terms) - standing(item, old, faces, slots, terms)
    change += standing(other, old, faces, slots, terms)
    change -= standing(other, face, faces, slots, terms)
    count = list_changed(item, other, demand, slots, number, todo)
    change = weigh_exchange(
        item, face, flat, words, work, demand, faces, slots, todo, count, new_mask, new_cost,
        change, False,
    )  # fmt: skip
    if change >= 0:
        return 0
    write_exchange(item, face, slots, todo, count, new_mask, new_cost)
    return change


@kernel
def descend(flat, words, work, demand, faces, slots, terms, first, steps, state):
    """Try so many exchanges; return the change of the total. `first` were tried before."""
    orders = slots.cost.shape[0]
    todo = np.empty(orders, np.int64)
    new_mask = np.empty((orders, words), np.int64)
    new_cost = np.empty(orders, np.int64)
    change = 0
    for step in range(steps):
        item, face = propose(demand, faces, slots, state)
        change += try_exchange(
            item,
            face,
            flat,
            words,
            work,
            demand,
            faces,
            slots,
            terms,
            todo,
            new_mask,
            new_cost,
            first + step + 1,
        )
    return change


@kernel
def exchange_gain(item, face, flat, words, work, demand, faces, slots, terms, carry_out):
    """Return what an exchange saves in walking and access, and carry it out if asked to."""
    old = slots.face[item]
    other = slots.item[face]
    orders = slots.cost.shape[0]
    todo = np.empty(orders, np.int64)
    # A number that no search reaches marks the orders of this question.
    count = list_changed(item, other, demand, slots, NEVER, todo)
    slots.stamp[:] = 0
    change = terms.visits[item] * (faces.access[face] - faces.access[old])
    if other >= 0:
        change += terms.visits[other] * (faces.access[old] - faces.access[face])
    new_mask = np.empty((count, words), np.int64)
    new_cost = np.empty(count, np.int64)
    change = weigh_exchange(
        item, face, flat, words, work, demand, faces, slots, todo, count, new_mask, new_cost,
        change, True,
    )  # fmt: skip
    if carry_out:
        write_exchange(item, face, slots, todo, count, new_mask, new_cost)
    return -change
