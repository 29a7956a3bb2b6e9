"""Which goods should change their pick faces, and moves that people walk once somebody agrees.

The orders of the last days stand for those to come; only moves that pay back are proposed
(`planning.slot`, the same walks that tours are planned with). Left alone: bins with several items,
with plates, or with something on its way; of an item in several faces, all but the fullest.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows
from wms.inventory import space
from wms.masterdata.floor_plan import load_layout
from wms.planning.pool import offload
from wms.planning.slot import PickFace, SlotItem, SlotPlan, SlotRules, plan_slots
from wms.planning.stop import MaxSeconds
from wms.planning.travel import Layout
from wms.stamp import Stamp
from wms.tasks import engine

SECONDS, PATIENCE_S = 4.0, 25.0
ORDERS_MAX = 20_000
MOVES_MAX = 40
MOVE_S = 240.0  # to carry one item to its new face
DUE = timedelta(hours=12)


class SlotProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Faces, what lies in them, and what was ordered; spots and refs are ids as text."""

    layout: Layout
    depot: str
    faces: tuple[PickFace, ...]
    items: tuple[SlotItem, ...]
    orders: tuple[tuple[str, ...], ...]
    rules: SlotRules
    seconds: float


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An item to its new face, and what lies there now to the old one; metres a day, minutes."""

    item_id: int
    sku: str
    description: str
    from_bin_id: int
    from_bin: str
    to_bin_id: int
    to_bin: str
    qty: int
    partner_id: int = 0
    partner: str = ""
    saved_m: float = 0.0
    minutes: float = 0.0
    pays_days: float = 0.0

    @property
    def key(self) -> str:
        """What a form sends back for it."""
        return f"{self.item_id}:{self.from_bin_id}:{self.to_bin_id}:{self.partner_id}"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Moves, the best first, and what a day's tours walk now and would walk then."""

    steps: tuple[Step, ...] = ()
    days: float = 0.0
    orders: int = 0
    faces: int = 0
    m_before: float = 0.0
    m_after: float = 0.0
    why_not: str = ""


class _Face(msgspec.Struct):
    bin_id: int
    code: str
    capacity_mm3: int | None
    capacity_g: int | None
    item_id: int | None
    sku: str
    description: str
    qty: int
    mm3: int
    g: int


class _Order(msgspec.Struct):
    created_at: datetime
    item_ids: list[str]


# bin_warehouse_id_kind_ix, then balance_place_key, lpn_warehouse_id_bin_id_ix and the open tasks
# bin by bin. One row for each face that holds one item loose, or nothing.
FACES = text(
    """
    SELECT b.id AS bin_id, b.code, b.capacity_mm3, b.capacity_g, s.item_id,
           coalesce(i.sku, '') AS sku, coalesce(i.description, '') AS description,
           coalesce(s.qty, 0) AS qty,
           coalesce(s.qty * p.length_mm::bigint * p.width_mm * p.height_mm, 0) AS mm3,
           coalesce(s.qty * p.weight_g, 0) AS g
      FROM bin b
      JOIN aisle a ON a.warehouse_id = b.warehouse_id AND a.id = b.aisle_id AND NOT a.blocked
     CROSS JOIN LATERAL (
       SELECT min(x.item_id) AS item_id, CAST(sum(x.on_hand) AS bigint) AS qty,
              count(DISTINCT x.item_id) AS items, count(x.lpn_id) AS plates,
              bool_or(x.status <> 'available') AS odd
         FROM balance x
        WHERE x.warehouse_id = b.warehouse_id AND x.bin_id = b.id AND x.on_hand > 0) s
      LEFT JOIN item i ON i.id = s.item_id
      LEFT JOIN pack_level p ON p.item_id = s.item_id AND p.level = 'each'
     WHERE b.warehouse_id = :warehouse_id AND b.kind = 'pick' AND NOT b.blocked
       AND s.items <= 1 AND s.plates = 0 AND NOT coalesce(s.odd, false)
       AND NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = b.warehouse_id
                        AND t.to_bin_id = b.id AND t.state = 'open')
       AND NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = b.warehouse_id
                        AND t.from_bin_id = b.id AND t.state = 'open' AND t.kind = 'replenish')
       AND (CAST(:ids AS bigint[]) IS NULL OR b.id = ANY (:ids))
     ORDER BY s.qty DESC NULLS LAST, b.id
    """
)
# The newest orders by primary key.
ORDERED = text(
    """
    SELECT o.created_at, array_agg(DISTINCT CAST(l.item_id AS text)) AS item_ids
      FROM (SELECT warehouse_id, id, created_at FROM outbound_order
             WHERE warehouse_id = :warehouse_id AND state <> 'cancelled'
             ORDER BY id DESC LIMIT :most) o
      JOIN order_line l ON l.warehouse_id = o.warehouse_id AND l.order_id = o.id
     WHERE o.created_at >= :since
     GROUP BY o.id, o.created_at
    """
)
# tour_ready_ix and tour_claimed_ix hold open tours only.
OPEN = text(
    """
    SELECT count(*) AS moves FROM tour
     WHERE warehouse_id = :warehouse_id AND kind = 'replenish' AND state IN ('ready', 'claimed')
    """
)


