"""A walk as a multigraph, and one way to go along all its edges.

What must stay true: every node has an even number of edges, except start and end of an open walk;
then one trail uses every edge exactly once (Hierholzer 1873).
"""

from typing import TypeAlias

from msgspec import Struct

# Three whole numbers: for tours the column from the left, y, and the kind of node.
Node: TypeAlias = tuple[int, int, int]


class Walk(Struct, frozen=True):
    """A shortest walk as a multigraph; `length` is None when there is none."""

    length: int | None
    start: Node
    xs: tuple[int, ...] = ()
    edges: tuple[tuple[Node, Node, int], ...] = ()


def trail(walk: Walk) -> list[Node]:
    """One walk along all edges from the start (Hierholzer)."""
    links: dict[Node, list[Node]] = {walk.start: []}
    for one, two, times in walk.edges:
        for _ in range(times):
            links.setdefault(one, []).append(two)
            links.setdefault(two, []).append(one)
    stack, path = [walk.start], []
    while stack:
        here = stack[-1]
        if links[here]:
            there = links[here].pop()
            links[there].remove(here)
            stack.append(there)
        else:
            path.append(stack.pop())
    path.reverse()
    return path
