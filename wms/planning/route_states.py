"""States of the tour dynamic program: what the walked part of a tour looks like at its right edge.

Per cross aisle (and for an open-floor station, the "hub") a state knows the parity of the degree
and which connected component the node belongs to (0: not touched). Operations on states are
compiled once per number of cross aisles into flat arrays, so that the search is table look-up.

Source: Ratliff and Rosenthal (1983) for two cross aisles, Roodbergen and de Koster (2001) for
three; generalised to any number of cross aisles, to different start and end and to a hub.
"""

from functools import lru_cache
from itertools import product

import numpy as np
from msgspec import Struct

# A state is a tuple of (parity, component) per node; None is a finished tour.
State = tuple[tuple[int, int], ...] | None

# Ways to walk one slot: (bottom odd, bottom touched, top odd, top touched, joined).
NONE, SINGLE, DOUBLE, BOTTOM, TOP, GAP = range(6)
CLASSES = (
    (0, 0, 0, 0, 0),
    (1, 1, 1, 1, 1),
    (0, 1, 0, 1, 1),
    (0, 1, 0, 0, 0),
    (0, 0, 0, 1, 0),
    (0, 1, 0, 1, 0),
    # The rest occur only where a tour starts or ends inside the slot.
    (1, 1, 0, 0, 0),
    (0, 0, 1, 1, 0),
    (1, 1, 0, 1, 0),
    (0, 1, 1, 1, 0),
    (1, 1, 0, 1, 1),
    (0, 1, 1, 1, 1),
    (1, 1, 1, 1, 0),
)
CLASS_OF = {flags: index for index, flags in enumerate(CLASSES)}


class Tables(Struct, frozen=True):
    """All operations as (from, to) pairs: those of operation k are `pairs[ptr[k]:ptr[k+1]]`.

    Operations: `walk[slot][class]` for slots 0..levels, `touch[node]`, `toggle[node]`,
    `hub[level][edges]`, and `across` (one per tuple of edge counts in `edges`).
    """

    levels: int
    count: int
    start: int
    ptr: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    accepting: np.ndarray
    walk: tuple[tuple[int, ...], ...]
    touch: tuple[int, ...]
    toggle: tuple[int, ...]
    hub: tuple[tuple[int, ...], ...]
    across: tuple[int, ...]
    edges: tuple[tuple[int, ...], ...]
    edge_sums: tuple[int, ...]


def _named(nodes: list[tuple[int, int]]) -> State:
    """The same state with components numbered by first appearance."""
    names: dict[int, int] = {0: 0}
    return tuple((parity, names.setdefault(part, len(names))) for parity, part in nodes)


def _touched(state: State, node: int, odd: int) -> State:
    if state is None:
        return None
    nodes = list(state)
    parity, part = nodes[node]
    nodes[node] = (parity ^ odd, part or 1 + max(part for _, part in nodes))
    return _named(nodes)


def _joined(state: State, one: int, two: int) -> State:
    if state is None:
        return None
    keep, drop = state[one][1], state[two][1]
    return _named([(parity, keep if part == drop else part) for parity, part in state])


def _walked(state: State, bottom: int | None, top: int | None, flags: tuple[int, ...]) -> State:
    """One way to walk a slot; a finished tour allows only not walking it."""
    for node, odd, touch in ((bottom, flags[0], flags[1]), (top, flags[2], flags[3])):
        if touch and node is not None:
            state = _touched(state, node, odd)
    return (
        _joined(state, bottom, top)
        if flags[4] and bottom is not None and top is not None
        else state
    )


def _advanced(state: State, levels: int, edges: tuple[int, ...]) -> tuple[bool, State]:
    """Step to the next column with so many edges per cross aisle; False when not allowed."""
    if state is None:
        return not any(edges), None
    for (parity, part), count in zip(state, edges, strict=False):
        if count % 2 != parity or (count and not part):
            return False, None
    kept = [
        (count % 2, part if count else 0)
        for (_, part), count in zip(state[:levels], edges, strict=True)
    ] + list(state[levels:])
    before = {part for _, part in state if part}
    after = {part for _, part in kept if part}
    if before != after:
        return (True, None) if len(before) == 1 else (False, None)
    return True, _named(kept)


