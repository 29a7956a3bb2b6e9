"""Chores: what runs by itself. A table of (name, seconds between runs, function) and their loop.

Any process may die at any time: each chore claims what it works on in the database.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from wms import requests
from wms.access import signin
from wms.carriers.chores import follow_carriers
from wms.counting import cadence
from wms.db import Db, Tx
from wms.errors import Busy
from wms.exceptions import deliveries, escalating, following
from wms.files.drop import watch_files
from wms.ids import uuid7
from wms.inbound import appointments
from wms.jobs import kept, running
from wms.outbound import cancel_ahead, cancelling, levels_told, resuming, waves
from wms.reconciliation import nightly
from wms.stamp import Stamp
from wms.tasks.leases import expire_leases

REQUESTS_KEPT = timedelta(days=30)
log = logging.getLogger("wms.worker")

Chore = Callable[[Db], Awaitable[int]]



async def list_warehouses(tx: Tx) -> list[int]:
    return list((await tx.execute(text("SELECT id FROM warehouse ORDER BY id"))).scalars())


def chore_stamp(warehouse_id: int, name: str) -> Stamp:
    return Stamp(
        warehouse_id=warehouse_id, at=datetime.now(UTC), key=uuid7(), actor=f"system:{name}"
    )


async def lapse_leases(db: Db) -> int:
    """Give the work of silent devices back to the pool."""
    return await _each_warehouse(db, "leases", expire_leases)


async def _each_warehouse(
    db: Db, name: str, chore: Callable[[Tx, Stamp], Awaitable[int]]
) -> int:
    async with db.reading() as tx:
        warehouses = await list_warehouses(tx)
    return await _each(db, warehouses, name, chore)


async def _each(
    db: Db, warehouses: list[int], name: str, chore: Callable[[Tx, Stamp], Awaitable[int]]
) -> int:
    done = 0
    for warehouse_id in warehouses:
        async with db.transaction() as tx:
            done += await chore(tx, chore_stamp(warehouse_id, name))
    return done


async def restore_work(db: Db) -> int:
    """Work that should be directed and is not, whatever the reason."""
    return await _each_warehouse(db, "restore", resuming.restore_work)


async def top_up_orders(db: Db) -> int:
    """Stock that came in after the release goes to orders that still wait for it."""
    return await cancelling.top_up_orders(db)


async def run_jobs(db: Db) -> int:
    """Batches that partners sent, chunk by chunk."""
    return await running.run_jobs(db)


async def forget_jobs(db: Db) -> int:
    """Finished jobs, and cancellations whose order never came or ended long ago."""

    async def forget(tx: Tx, stamp: Stamp) -> int:
        cancels = await cancel_ahead.forget(tx, stamp, stamp.at - REQUESTS_KEPT)
        return cancels + await running.forget_jobs(tx, stamp)

    return await _each_warehouse(db, "jobs", forget)


async def give_up_documents(db: Db) -> int:
    """Documents that came and whose process died before it answered."""
    return await _each_warehouse(db, "documents", kept.give_up)


async def forget_documents(db: Db) -> int:
    """Kept documents past their time."""
    return await _each_warehouse(db, "documents", kept.forget_kept)


async def forget_requests(db: Db) -> int:
    """Stored answers of the API past their keeping time; natural keys protect for ever."""

    async def forget(tx: Tx, stamp: Stamp) -> int:
        return await requests.forget_requests(tx, stamp, stamp.at - REQUESTS_KEPT)

    return await _each_warehouse(db, "requests", forget)


async def plan_counts(db: Db) -> int:
    """Bins whose turn it is to be counted."""
    return await _each_warehouse(db, "cadence", cadence.plan_counts)


async def finish_waves(db: Db) -> int:
    """Waves whose process died between promise and plan; waves whose last pick is done."""
    return await waves.finish_waves(db)


async def forget_sessions(db: Db) -> int:
    """Sessions that ended by time."""
    async with db.transaction() as tx:
        return await signin.forget_sessions(tx, datetime.now(UTC))


async def follow_trouble(db: Db) -> int:
    """Exceptions from the event log, and their cures."""
    return await _each_warehouse(db, "exceptions", following.follow)


async def escalate_exceptions(db: Db) -> int:
    """Exceptions past their due time go to the next level, once."""
    return await _each_warehouse(db, "exceptions", escalating.escalate_due)


async def tell_levels(db: Db) -> int:
    """Items whose stock changed, in absolute numbers."""
    behind = await levels_told.list_behind(db)
    return await _each(db, behind, "levels", levels_told.tell_levels)


async def sweep_levels(db: Db) -> int:
    """Levels that changed without an event: dates that passed, stock that was loaded."""
    return await _each_warehouse(db, "levels", levels_told.sweep_levels)


async def open_delivery_exceptions(db: Db) -> int:
    """Dead letters, stopped endpoints, events a partner rejected."""
    return await _each_warehouse(db, "exceptions", deliveries.open_delivery_exceptions)


async def reconcile_stock(db: Db) -> int:
    """Trial balances of warehouses whose night has passed."""
    return await _each_warehouse(db, "reconciliation", nightly.run)


async def follow_appointments(db: Db) -> int:
    """Trucks that arrived, and those that did not come."""
    return await _each_warehouse(db, "appointments", appointments.follow)


CHORES: list[tuple[str, float, Chore]] = [
    ("lapse leases", 20, lapse_leases),
    ("finish waves", 5, finish_waves),
    ("restore work", 20, restore_work),
    ("top up orders", 30, top_up_orders),
    ("follow trouble", 3, follow_trouble),
    ("delivery exceptions", 15, open_delivery_exceptions),
    ("escalate exceptions", 15, escalate_exceptions),
    ("tell levels", 1, tell_levels),
    ("sweep levels", 20, sweep_levels),
    ("watch files", 5, watch_files),
    ("follow appointments", 60, follow_appointments),
    ("follow carriers", 10, follow_carriers),
    ("run jobs", 1, run_jobs),
    ("forget jobs", 3600, forget_jobs),
    ("give up documents", 60, give_up_documents),
    ("forget documents", 3600, forget_documents),
    ("reconcile stock", 600, reconcile_stock),
    ("plan counts", 3600, plan_counts),
    ("forget requests", 3600, forget_requests),
    ("forget sessions", 600, forget_sessions),
]


async def run_chores(db: Db, stop: asyncio.Event) -> None:
    """Run every chore at its interval until `stop`; a failed run is logged and tried again."""
    await asyncio.gather(*(_loop(db, stop, *chore) for chore in CHORES))


async def _loop(db: Db, stop: asyncio.Event, name: str, seconds: float, chore: Chore) -> None:
    while not stop.is_set():
        try:
            done = await chore(db)
            if done:
                log.info("%s: %d", name, done)
        except Busy:
            log.info("%s: busy, next time", name)
        except Exception:
            log.exception("%s failed; it runs again in %s s", name, seconds)
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue
