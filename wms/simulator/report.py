"""What a day came to, read from the database when it is over, and what is wrong with it."""

import msgspec
from sqlalchemy import text

from wms.db import Db, row, rows
from wms.simulator.device import Tally
from wms.simulator.receiver import Receiver
from wms.verify import run_verify


class DayReport(msgspec.Struct, kw_only=True):
    """The summary of `wms demo`. `wrong` says in words what is lost, doubled or unexplained."""

    orders: int = 0
    orders_shipped: int = 0
    orders_short: int = 0
    orders_waiting: int = 0
    orders_cancelled: int = 0
    orders_unexplained: int = 0
    lines: int = 0
    units: int = 0
    units_shipped: int = 0
    cartons: int = 0
    scans: int = 0
    scans_rejected: int = 0
    scans_replayed: int = 0
    wrong_scans: int = 0
    lost_answers: int = 0
    retries: int = 0
    tasks: int = 0
    tours: int = 0
    counts: int = 0
    movements: int = 0
    events: int = 0
    webhooks_delivered: int = 0
    webhooks_repeated: int = 0
    webhooks_unverified: int = 0
    webhooks_out_of_order: int = 0
    ledger_ok: bool = False
    seconds: float = 0.0
    wrong: list[str] = []


class _Totals(msgspec.Struct):
    orders: int
    orders_shipped: int
    orders_short: int
    orders_waiting: int
    orders_cancelled: int
    orders_unexplained: int
    lines: int
    units: int
    units_shipped: int
    cartons: int
    scans: int
    scans_rejected: int
    tasks: int
    tours: int
    counts: int
    movements: int
    events: int


# An order is explained when it left (whole, or short of what no bin had), was cancelled, or waits
# for stock that is nowhere in the house, and says so.
TOTALS = text(
    """
    WITH o AS (
      SELECT o.state, o.cause, sum(l.short) AS short, sum(l.ordered) AS ordered,
             sum(l.shipped) AS shipped, count(*) AS lines
        FROM outbound_order o JOIN order_line l
          ON l.warehouse_id = o.warehouse_id AND l.order_id = o.id
       WHERE o.warehouse_id = :w GROUP BY o.id, o.state, o.cause)
    SELECT count(*) AS orders,
           count(*) FILTER (WHERE state = 'shipped') AS orders_shipped,
           count(*) FILTER (WHERE state = 'shorted' OR state = 'shipped' AND short > 0)
             AS orders_short,
           count(*) FILTER (WHERE state = 'open' AND cause = 'out_of_stock') AS orders_waiting,
           count(*) FILTER (WHERE state = 'cancelled') AS orders_cancelled,
           count(*) FILTER (WHERE state NOT IN ('shipped', 'shorted', 'cancelled')
                             AND NOT (state = 'open' AND cause = 'out_of_stock'))
             AS orders_unexplained,
           coalesce(sum(lines), 0)::int AS lines, coalesce(sum(ordered), 0)::int AS units,
           coalesce(sum(shipped), 0)::int AS units_shipped,
           (SELECT count(*) FROM shipment_carton WHERE warehouse_id = :w) AS cartons,
           (SELECT count(*) FROM scan WHERE warehouse_id = :w) AS scans,
           (SELECT count(*) FROM scan WHERE warehouse_id = :w AND NOT ok) AS scans_rejected,
           (SELECT count(*) FROM task WHERE warehouse_id = :w) AS tasks,
           (SELECT count(*) FROM tour WHERE warehouse_id = :w) AS tours,
           (SELECT count(*) FROM count WHERE warehouse_id = :w) AS counts,
           (SELECT count(*) FROM movement WHERE warehouse_id = :w) AS movements,
           (SELECT count(*) FROM event_log WHERE warehouse_id = :w) AS events
      FROM o
    """
)
STATES = text(
    """
    SELECT state, cause, count(*) AS orders, min(external_id) AS sample FROM outbound_order
     WHERE warehouse_id = :w AND state NOT IN ('shipped', 'shorted', 'cancelled')
     GROUP BY state, cause ORDER BY 3 DESC LIMIT 20
    """
)
OPEN_WORK = text(
    """
    SELECT kind, state, count(*) AS tours FROM tour
     WHERE warehouse_id = :w AND state IN ('planned', 'ready', 'claimed') GROUP BY kind, state
    """
)
EVENT_IDS = text("SELECT event_id::text FROM event_log WHERE warehouse_id = :w")


