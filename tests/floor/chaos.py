"""People who scan right, wrong, twice and other things: acts drawn by hypothesis, one transaction.

Each act runs in a savepoint, so a refusal leaves nothing behind, as it would on the floor. Nothing
but the kinds of wms.errors may come out, and no constraint of the database may have to say no.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests import world as build
from tests.floor.acting import Confirm
from tests.world import World
from wms import barcodes
from wms.db import RuleBroken, Tx, translate
from wms.errors import WmsError
from wms.ids import uuid7
from wms.steps import Act, Answer, Question, Step, walk

SOME = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes of database
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NOISE = ("", "5", "JUNK", "2027-03-31", "L1", "L2", "SN1", "999999", "yes", "4006381333931")
PLATES = tuple(barcodes.label("LP", f"{n:05d}") for n in range(1, 5))


def pool(world: World) -> list[str]:
    """Everything that could be scanned in the small warehouse."""
    items = [build.gtin(sku) for sku in world.items] + [build.gtin("MUG", "case"), "MUG", "TENT"]
    bins = [build.bin_label(code) for code in world.bins]
    return [*NOISE, *PLATES, *items, *bins, build.badge("PIA")]


def draw_answer(data: Any, asked: Question, codes: Sequence[str]) -> str:
    """Mostly something the question takes, else anything."""
    if data.draw(st.integers(0, 9)) == 0:
        return data.draw(st.sampled_from(codes))
    if asked.kind == "qty":
        if asked.default_by or asked.default:
            return data.draw(st.sampled_from(["", "1", "2", "7", str(asked.least)]))
        return str(data.draw(st.integers(asked.least, min(asked.most, 60))))
    if asked.kind == "date":
        return data.draw(st.sampled_from(["2027-03-31", "260305", ""]))
    if asked.kind == "text":
        return data.draw(st.sampled_from(["L1", "L2", "SN1", "SN2", "SN3", ""]))
    right = list(asked.accepts)
    right += [plate for plate in PLATES if "LP" in asked.fresh]
    right += [code for code in codes if code.startswith("BN-") and "BN" in asked.fresh][:6]
    return data.draw(st.sampled_from(right or list(codes)))


def draw_scans(data: Any, questions: Sequence[Question], codes: Sequence[str]) -> tuple[str, ...]:
    """The scans of one act: answers until nothing is asked, some of them doubled."""
    scans: list[str] = []
    for _ in range(14):
        walked = walk(questions, scans)
        if walked.open is None:
            break
        answer = draw_answer(data, walked.open, codes)
        scans += [answer] * (2 if data.draw(st.integers(0, 11)) == 0 else 1)
    return tuple(scans)


def draw_act(data: Any, step: Step, codes: Sequence[str]) -> Act:
    """One act on a step: its normal course or one of its ways out."""
    ways = ["", "", "", *[path.code for path in step.paths]]
    path = data.draw(st.sampled_from(ways))
    if path in ("close", "later") and data.draw(st.integers(0, 4)):
        path = ""  # these end the story; most stories go on
    questions = next((p.questions for p in step.paths if p.code == path), step.questions)
    scans = draw_scans(data, questions, codes)
    return Act(key=str(uuid7()), ref=step.ref, version=step.version, scans=scans, path=path)


async def attempt(tx: Tx, world: World, user: str, confirm: Confirm, act: Act) -> Answer | None:
    """Send one act; None when it was refused. Anything but a refusal in words is an error."""
    try:
        async with tx.begin_nested():
            answer = await confirm(tx, build.stamp(world, user), act)
            await tx.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            await tx.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
            return answer
    except WmsError:
        return None
    except sa.exc.DBAPIError as error:
        known = translate(error)
        if isinstance(known, WmsError) and not isinstance(known, RuleBroken):
            return None
        raise


async def check_books(tx: Tx, world: World) -> None:
    """Nothing was made or lost, and no bin was promised more than it holds."""
    counted = (await tx.exec_driver_sql("SELECT 1 FROM movement WHERE kind = 'count'")).first()
    for name, statement in CHECKS.items():
        if counted and name == CAPACITY:
            continue  # what lies in a bin lies there, whatever its capacity says
        found = (await tx.execute(sa.text(statement), {"w": world.warehouse_id})).all()
        assert found == [], name


CAPACITY = "no bin holds or is promised more than it takes"
CHECKS = {
    "balances are the sum of movements": """
        WITH virtual AS (SELECT id FROM bin WHERE warehouse_id = :w
                          AND kind IN ('supplier', 'customer', 'adjustment', 'scrap')),
        parts AS (
          SELECT to_bin_id AS bin_id, to_lpn_id AS lpn_id, item_id, lot_id, serial,
                 to_status AS status, qty FROM movement WHERE warehouse_id = :w
          UNION ALL
          SELECT from_bin_id, from_lpn_id, item_id, lot_id, serial, from_status, -qty
            FROM movement WHERE warehouse_id = :w
          UNION ALL
          SELECT bin_id, lpn_id, item_id, lot_id, serial, status, -on_hand
            FROM balance WHERE warehouse_id = :w)
        SELECT bin_id, lpn_id, item_id, sum(qty) FROM parts
         WHERE bin_id NOT IN (SELECT id FROM virtual)
         GROUP BY 1, 2, 3, lot_id, serial, status HAVING sum(qty) <> 0""",
    "what is here came from outside": """
        SELECT m.item_id, m.qty, b.qty FROM (
          SELECT item_id, sum(CASE WHEN f.kind IN ('supplier', 'customer', 'adjustment', 'scrap')
                                   THEN qty ELSE 0 END
                            - CASE WHEN t.kind IN ('supplier', 'customer', 'adjustment', 'scrap')
                                   THEN qty ELSE 0 END) AS qty
            FROM movement m JOIN bin f ON f.warehouse_id = :w AND f.id = m.from_bin_id
            JOIN bin t ON t.warehouse_id = :w AND t.id = m.to_bin_id
           WHERE m.warehouse_id = :w GROUP BY item_id) m
          FULL JOIN (SELECT item_id, sum(on_hand) AS qty FROM balance
                      WHERE warehouse_id = :w GROUP BY item_id) b USING (item_id)
         WHERE coalesce(m.qty, 0) <> coalesce(b.qty, 0)""",
    "received lines are their receipts": """
        SELECT l.id FROM asn_line l LEFT JOIN receipt_line r
            ON r.warehouse_id = l.warehouse_id AND r.asn_line_id = l.id
         WHERE l.warehouse_id = :w GROUP BY l.id, l.received
        HAVING l.received <> coalesce(sum(r.qty), 0)""",
    "receipts are movements": """
        SELECT 1 FROM (SELECT coalesce(sum(qty), 0) AS n FROM receipt_line WHERE warehouse_id = :w
                        AND scan_key IS NOT NULL) r,
                      (SELECT coalesce(sum(m.qty), 0) AS n FROM movement m
                        WHERE m.warehouse_id = :w AND m.kind = 'receipt'
                          AND m.to_lpn_id IS NOT NULL AND m.reason <> '') m
         WHERE r.n <> m.n""",
    "void and free plates hold nothing": """
        SELECT p.id FROM lpn p JOIN balance b ON b.warehouse_id = :w AND b.lpn_id = p.id
         WHERE p.warehouse_id = :w AND p.state IN ('void', 'free', 'shipped') AND b.on_hand > 0""",
    "goods on the stage are somebody's work": """
        SELECT p.code FROM lpn p JOIN bin s ON s.warehouse_id = :w AND s.id = p.bin_id
         WHERE p.warehouse_id = :w AND s.kind = 'stage_in' AND p.state = 'closed'
           AND EXISTS (SELECT 1 FROM receipt_line r
                        WHERE r.warehouse_id = :w AND r.lpn_id = p.id)
           AND EXISTS (SELECT 1 FROM balance b WHERE b.warehouse_id = :w AND b.lpn_id = p.id
                        AND b.on_hand > 0)
           AND NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = :w AND t.lpn_id = p.id
                            AND t.state = 'open')""",
    CAPACITY: """
        SELECT b.code FROM bin b
         CROSS JOIN LATERAL (
           SELECT coalesce(sum(x.on_hand * p.length_mm::bigint * p.width_mm * p.height_mm), 0) AS v
             FROM balance x JOIN pack_level p ON p.item_id = x.item_id AND p.level = 'each'
            WHERE x.warehouse_id = :w AND x.bin_id = b.id) i
         CROSS JOIN LATERAL (
           SELECT coalesce(sum((t.qty - t.qty_done) * p.length_mm::bigint * p.width_mm
                               * p.height_mm), 0) AS v
             FROM task t JOIN pack_level p ON p.item_id = t.item_id AND p.level = 'each'
            WHERE t.warehouse_id = :w AND t.to_bin_id = b.id AND t.state = 'open') c
         WHERE b.warehouse_id = :w AND i.v + c.v > b.capacity_mm3""",
    "every event has a subject": """
        SELECT id FROM outbox WHERE warehouse_id = :w AND (okey = '' OR data IS NULL)""",
}


async def next_step(data: Any, steps: Sequence[Step]) -> Step | None:
    """Usually the first open step, sometimes a later one."""
    if not steps:
        return None
    return steps[data.draw(st.integers(0, len(steps) - 1)) if data.draw(st.booleans()) else 0]
