"""Which item deserves which pick face, and which moves pay back.

Problem: put items into pick faces so that the tours of the orders to come are short. Past orders
stand for those to come; every order is one tour. With faces that items hold already, a move must
save more walking within the payback days than it costs.
Units: mm, seconds, mm3, g. Guarantees: capacity and weight limits kept, no two items in one face,
lengths are exact shortest tours, never worse than the start (present faces, or popularity), same
seed and rounds, same plan. Not guaranteed: the optimum; gains hold for orders like the past ones.
Source: `slot_search` (descent by exchanges with exact tours) from the within-aisle popularity rule;
where all is placed anew, `slot_shake` leaves plans that no exchange improves.
"""

import heapq
import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from wms.planning.floor import FloorMap, compile_floor
from wms.planning.slot_demand import count_visits, make_demand
from wms.planning.slot_search import (
    Faces,
    Slots,
    Terms,
    descend,
    exchange_gain,
    make_prices,
    make_scratch,
    measure,
)
from wms.planning.slot_shake import Shakes
from wms.planning.stop import StopRule
from wms.planning.travel import Layout, Place

STEPS = 8


class PickFace(Struct, frozen=True, kw_only=True):
    """A bin that may hold one item for picking."""

    spot: str
    volume_max_mm3: int | None = None
    weight_max_g: int | None = None


class SlotItem(Struct, frozen=True, kw_only=True):
    """An item with the stock that its face must hold, and the face that it holds now."""

    ref: str
    volume_mm3: int = 0
    weight_g: int = 0
    face: str | None = None


class SlotRules(Struct, frozen=True, kw_only=True):
    """When a move is worth its labour.

    `days` is how long the past orders took, `payback_days` how soon a move must have saved its
    `move_s` seconds. `moves_max` limits the list. With `half_life`, a share of the past, orders
    must come oldest first and one so much older counts half; without it all count alike.
    """

    days: float = 1.0
    payback_days: float = 30.0
    move_s: float = 240.0
    moves_max: int | None = None
    half_life: float | None = None

    def __post_init__(self) -> None:
        if self.days <= 0 or self.payback_days <= 0:
            raise ValueError("days and payback_days must be > 0")
        if self.move_s < 0:
            raise ValueError(f"move_s must be >= 0, not {self.move_s}")
        if self.moves_max is not None and self.moves_max < 0:
            raise ValueError(f"moves_max must be >= 0, not {self.moves_max}")
        if self.half_life is not None and self.half_life <= 0:
            raise ValueError(f"half_life must be > 0, not {self.half_life}")


class Move(Struct, frozen=True):
    """One step of re-slotting: an item, or the two items that change places, to be done together.

    `saved_mm_day` is what this step saves after the steps before it; `work_s` what it costs.
    """

    items: tuple[str, ...]
    faces: tuple[str, ...]
    saved_mm_day: float
    work_s: float


class SlotPlan(Struct, frozen=True):
    """Faces of all items, the steps that lead there, and the mean tour before and after.

    `saved_mm_day` and `work_s` are the sums over all steps: metres saved, and the labour to do it.
    """

    faces: dict[str, str]
    moves: tuple[Move, ...]
    unplaced: tuple[str, ...]
    tour_before_mm: float | None
    tour_after_mm: float
    saved_mm_day: float
    work_s: float
    stopped_because: str


def plan_slots(
    layout: Layout,
    faces: Sequence[PickFace],
    items: Sequence[SlotItem],
    orders: Sequence[Sequence[str]],
    start: str,
    end: str,
    stop: StopRule,
    rules: SlotRules | None = None,
    seed: int = 1,
) -> SlotPlan:
    """Choose faces for items; lines of items that are not named are left out of the orders.

    Items that hold a face are moved only where that pays back; if none holds one, all are placed
    anew. Raises ValueError for faces or items named twice, and for faces that cannot be reached.
    """
    rules = rules or SlotRules()
    search = SlotSearch(layout, faces, items, orders, start, end, rules, seed)
    watch = stop()
    reason = None
    while reason is None:
        reason = watch(float(search.shakes.total))
        if reason is None and not search.improve():
            reason = "no exchange helps"
    return search.describe(reason)