ON_THE_WAY = text(
    """
    SELECT DISTINCT t.item_id FROM tour u
      JOIN task t ON t.warehouse_id = u.warehouse_id AND t.tour_id = u.id AND t.state = 'open'
     WHERE u.warehouse_id = :warehouse_id AND u.kind = 'replenish'
       AND u.state IN ('ready', 'claimed')
    """
)


class _Item(msgspec.Struct):
    item_id: int


class _Count(msgspec.Struct):
    moves: int


async def count_open(tx: Tx, stamp: Stamp) -> int:
    """Moves that are on the floor and not done."""
    found = await row(tx, OPEN, _Count, warehouse_id=stamp.warehouse_id)
    return found.moves if found else 0


def plan_moves(problem: SlotProblem) -> SlotPlan:
    """The planner's answer, in a worker."""
    return plan_slots(
        problem.layout, problem.faces, problem.items, problem.orders, problem.depot, problem.depot,
        MaxSeconds(problem.seconds), problem.rules,
    )  # fmt: skip


async def propose(db: Db, stamp: Stamp, days: int, payback_days: int) -> Proposal:
    """Moves that pay back within so many days. Opens its own reading transaction.

    Raises PlanTimeout, PlanFailed.
    """
    async with db.reading() as tx:
        here = {"warehouse_id": stamp.warehouse_id}
        moving = {each.item_id for each in await rows(tx, ON_THE_WAY, _Item, **here)}
        faces = _main_faces(await rows(tx, FACES, _Face, **here, ids=None), moving)
        ordered = await rows(
            tx, ORDERED, _Order, **here, most=ORDERS_MAX, since=stamp.at - timedelta(days=days),
        )  # fmt: skip
        layout, depot = await load_layout(tx, stamp, [face.bin_id for face in faces])
    if layout is None or not ordered or not any(face.item_id for face in faces):
        why = "The hall has no map." if layout is None else "There are no orders to learn from."
        return Proposal(why_not=why if layout is None or not ordered else "No face holds goods.")
    held = [face for face in faces if layout.place(str(face.bin_id)) is not None]
    seen = max(1.0, (stamp.at - min(o.created_at for o in ordered)).total_seconds() / 86_400)
    problem = SlotProblem(
        layout=layout, depot=depot, orders=tuple(tuple(order.item_ids) for order in ordered),
        faces=tuple(PickFace(spot=str(face.bin_id), volume_max_mm3=face.capacity_mm3,
                             weight_max_g=face.capacity_g) for face in held),
        items=tuple(SlotItem(ref=str(face.item_id), volume_mm3=face.mm3, weight_g=face.g,
                             face=str(face.bin_id)) for face in held if face.item_id),
        rules=SlotRules(days=seen, payback_days=payback_days, move_s=MOVE_S, moves_max=MOVES_MAX),
        seconds=SECONDS,
    )  # fmt: skip
    plan = await offload(plan_moves, problem, timeout_s=PATIENCE_S)
    return _told(plan, {str(face.bin_id): face for face in held}, len(ordered), seen,
                 layout.pace.walk_mm_s)  # fmt: skip


