"""The choice of a target bin measures walks as people walk them, not as the crow flies."""

import pytest

from tests import world as w
from tests.world import World
from wms.inbound.target_search import find_targets
from wms.inventory import space


@pytest.mark.parametrize(("direction", "aisle"), [("both", "A-01"), ("up", "A-02")])
async def test_a_bin_behind_a_one_way_aisle_is_as_far_as_it_is_walked(
    world: World, direction: str, aisle: str
) -> None:
    await w.plate(world, "P1", kind="pallet", state="closed")
    await w.stock(world, "MUG", "STAGE-IN", 6, lpn="P1")
    async with world.db.transaction() as tx:
        await tx.execute(
            w.sa.text("UPDATE aisle SET direction = :way WHERE code = '01'"), {"way": direction}
        )
        stamp = w.stamp(world, "PAUL")
        held = await space.list_held(tx, stamp, world.lpns["P1"])
        plan = await find_targets(
            tx, stamp, held, [each.load for each in held], world.bins["STAGE-IN"]
        )
    codes = {bin_id: code for code, bin_id in world.bins.items()}
    assert [codes[put.bin_id][:4] for put in plan.puts] == [aisle]