class SlotSearch:
    """One run: the problem as arrays, the present plan, and what it costs."""

    def __init__(
        self,
        layout: Layout,
        faces: Sequence[PickFace],
        items: Sequence[SlotItem],
        orders: Sequence[Sequence[str]],
        start: str,
        end: str,
        rules: SlotRules,
        seed: int,
    ):
        check_names(faces, items)
        self.items, self.spots, self.rules = items, [face.spot for face in faces], rules
        places = [layout.place(spot) for spot in self.spots]
        doors = layout.place(start), layout.place(end)
        reachable = [place for place in places if place is not None and place.column >= 0]
        if len(reachable) < len(places) or doors[0] is None or doors[1] is None:
            raise ValueError("every face must lie in an aisle that can be reached, like both ends")
        self.floor = compile_floor(layout.grid, set(reachable), doors[0], doors[1])
        self.demand = make_demand([item.ref for item in items], orders, rules.half_life, seed)
        # What all orders count, and one on average.
        self.weight = max(1, int(self.demand.weight.sum()))
        self.unit = self.weight / max(1, len(self.demand.weight))
        self.faces = make_faces(layout, self.spots, reachable, self.floor)
        self.row = order_faces(layout, self.spots, reachable, doors[0])
        visits = count_visits(self.demand)
        self.allowed = list_allowed(faces, items)
        home = find_homes(self.spots, items)
        self.terms = Terms(visits, self.allowed, self.move_cost(layout))
        self.slots = self.make_slots(home, visits)
        self.begun = bool((home >= 0).any())
        self.prices = make_prices(self.faces, visits)
        self.scratch = make_scratch(self.floor, len(self.demand.first) - 1, len(faces))
        # Who has many orders goes first: the others then know what it would pay.
        popular = np.argsort(-visits, kind="stable")
        self.turns = popular[(visits[popular] > 0) & (self.slots.face[popular] >= 0)]
        self.steps = self.vain = self.shaken = 0
        self.tours_before = self.measure()
        self.total = self.tours_before + self.standing()
        self.shakes = Shakes(self.demand, self.slots, self.total, seed)

    def move_cost(self, layout: Layout) -> int:
        """Return a move's labour as walking within the observed days."""
        share = self.rules.days / self.rules.payback_days
        return round(self.rules.move_s * layout.pace.walk_mm_s * share * self.unit)

    def make_slots(self, home: np.ndarray, visits: np.ndarray) -> Slots:
        """Return the first plan: items where they are, the others by popularity from the door."""
        face, item = home.copy(), np.full(len(self.spots), -1, np.int64)
        item[face[face >= 0]] = np.flatnonzero(face >= 0)
        for number in np.argsort(-visits, kind="stable"):
            if face[number] < 0:
                free = self.row[(item[self.row] < 0) & (self.allowed[number, self.row] == 1)]
                if len(free):
                    face[number], item[free[0]] = free[0], number
        orders = len(self.demand.first) - 1
        return Slots(
            face=face,
            item=item,
            mask=np.zeros((orders, self.floor.words), np.int64),
            cost=np.zeros(orders, np.int64),
            home=home,
            stamp=np.zeros(orders, np.int64),
        )

    def measure(self) -> int:
        """Compute all tours; return their total length."""
        return int(measure(self.floor.flat, self.demand, self.faces, self.slots, self.scratch))

    def is_settled(self) -> bool:
        """Say whether every item had a turn since the last exchange."""
        return len(self.spots) < 2 or self.vain >= len(self.turns)

    def standing(self) -> int:
        """Return what the plan costs besides walking: access, and moves of goods."""
        face, home = self.slots.face, self.slots.home
        lying = face >= 0
        access = self.terms.visits[lying] * self.faces.access[face[lying]]
        moved = lying & (home >= 0) & (home != face)
        return int(access.sum()) + self.terms.move_cost * int(moved.sum())

    def improve(self) -> bool:
        """Let some items take turns; say whether there is more to try.

        A plan that no exchange improves is shaken. Where goods lie already it is not: what a shake
        finds is a new order of things, not a list of moves that pay back one by one.
        """
        if self.shaken > 0:
            self.descend()
            self.shaken -= STEPS
            if self.shaken <= 0:
                self.total, self.vain = self.shakes.calm(self.standing()), 0
        elif not self.is_settled():
            self.descend()
            self.shakes.keep(self.total)
        elif self.begun or len(self.spots) < 2 or not len(self.turns) or not self.shakes.shake():
            return False
        else:
            self.turns = self.shakes.rng.permutation(self.turns)
            self.shaken = len(self.turns)
        return True

    def descend(self) -> None:
        """Let some items take turns."""
        change = int(
            descend(
                self.floor.flat,
                self.demand,
                self.faces,
                self.slots,
                self.terms,
                self.prices,
                self.scratch,
                self.turns,
                self.steps,
                STEPS,
            )
        )
        self.total += change
        self.steps += STEPS
        self.vain = 0 if change else self.vain + STEPS

    def describe(self, reason: str) -> SlotPlan:
        """Return the best plan, the steps in order of what they save, and the lengths."""
        self.shakes.go_back()
        goal = self.slots.face.copy()
        moves: list[Move] = []
        before = None
        if self.begun:
            before = self.tours_before / self.weight
            moves = self.list_moves(goal)
        faces = {
            piece.ref: self.spots[face]
            for piece, face in zip(self.items, self.slots.face, strict=True)
            if face >= 0
        }
        return SlotPlan(
            faces=faces,
            moves=tuple(moves),
            unplaced=tuple(piece.ref for piece in self.items if piece.ref not in faces),
            tour_before_mm=before,
            tour_after_mm=self.measure() / self.weight,
            saved_mm_day=sum(move.saved_mm_day for move in moves),
            work_s=sum(move.work_s for move in moves),
            stopped_because=reason,
        )

    def list_moves(self, goal: np.ndarray) -> list[Move]:
        """Walk from the present faces to the goal by exchanges, the best saving first.

        Leaves the plan after the listed steps: what does not pay back is not done.
        """
        self.slots.face[:] = self.slots.home
        placed_anew = self.slots.home < 0
        self.slots.face[placed_anew] = goal[placed_anew]
        self.slots.item[:] = -1
        lying = np.flatnonzero(self.slots.face >= 0)
        self.slots.item[self.slots.face[lying]] = lying
        self.measure()
        moves: list[Move] = []
        # Gains fall out of date with every step: the best one is asked again before it is taken.
        heap = [
            (-self.gain(int(number), int(goal[number])), int(number))
            for number in np.flatnonzero(self.slots.face != goal)
        ]
        heapq.heapify(heap)
        while heap and (self.rules.moves_max is None or len(moves) < self.rules.moves_max):
            _, number = heapq.heappop(heap)
            face = int(goal[number])
            saved = self.gain(number, face)
            if saved <= 0:
                continue
            if heap and saved < -heap[0][0]:
                heapq.heappush(heap, (-saved, number))
                continue
            moves.append(self.exchange(number, face, saved))
        return moves

    def may_exchange(self, number: int, face: int) -> bool:
        """Say whether an item and what lies in a face may change places."""
        other = int(self.slots.item[face])
        return bool(
            self.allowed[number, face]
            and (other < 0 or self.allowed[other, self.slots.face[number]])
        )

    def count_moved(self, number: int, face: int) -> int:
        """Return how many items an exchange would put into hands."""
        return 1 if self.slots.item[face] < 0 else 2

    def gain(self, number: int, face: int, carry_out: bool = False) -> int:
        """Return the walking that an exchange saves in the observed days, less its labour."""
        if self.slots.face[number] == face or not self.may_exchange(number, face):
            return 0
        hands = self.count_moved(number, face)
        saved = exchange_gain(
            number,
            face,
            self.floor.flat,
            self.demand,
            self.faces,
            self.slots,
            self.terms,
            self.scratch,
            carry_out,
        )
        return int(saved) - self.terms.move_cost * hands

    def exchange(self, number: int, face: int, net: int) -> Move:
        """Carry out an exchange and say what it is."""
        old, other = int(self.slots.face[number]), int(self.slots.item[face])
        hands = self.count_moved(number, face)
        self.gain(number, face, carry_out=True)
        items, spots = (self.items[number].ref,), (self.spots[face],)
        if other >= 0:
            items, spots = (*items, self.items[other].ref), (*spots, self.spots[old])
        saved = (net + self.terms.move_cost * hands) / (self.rules.days * self.unit)
        return Move(items, spots, saved, hands * self.rules.move_s)


