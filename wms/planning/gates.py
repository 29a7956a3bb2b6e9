"""How far an aisle can be walked between two neighbouring cross aisles.

A column is all that is aisle at one x: pieces that touch are one. The cross aisles cut it into
slots; a gate says how one slot may be walked. One-way signs hold from cross aisle to cross aisle:
in a dead end one turns. Units: mm.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Piece(Struct, frozen=True):
    """A stretch of aisle; 'up' means one-way towards larger y."""

    x: int
    low: int
    high: int
    direction: str


class Gate(Struct, frozen=True):
    """How one slot of one column may be walked.

    `low`: highest y reachable from the level below; `high`: lowest y reachable from the level
    above (None: no way in). `through`: the slot is one unbroken piece.
    """

    low: int | None = None
    high: int | None = None
    through: bool = False
    direction: str = "both"


def join_pieces(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces with those of one line and direction that touch made one."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda one: (one.x, one.direction, one.low)):
        last = joined[-1] if joined else None
        same = last and (last.x, last.direction) == (piece.x, piece.direction)
        if last and same and piece.low <= last.high:
            high = max(last.high, piece.high)
            joined[-1] = Piece(last.x, last.low, high, last.direction)
        else:
            joined.append(piece)
    return joined


def add_piece(gates: list[Gate], piece: Piece, ys: Sequence[int], doors: Sequence[int]) -> None:
    """Let a piece be walked in the slots of its column.

    `ys` are the heights of all cross aisles, `doors` of those that can be walked at the piece's x.
    """
    inside = [y for y in doors if piece.low <= y <= piece.high]
    for slot, old in enumerate(gates):
        bottom = ys[slot - 1] if slot > 0 else None
        top = ys[slot] if slot < len(ys) else None
        low = high = None
        if bottom is not None and piece.low <= bottom < piece.high:
            low = piece.high if top is None else min(piece.high, top)
        if top is not None and piece.low < top <= piece.high:
            high = piece.low if bottom is None else max(piece.low, bottom)
        if low is None and high is None:
            continue
        signed = inside and bottom is not None and inside[0] <= bottom
        signed = signed and top is not None and top <= inside[-1]
        new = Gate(
            low, high, low is not None and high is not None, piece.direction if signed else "both"
        )
        gates[slot] = _both(old, new)


def _both(one: Gate, two: Gate) -> Gate:
    """What can be walked where two pieces lie in one slot."""
    lows = [gate.low for gate in (one, two) if gate.low is not None]
    highs = [gate.high for gate in (one, two) if gate.high is not None]
    signs = {gate.direction for gate in (one, two) if gate.through}
    return Gate(
        low=max(lows, default=None),
        high=min(highs, default=None),
        through=one.through or two.through,
        direction=signs.pop() if len(signs) == 1 else "both",
    )