class OpenOrders(msgspec.Struct):
    state: str
    cause: str
    orders: int
    sample: str


class OpenTours(msgspec.Struct):
    kind: str
    state: str
    tours: int


async def open_orders(db: Db, warehouse_id: int) -> list[OpenOrders]:
    """Orders that have not ended, by state and cause."""
    async with db.reading() as tx:
        return await rows(tx, STATES, OpenOrders, w=warehouse_id)


async def open_tours(db: Db, warehouse_id: int) -> list[OpenTours]:
    async with db.reading() as tx:
        return await rows(tx, OPEN_WORK, OpenTours, w=warehouse_id)


OPEN_WAVES = text(
    "SELECT count(*) FROM wave WHERE warehouse_id = :w AND state IN ('planning', 'released')"
    " AND NOT EXISTS (SELECT 1 FROM tour WHERE tour.warehouse_id = :w AND tour.wave_id = wave.id"
    " AND tour.state IN ('planned', 'ready', 'claimed'))"
)


async def open_waves(db: Db, warehouse_id: int) -> int:
    """Waves that a chore is about to complete: their event is still to come."""
    async with db.reading() as tx:
        return (await tx.execute(OPEN_WAVES, {"w": warehouse_id})).scalar_one()


async def totals(db: Db, warehouse_id: int) -> DayReport:
    """How far the day is."""
    async with db.reading() as tx:
        found = await row(tx, TOTALS, _Totals, w=warehouse_id)
    assert found is not None
    return DayReport(**msgspec.structs.asdict(found))


async def final_report(
    db: Db, warehouse_id: int, tally: Tally, receiver: Receiver, troubles: list[str], seconds: float
) -> DayReport:
    """Everything counted and compared; `wrong` is empty when nothing is lost or doubled."""
    report = await totals(db, warehouse_id)
    report.scans_replayed = tally.replayed
    report.wrong_scans = tally.misses
    report.lost_answers = tally.lost_answers
    report.retries = tally.retries
    report.webhooks_delivered = len(receiver.events)
    report.webhooks_repeated = receiver.again
    report.webhooks_unverified = receiver.unverified
    report.webhooks_out_of_order = receiver.out_of_order
    report.seconds = round(seconds, 1)
    problems = await run_verify(db)
    report.ledger_ok = not problems
    report.wrong = [f"ledger: {p.check} {p.where}" for p in problems[:10]]
    report.wrong += await _events_wrong(db, warehouse_id, receiver)
    if report.orders_unexplained:
        open_ = await open_orders(db, warehouse_id)
        words = ", ".join(f"{o.orders} {o.state} {o.cause} ({o.sample}…)" for o in open_)
        report.wrong.append(f"orders without an explanation: {words}")
    if report.webhooks_unverified:
        report.wrong.append(f"{report.webhooks_unverified} deliveries did not verify")
    report.wrong += troubles[:10]
    return report


async def _events_wrong(db: Db, warehouse_id: int, receiver: Receiver) -> list[str]:
    async with db.reading() as tx:
        logged = {
            event_id.replace("-", "")
            for event_id in (await tx.execute(EVENT_IDS, {"w": warehouse_id})).scalars()
        }
    got = {event_id.removeprefix("evt_").replace("-", "") for event_id in receiver.events}
    wrong = []
    if logged - got:
        wrong.append(f"{len(logged - got)} events never reached the receiver")
    if got - logged:
        wrong.append(f"{len(got - logged)} deliveries are of no event in the log")
    if receiver.out_of_order:
        wrong.append(f"{receiver.out_of_order} deliveries overtook an older one of their document")
    return wrong