def _main_faces(faces: Sequence[_Face], moving: set[int]) -> list[_Face]:
    """Empty faces, and the fullest face of each item that is not on the move already."""
    known = set(moving)
    kept = []
    for face in faces:
        if face.item_id is not None and face.item_id in known:
            continue
        known |= {face.item_id} if face.item_id is not None else set()
        kept.append(face)
    return kept


def _told(
    plan: SlotPlan, faces: dict[str, _Face], orders: int, days: float, walk_mm_s: int
) -> Proposal:
    """The moves as people read them; those that build on another move wait for the next time."""
    home = {str(face.item_id): face for face in faces.values() if face.item_id}
    touched: set[int] = set()
    steps: list[Step] = []
    for move in plan.moves:
        old, new = home[move.items[0]], faces[move.faces[0]]
        partner = home[move.items[1]] if len(move.items) > 1 else None
        clean = new.item_id is None if partner is None else partner is new
        if not clean or touched & {old.bin_id, new.bin_id}:
            continue
        touched |= {old.bin_id, new.bin_id}
        assert old.item_id is not None
        steps.append(Step(
            item_id=old.item_id, sku=old.sku, description=old.description, qty=old.qty,
            from_bin_id=old.bin_id, from_bin=old.code, to_bin_id=new.bin_id, to_bin=new.code,
            partner_id=new.item_id or 0, partner=new.sku, saved_m=move.saved_mm_day / 1000,
            minutes=move.work_s / 60,
            pays_days=move.work_s * walk_mm_s / max(move.saved_mm_day, 1.0),
        ))  # fmt: skip
    before = (plan.tour_before_mm or 0.0) * orders / days / 1000
    return Proposal(
        steps=tuple(steps), days=days, orders=orders, faces=len(faces), m_before=before,
        m_after=before - sum(step.saved_m for step in steps),
    )  # fmt: skip


async def direct(tx: Tx, stamp: Stamp, keys: Sequence[str]) -> int:
    """Make directed work of proposed moves; how many are still as they were proposed.

    Locks the faces in the order of their ids. What changed meanwhile is left out.
    """
    asked = [tuple(map(int, key.split(":"))) for key in dict.fromkeys(keys) if _is_key(key)]
    bins = sorted({bin_id for _, old, new, _ in asked for bin_id in (old, new)})
    await space.lock_bins(tx, stamp, bins)
    found = await rows(tx, FACES, _Face, warehouse_id=stamp.warehouse_id, ids=bins)
    now = {face.bin_id: face for face in found}
    done = 0
    for item_id, old_id, new_id, partner_id in asked:
        old, new = now.pop(old_id, None), now.pop(new_id, None)
        if old is None or new is None or old.item_id != item_id:
            continue
        if (new.item_id or 0) != partner_id:
            continue
        tasks = [engine.NewTask(item_id=item_id, from_bin_id=old_id, to_bin_id=new_id, qty=old.qty)]
        if partner_id:
            tasks.append(engine.NewTask(
                item_id=partner_id, from_bin_id=new_id, to_bin_id=old_id, qty=new.qty
            ))  # fmt: skip
        await engine.create_tour(tx, stamp, "replenish", tasks, due_at=stamp.at + DUE,
                                 bin_id=old_id, cause="slotting")  # fmt: skip
        done += 1
    return done


def _is_key(key: str) -> bool:
    parts = key.split(":")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and len(part) < 19 for part in parts
    )
