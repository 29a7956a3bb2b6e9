"""Many followers of one stream: each sees every position once, whoever reads for whom."""

import asyncio
import time
from random import Random

import pytest

from tests.events.conftest import Bed
from tests.events.test_sealer import seal
from wms.events import tail
from wms.events.new_endpoint import NewEndpoint, as_row
from wms.events.subscription import Subscription

ALL = Subscription(as_row(0, NewEndpoint(code="all", url="http://a/")))


async def follow(bed: Bed, pos: int, until: int, rng: Random) -> list[int]:
    """A follower with pauses of its own, from a position to the end."""
    seen: list[int] = []
    while pos < until:
        page = await tail.read_on(
            bed.db, bed.warehouse_id, pos, rng.randint(1, 4), time.monotonic(), ALL
        )
        seen += [row.pos for row in page.rows]
        assert page.next_after == (page.rows[-1].pos if page.rows else page.next_after)
        pos = page.next_after
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.01]))
    return seen


@pytest.mark.parametrize("seed", range(6))
async def test_followers_at_any_pace_see_every_position_once(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, seed: int
):
    monkeypatch.setattr(tail, "KEPT_MAX", 6)
    rng = Random(seed)
    starts = [rng.randint(0, 30) for _ in range(8)]
    await bed.tell(*[f"K{n % 3}" for n in range(20)])
    await seal(bed.db, bed.warehouse_id)
    followers = [
        asyncio.create_task(follow(bed, start, 40, Random(seed * 100 + n)))
        for n, start in enumerate(starts)
        if start <= 20
    ]
    for _ in range(4):
        await bed.tell(*["K1"] * 5)
        await seal(bed.db, bed.warehouse_id)
    for start, seen in zip([s for s in starts if s <= 20], await asyncio.gather(*followers),
                           strict=True):  # fmt: skip
        assert seen == list(range(start + 1, 41))


async def test_caught_up_is_only_said_of_a_look_that_began_after_the_question(bed: Bed):
    await bed.tell("A")
    await seal(bed.db, bed.warehouse_id)
    first = await tail.read_on(bed.db, bed.warehouse_id, 0, 10, time.monotonic(), ALL)
    assert ([row.pos for row in first.rows], first.caught_up) == ([1], True)
    before = time.monotonic()
    again = await tail.read_on(bed.db, bed.warehouse_id, 1, 10, before, ALL)
    assert again.caught_up
    await bed.tell("A")
    await seal(bed.db, bed.warehouse_id)
    late = await tail.read_on(bed.db, bed.warehouse_id, 1, 10, time.monotonic(), ALL)
    assert ([row.pos for row in late.rows], late.caught_up) == ([2], True)
