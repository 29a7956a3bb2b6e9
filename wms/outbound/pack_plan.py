"""A carton for the packer where the wave's plan has none: the order changed, or a rest is left.

The planner looks at what lies in the totes now, in a worker process, for `WAIT_S` at most; the page
never waits longer and then shows the simple suggestion. What was shown travels in the version of
the step, so the act that answers the page takes the same carton, whatever a plan would say by then.
"""

import asyncio
from collections import Counter

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.outbound import wave_sql
from wms.outbound.carton_plan import BoxProblem, Content, PlannedCarton, plan_boxes
from wms.outbound.pack_rules import Bench
from wms.planning import pool
from wms.planning.cartonize import CartonType

WAIT_S = 0.05
SEARCH_S = 0.03
# A worker busy with a wave is not ended for a page that no longer waits.
PATIENCE_S = 120.0

# Primary keys.
ITEM_RULES = text(
    """
    SELECT i.id, i.fragile, i.upright, i.flat, i.carton_qty_max, e.load_max_g
      FROM item i
      LEFT JOIN pack_level e ON e.item_id = i.id AND e.level = 'each'
     WHERE i.id = ANY (CAST(:ids AS bigint[])) ORDER BY i.id
    """
)


class _ItemRule(msgspec.Struct):
    id: int
    fragile: bool
    upright: bool
    flat: bool
    carton_qty_max: int | None
    load_max_g: int | None


async def with_proposal(tx: Tx, bench: Bench) -> Bench:
    """The bench with the carton to take now, where no plan names one and there is time to ask."""
    known = all(min(content.unit_mm) > 0 for content in bench.loose)
    asking = bench.carton is None and bench.loose and not bench.planned and not bench.stopped
    if not (asking and known and pool.is_ready()):
        return bench
    qty = Counter[int]()
    for content in bench.loose:
        qty[content.item_id] += content.qty
    first = {content.item_id: content for content in bench.loose}
    rules = await rows(tx, ITEM_RULES, _ItemRule, ids=sorted(qty))
    contents = tuple(
        Content(
            order_id=bench.order_id, item_id=rule.id, qty=qty[rule.id],
            length_mm=first[rule.id].unit_mm[0], width_mm=first[rule.id].unit_mm[1],
            height_mm=first[rule.id].unit_mm[2], weight_g=first[rule.id].unit_g,
            fragile=rule.fragile, upright=rule.upright, separation=first[rule.id].separation,
            flat=rule.flat, carton_qty_max=rule.carton_qty_max, load_max_g=rule.load_max_g,
        )
        for rule in rules
    )  # fmt: skip
    types = tuple(await rows(tx, wave_sql.CARTON_TYPES, CartonType))
    cartons = await _soon(BoxProblem(contents=contents, carton_types=types, seconds=SEARCH_S))
    code = cartons[0].type_code if cartons else ""
    found = next((kind.id for kind in bench.types if kind.code == code), 0)
    return msgspec.structs.replace(bench, proposed=found)


async def _soon(problem: BoxProblem) -> tuple[PlannedCarton, ...]:
    """The plan if it comes in time, else none; one that comes later is not waited for."""
    job = asyncio.ensure_future(pool.offload(plan_boxes, problem, timeout_s=PATIENCE_S))
    job.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.wait_for(asyncio.shield(job), WAIT_S)
    except (TimeoutError, pool.PlanTimeout, pool.PlanFailed, ValueError):
        return ()
