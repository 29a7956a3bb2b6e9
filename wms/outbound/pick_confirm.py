"""The confirming scan of a pick, the hottest act of the warehouse: one statement, one round trip.

What a tour's picks ask and accept does not change while their version stays, so a process reads
them once a tour and judges from memory. Only the statement decides: it names task, version and
person, and writes nothing at all when one of them is no longer true.
"""

from collections import OrderedDict

import asyncpg
import msgspec

from wms.db import Db, translate
from wms.events import carried, catalog
from wms.events.groups import doc, loc, stk, who
from wms.ids import uuid7
from wms.outbound import pick_sql as sql
from wms.outbound.pick_steps import PickFacts, pick_questions
from wms.replay import body_hash, stored_answer
from wms.stamp import Stamp
from wms.steps import Act, Answer, answered
from wms.tasks.rules import StaleStep, WorkTaken

KNOWN_MAX = 20_000
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


class PartOnly(Exception):
    """Fewer than asked were taken, so the act goes the ordinary way (pick_exceptions)."""


class Known:
    """Picks of tours in work, by (warehouse, task); the longest unused leave first."""

    def __init__(self) -> None:
        self._picks: OrderedDict[tuple[int, int], PickFacts] = OrderedDict()

    def find(self, stamp: Stamp, act: Act, task_id: int) -> PickFacts | None:
        """The pick as this act means it: open, at its version, held by this person."""
        pick = self._picks.get((stamp.warehouse_id, task_id))
        if pick is None or pick.version != act.version or pick.claimed_by != stamp.user_id:
            return None
        return pick

    def keep(self, stamp: Stamp, picks: list[PickFacts]) -> None:
        for pick in picks:
            if pick.state == "open" and pick.tour_state == "claimed" and pick.tote_id is not None:
                self._picks[stamp.warehouse_id, pick.id] = pick
        while len(self._picks) > KNOWN_MAX:
            self._picks.popitem(last=False)

    def forget(self, stamp: Stamp, task_id: int) -> None:
        self._picks.pop((stamp.warehouse_id, task_id), None)


async def confirm(db: Db, stamp: Stamp, act: Act) -> Answer:
    """Confirm a whole pick.

    Raises StaleStep, WorkTaken, WrongScan and the other refusals of steps, StockMoved, KeyReused.
    Emits inventory.moved, order.pick_started, order.picked.
    """
    task_id = int(act.ref.partition("/")[2])
    known: Known = db.memory(Known)
    pool = await db.hot()
    try:
        async with pool.acquire() as connection:
            pick = known.find(stamp, act, task_id)
            if pick is not None:
                answer = await _write(connection, stamp, act, pick)
                known.forget(stamp, task_id)
                if answer is not None:
                    return answer
            pick = await _load(connection, stamp, task_id, known)
            replayed = await _replayed(connection, stamp, act)
            if replayed is not None:
                return replayed
            _require_open(stamp, act, pick)
            answer = await _write(connection, stamp, act, pick)
            known.forget(stamp, task_id)
            if answer is None:
                raise StaleStep()
            return answer
    except asyncpg.UniqueViolationError as error:
        async with pool.acquire() as connection:
            replayed = await _replayed(connection, stamp, act)
        if replayed is None:
            raise translate(error) from error
        return replayed
    except (asyncpg.PostgresError, OSError) as error:
        raise translate(error) from error


async def _load(connection: Connection, stamp: Stamp, task_id: int, known: Known) -> PickFacts:
    """The pick, read with all picks of its tour, which are kept. Raises StaleStep."""
    found = await connection.fetch(sql.LOAD_TOUR_OF, stamp.warehouse_id, task_id)
    picks = [msgspec.convert(dict(row), PickFacts) for row in found]
    known.keep(stamp, picks)
    pick = next((pick for pick in picks if pick.id == task_id), None)
    if pick is None:
        raise StaleStep()
    return pick


def _require_open(stamp: Stamp, act: Act, pick: PickFacts) -> None:
    if pick.state != "open" or pick.version != act.version:
        raise StaleStep()
    if pick.tour_state != "claimed" or pick.claimed_by != stamp.user_id:
        raise WorkTaken(why="it was given to somebody else")


async def _replayed(connection: Connection, stamp: Stamp, act: Act) -> Answer | None:
    """The stored answer when the act was sent before. Raises KeyReused."""
    found = await connection.fetchrow(sql.STORED, stamp.warehouse_id, stamp.key)
    return None if found is None else stored_answer(act, found["body_hash"], found["answer"])


async def _write(connection: Connection, stamp: Stamp, act: Act, pick: PickFacts) -> Answer | None:
    """Judge, then write; None when the pick is no longer open, ours and at this version.

    Raises the refusals of steps, PartOnly, and the driver's errors.
    """
    facts = answered(pick_questions(pick), act.scans)
    if int(facts.get("qty", pick.left)) < pick.left:
        raise PartOnly()
    say = f"{pick.left} × {pick.sku} in {pick.tote_code}"
    answer = Answer(ok=True, say=say, tone="step_done")
    values = _values(stamp, act, pick, msgspec.json.encode(answer).decode())
    written = await connection.fetchrow(sql.CONFIRM_PICK, *values)
    return None if written is None else answer


def _values(stamp: Stamp, act: Act, pick: PickFacts, answer: str) -> tuple[object, ...]:
    moved = msgspec.json.encode(moved_event(stamp, pick, pick.left)).decode()
    order = msgspec.json.encode(doc("order", pick.order_id, pick.order_no, owner=pick.owner_code))
    head = '{"order":' + order.decode()[:-1] + ',"version":'
    return (
        stamp.warehouse_id, pick.id, act.version, stamp.user_id, stamp.at,
        pick.hand_bin_id, pick.tote_id, pick.owner_id, pick.serial, pick.left, stamp.key,
        pick.owner_code, stamp.device_at or stamp.at, stamp.actor,
        uuid7(), f"stock/{pick.owner_code}/{pick.sku}", moved.partition(",")[2],
        uuid7(), uuid7(), f"order/{pick.owner_code}/{pick.order_no}", head,
        stamp.device, act.seq, stamp.device_at, act.ref, list(act.scans), body_hash(act), answer,
        pick.correlation_id or stamp.correlation_id, carried.traceparent.get(),
    )  # fmt: skip


def moved_event(
    stamp: Stamp, pick: PickFacts, qty: int, movement_id: object = ""
) -> catalog.InventoryMoved:
    """inventory.moved of a pick; `movement_id` is the first field of its JSON."""
    return catalog.InventoryMoved(
        movement_id=str(movement_id),
        stock=stk(pick.sku, pick.owner_code, qty, lot=pick.lot_code, serial=pick.serial),
        from_=loc(pick.bin_code, lpn=pick.lpn_code),
        to=loc(f"HAND-{stamp.actor.partition(':')[2]}", lpn=pick.tote_code),
        purpose="pick",
        task_id=str(pick.id),
        who=who(stamp),
    )
