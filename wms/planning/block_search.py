"""Run the block beam for one box: prepare, widen, decode.

Units: mm, g. Guarantees: those of `blocks` and `block_beam`; each run of a wider beam can only
better the best load found so far.
"""

from collections.abc import Iterator

import numpy as np

from wms.planning.block_beam import Beam, Scene, expand
from wms.planning.blocks import list_pieces, make_blocks, sort_blocks
from wms.planning.jit import kernel
from wms.planning.spaces import SPACES_MAX, Goods

ENDLESS = 1 << 60


class BlockSearch:
    """The search for the most valuable load of one box.

    With `supported` every base lies wholly on the floor or on other pieces; goods with limits of
    load need that. `best_value` is the value of the best load so far; `list_placed` gives it as
    rows of kind, x, y, z, dx, dy, dz.
    """

    def __init__(
        self,
        goods: Goods,
        counts: np.ndarray,
        box: np.ndarray,
        *,
        value: np.ndarray | None = None,
        weight_max: int = ENDLESS,
        volume_max: int = ENDLESS,
        pieces_max: int = ENDLESS,
        fill_min: float = 0.98,
        supported: bool = False,
        limit: int = 10_000,
        keep: int = 1,
    ):
        self.goods, self.counts, self.box = goods, counts, box
        self.blocks = make_blocks(
            goods, counts, box, value=value, fill_min=fill_min, stacked=supported, limit=limit
        )
        limits = np.array([weight_max, volume_max, pieces_max])
        self.scene = make_scene(goods, counts, box, limits, supported)
        smallest = int(goods.volume[counts > 0].min())
        self.rows_max = min(int(counts.sum()), int(box.prod()) // smallest)
        self.best = make_beam(keep, goods.kinds, self.rows_max)
        self.trial = make_beam(1, goods.kinds, self.rows_max)

    @property
    def best_value(self) -> int:
        return int(self.best.value[0])

    def restart(self, counts: np.ndarray, value: np.ndarray) -> None:
        """Forget the loads found and go on with other numbers and values of pieces."""
        self.counts = counts
        worth = self.blocks.need @ value
        self.blocks = sort_blocks(self.blocks._replace(value=worth))
        self.best.value[:] = 0
        self.best.number[:] = 0

    def run(self, width: int) -> Iterator[int]:
        """Run a beam of a width from the empty box; give the best value after each level."""
        beam, after = (make_beam(width, self.goods.kinds, self.rows_max) for _ in range(2))
        beam.spaces[0, 0, :3] = 0
        beam.spaces[0, 0, 3:] = self.box
        beam.left[0] = self.counts
        beam.number[0] = (1, 0)
        beam.value[0] = 0
        beam.used[0] = 0
        states = 1
        while states:
            states = expand(
                beam, states, after, self.trial, self.best, self.blocks, self.scene, width
            )
            beam, after = after, beam
            yield self.best_value

    def list_placed(self, rank: int = 0) -> list[list[int]]:
        """Return the pieces of one of the best loads."""
        rows = self.best.rows[rank, : self.best.number[rank, 1]].tolist()
        return [
            piece
            for block, x, y, z, _ in rows
            for piece in list_pieces(self.blocks, self.goods, block, (x, y, z))
        ]


def make_beam(width: int, kinds: int, rows: int) -> Beam:
    """Return room for so many states."""
    return Beam(
        spaces=np.zeros((width, SPACES_MAX + 8, 6), np.int64),
        left=np.zeros((width, kinds), np.int64),
        rows=np.zeros((width, rows + 1, 5), np.int64),
        number=np.zeros((width, 2), np.int64),
        value=np.zeros(width, np.int64),
        used=np.zeros((width, 3), np.int64),
    )


@kernel
def edge_sums(turns, turn_count, counts, box, reach):
    """Write to reach[axis, length] the longest sum of edges, at most that long, along each axis."""
    for axis in range(3):
        can = np.zeros(box[axis] + 1, np.int64)
        can[0] = 1
        for kind in range(turns.shape[0]):
            last = -1
            for turn in range(turn_count[kind]):
                edge = turns[kind, turn, axis]
                if edge == last or counts[kind] == 0:
                    continue
                last = edge
                # how many of this edge the shortest sum of each length has used
                used = np.zeros(box[axis] + 1, np.int64)
                for length in range(edge, box[axis] + 1):
                    before = length - edge
                    if can[length] == 0 and can[before] == 1 and used[before] < counts[kind]:
                        can[length] = 1
                        used[length] = used[before] + 1
        longest = 0
        for length in range(box[axis] + 1):
            if can[length] == 1:
                longest = length
            reach[axis, length] = longest


def make_scene(
    goods: Goods, counts: np.ndarray, box: np.ndarray, limits: np.ndarray, grounded: bool
) -> Scene:
    """Prepare the constants of one search."""
    reach = np.zeros((3, int(box.max()) + 1), np.int64)
    edge_sums(goods.turns, goods.turn_count, counts, box, reach)
    least = np.array(
        [
            min(
                int(goods.turns[k, : goods.turn_count[k], axis].min())
                for k in np.flatnonzero(counts)
            )
            for axis in range(3)
        ]
    )
    return Scene(box, reach, least, limits, int(grounded))
