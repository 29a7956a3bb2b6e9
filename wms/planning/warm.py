"""Machine code for the planners, made or loaded before the first wave needs it."""

from wms.planning import cartonize, scattered
from wms.planning.batch import BatchLine, BatchOrder, Cart, plan_batches
from wms.planning.stop import MaxRounds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot
from wms.planning.wave import Picker, Work, plan_wave


def warm_up() -> str:
    """Plan a few toy problems once; a worker process runs this right after it starts."""
    aisles = [AisleLine(f"A{n}", n * 3000, 0, 20_000) for n in range(4)]
    spots = [Spot(f"B{n}.{y}", n * 3000, y * 1000, 0, f"A{n}") for n in range(4) for y in range(20)]
    depot = Spot("DEPOT", 0, -1000, 0, None)
    done = []
    for levels in ((0, 20_000), (0, 10_000, 20_000)):
        layout = Layout(tuple(aisles), tuple(CrossAisle(y) for y in levels), (*spots, depot))
        orders = [
            BatchOrder(
                f"O{n}",
                tuple(
                    BatchLine(f"{n}.{k}", f"B{(n + k) % 4}.{(7 * n + 3 * k) % 20}", 1, 1000, 10)
                    for k in range(3)
                ),
            )
            for n in range(12)
        ]
        plan = plan_batches(layout, orders, Cart(4, 100_000), "DEPOT", "DEPOT", MaxRounds(3))
        done.append(plan.method)
        crew = [Picker("P1"), Picker("P2")]
        plan_wave(layout, orders, Cart(4, 100_000), crew, Work(), "DEPOT", "DEPOT", MaxRounds(1))
    cartonize.warm_up()
    scattered.warm_up()
    return ", ".join(done)