def check_names(faces: Sequence[PickFace], items: Sequence[SlotItem]) -> None:
    """Refuse what is named twice, or an item in a face that is not listed."""
    spots = {face.spot for face in faces}
    if len(spots) < len(faces) or len({item.ref for item in items}) < len(items):
        raise ValueError("faces and items must be named once each")
    held = [item.face for item in items if item.face is not None]
    if len(set(held)) < len(held) or not set(held) <= spots:
        raise ValueError("a face that an item holds must be listed and held by one item only")


def make_faces(layout: Layout, spots: list[str], places: list[Place], floor: FloorMap) -> Faces:
    """Return the faces: their places as bits, and what a visit costs besides walking."""
    bits = np.array([floor.bits[place] for place in places], np.int64).reshape(-1, 2)
    access = [layout.lift_mm(spot) for spot in spots]
    return Faces(bits[:, 0].copy(), bits[:, 1].copy(), np.array(access, np.int64))


def order_faces(layout: Layout, spots: list[str], places: list[Place], door: Place) -> np.ndarray:
    """Return the faces aisle by aisle from the door, each aisle from its foot."""
    xs = [layout.spot_of[spot].x_mm for spot in spots]
    keys = [(abs(x - door.x), x, place.y) for x, place in zip(xs, places, strict=True)]
    return np.array(sorted(range(len(spots)), key=keys.__getitem__), np.int64)


def list_allowed(faces: Sequence[PickFace], items: Sequence[SlotItem]) -> np.ndarray:
    """Return allowed[item, face] = 1 where the stock of an item fits a face."""
    room = np.array([math.inf if f.volume_max_mm3 is None else f.volume_max_mm3 for f in faces])
    load = np.array([math.inf if f.weight_max_g is None else f.weight_max_g for f in faces])
    volume = np.array([item.volume_mm3 for item in items]).reshape(-1, 1)
    weight = np.array([item.weight_g for item in items]).reshape(-1, 1)
    return ((volume <= room) & (weight <= load)).astype(np.int8)


def find_homes(spots: list[str], items: Sequence[SlotItem]) -> np.ndarray:
    """Return the number of the face that each item holds, -1 for none."""
    number = {spot: at for at, spot in enumerate(spots)}
    return np.array([-1 if item.face is None else number[item.face] for item in items], np.int64)