def _operations(levels: int, hub: bool, open_tour: bool) -> tuple[list, dict]:
    """Every operation as a function of a state, with the index of each by name."""
    classes = CLASSES if open_tour else CLASSES[:6]
    index: dict[tuple, int] = {}
    found: list = []

    def add(name: tuple, act) -> None:
        index[name] = len(found)
        found.append(act)

    def simple(change):
        return lambda state: (state is not None, None if state is None else change(state))

    for slot in range(levels + 1):
        bottom, top = (slot - 1 if slot else None), (slot if slot < levels else None)
        for number, flags in enumerate(classes):
            if (bottom is None and flags[1]) or (top is None and flags[3]):
                continue
            if number == NONE:
                add(("walk", slot, NONE), lambda state: (True, state))
            else:
                add(
                    ("walk", slot, number),
                    simple(lambda s, b=bottom, t=top, f=flags: _walked(s, b, t, f)),
                )
    for node in range(levels + hub):
        add(("touch", node), simple(lambda s, n=node: _touched(s, n, 0)))
        add(("toggle", node), simple(lambda s, n=node: _touched(s, n, 1)))
    for node in range(levels if hub else 0):
        for flags in (CLASSES[NONE], CLASSES[SINGLE], CLASSES[DOUBLE]):
            add(
                ("hub", node, flags[0] + 2 * (flags[1] - flags[0])),
                simple(lambda s, n=node, f=flags: _walked(s, n, levels, f)),
            )
    for edges in product(range(3), repeat=levels):
        add(("across", edges), lambda state, e=edges: _advanced(state, levels, e))
    return found, index


@lru_cache(maxsize=32)
def tables(levels: int, hub: bool, open_tour: bool) -> Tables:
    """Compile the operations for a number of cross aisles (kept for the process)."""
    operations, index = _operations(levels, hub, open_tour)
    empty: State = ((0, 0),) * (levels + hub)
    toggles = {number for name, number in index.items() if name[0] == "toggle"}
    numbers: dict[State, int] = {empty: 0}
    todo, moves = [empty], [([], []) for _ in operations]
    while todo:
        state = todo.pop()
        for number, act in enumerate(operations):
            if number in toggles and not open_tour:
                continue
            allowed, result = act(state)
            if not allowed:
                continue
            if result not in numbers:
                numbers[result] = len(numbers)
                todo.append(result)
            moves[number][0].append(numbers[state])
            moves[number][1].append(numbers[result])
    ptr = np.cumsum([0] + [len(sources) for sources, _ in moves]).astype(np.int64)
    accepting = np.zeros(len(numbers), np.bool_)
    for state, number in numbers.items():
        accepting[number] = state is None or (
            not any(parity for parity, _ in state) and {p for _, p in state if p} == {1}
        )
    crossings = [
        name[1] for name in index if name[0] == "across" and ptr[index[name] + 1] > ptr[index[name]]
    ]
    return Tables(
        levels=levels,
        count=len(numbers),
        start=0,
        ptr=ptr,
        sources=np.array([s for sources, _ in moves for s in sources], np.int64),
        targets=np.array([t for _, targets in moves for t in targets], np.int64),
        accepting=accepting,
        walk=tuple(
            tuple(index.get(("walk", slot, number), -1) for number in range(len(CLASSES)))
            for slot in range(levels + 1)
        ),
        touch=tuple(index["touch", node] for node in range(levels + hub)),
        toggle=tuple(index["toggle", node] for node in range(levels + hub)),
        hub=tuple(tuple(index["hub", n, k] for k in range(3)) for n in range(levels if hub else 0)),
        across=tuple(index["across", edges] for edges in crossings),
        edges=tuple(crossings),
        edge_sums=tuple(sum(edges) for edges in crossings),
    )
