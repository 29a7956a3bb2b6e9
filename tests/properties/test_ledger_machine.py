"""The real ledger in PostgreSQL against a dictionary: any order of any acts, compared every step.

The machine does what the floor does - receive, move, promise, release, pick, change status, adjust,
carry a plate - with quantities that often cannot be, and keeps its own books in plain Python. After
every step the database must say exactly what the books say; a refused act changes nothing.
One example is one transaction with a savepoint around every act, rolled back at its end.
"""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests import world as build
from tests.properties.books import Books, Key, Loop
from tests.world import World
from wms.db import Db, StockMoved, Tx, insert, translate
from wms.errors import Refused, WmsError
from wms.inventory import allocations, ledger, lpns
from wms.inventory import tables as inventory
from wms.inventory.ledger import Goods, Place
from wms.inventory.tables import STATUSES
from wms.verify import verify

T = TypeVar("T")
BINS = ("A-01-01", "A-01-02", "R-01-01", "HAND-PIA")
PLATES = ("P1", "P2")
SKUS = ("LAMP", "BEANS", "GPS")
LOTS = ("L1", "L2")
SERIALS = ("S1", "S2")
ORDERED = 12
QTYS = st.integers(min_value=1, max_value=9)
places = st.sampled_from([*BINS, *PLATES])
statuses = st.sampled_from(STATUSES)
picks = st.integers(min_value=0, max_value=99)  # which of what is there


class LedgerMachine(RuleBasedStateMachine):
    """See the module's words."""

    def __init__(self, loop: Loop, world: World) -> None:
        super().__init__()
        self.loop, self.world, self.books, self.step = loop, world, Books(), 0
        self.tx: Tx = loop.run(self._begin())
        self.names = {bin_id: code for code, bin_id in world.bins.items()}
        self.lot_names = {lot_id: code for (_, code), lot_id in world.lots.items()}
        self.skus = {item_id: sku for sku, item_id in world.items.items()}
        self.books.plates = dict.fromkeys(PLATES, "STAGE-IN")

    async def _begin(self) -> Tx:
        tx = await self.world.db.engine.connect()
        await tx.begin()
        self.line_ids: dict[str, int] = {}
        for sku in SKUS:
            order_id = await insert(
                tx, build.outbound.outbound_order, warehouse_id=1, external_id=sku,
                owner_id=self.world.item_owners[sku], cutoff_at=self.world.at,
                carrier_id=self.world.carriers["PARCEL"], created_at=self.world.at,
            )  # fmt: skip
            self.line_ids[sku] = await insert(
                tx, build.outbound.order_line, warehouse_id=1, order_id=order_id, line_no="1",
                owner_id=self.world.item_owners[sku], item_id=self.world.items[sku],
                ordered=ORDERED, waiting=ORDERED,
            )  # fmt: skip
            self.books.lines[sku] = [ORDERED, 0, 0]
        return tx

    def teardown(self) -> None:
        self.loop.run(self._end())

    async def _end(self) -> None:
        try:
            assert await verify(self.tx, 1) == []
        finally:
            await self.tx.rollback()
            await self.tx.close()

    # ---- how an act is done

    def stamp(self) -> Any:
        at = self.world.at + timedelta(minutes=self.step)
        return build.stamp(self.world, "PIA", at=at)

    def place(self, name: str) -> Place:
        if name in self.books.plates:
            return Place(self.world.bins[self.books.plates[name]], self.world.lpns[name])
        return Place(self.world.bins[name])

    def goods(self, key: Key, qty: int) -> Goods:
        _, sku, lot, serial, status = key
        return Goods(
            owner_id=self.world.item_owners[sku], item_id=self.world.items[sku], qty=qty,
            lot_id=self.world.lots.get((sku, lot)), serial=serial, status=status,
        )  # fmt: skip

    def attempt(self, act: Coroutine[Any, Any, T]) -> T | WmsError:
        """The answer, or the refusal of an act that then left nothing behind."""

        async def guarded() -> T | WmsError:
            try:
                async with self.tx.begin_nested():
                    answer = await act
                    await self.tx.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
                    await self.tx.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
                    return answer
            except sa.exc.DBAPIError as error:
                refusal = translate(error)
                if not isinstance(refusal, WmsError):
                    raise
                return refusal

        self.step += 1
        answer = self.loop.run(guarded())
        return answer

    def move(self, kind: str, key: Key, qty: int, target: str, **more: Any) -> Any:
        source = Place(self.world.bins[key[0]]) if key[0] in VIRTUAL else self.place(key[0])
        place = Place(self.world.bins[target]) if target in VIRTUAL else self.place(target)
        return self.attempt(
            ledger.move(self.tx, self.stamp(), kind, self.goods(key, qty), source, place, **more)
        )

    def compare(self) -> None:
        """The database says what the books say, to the unit and to the age."""
        found = self.loop.run(self._read())
        wanted = {
            key: (heap.qty, heap.promised, heap.since) for key, heap in self.books.heaps.items()
        }
        assert found["heaps"] == wanted
        assert found["lines"] == {sku: tuple(parts) for sku, parts in self.books.lines.items()}
        open_promises = {id: qty for id, (_, qty) in self.books.promises.items() if qty}
        assert found["promises"] == open_promises
        assert found["plates"] == self.books.plates

    async def _read(self) -> dict[str, Any]:
        plates = {lpn_id: name for name, lpn_id in self.world.lpns.items()}
        heaps: dict[Key, tuple[int, int, int]] = {}
        for row in await self.tx.execute(READ_HEAPS):
            place = plates[row.lpn_id] if row.lpn_id else self.names[row.bin_id]
            lot = self.lot_names.get(row.lot_id, "")
            since = round((row.received_at - self.world.at).total_seconds() / 60)
            key = (place, self.skus[row.item_id], lot, row.serial, row.status)
            heaps[key] = (row.on_hand, row.allocated, since)
        return {
            "heaps": heaps,
            "lines": {self.skus[row.item_id]: (row.waiting, row.allocated, row.picked)
                      for row in await self.tx.execute(READ_LINES)},
            "promises": {row.id: row.qty for row in await self.tx.execute(READ_PROMISES)},
            "plates": {plates[row.id]: self.names[row.bin_id]
                       for row in await self.tx.execute(READ_PLATES)},
        }  # fmt: skip

    def some(self, number: int) -> Key:
        keys = sorted(self.books.heaps)
        return keys[number % len(keys)]

    def promise(self, number: int) -> int:
        ids = sorted(self.books.promises)
        return ids[number % len(ids)]

    # ---- what the floor does

    @rule(sku=st.sampled_from(SKUS), place=places, qty=QTYS, lot=st.sampled_from(LOTS),
          serial=st.sampled_from(SERIALS))  # fmt: skip
    def receive(self, sku: str, place: str, qty: int, lot: str, serial: str) -> None:
        lot = lot if sku == "BEANS" else ""
        serial = serial if sku == "GPS" else ""
        key = (place, sku, lot, serial, "available")
        answer = self.move("receipt", ("SUPPLIER", *key[1:]), qty, place)
        if serial and (qty > 1 or self.books.serial_is_here(sku, serial)):
            assert isinstance(answer, Refused)
        else:
            assert isinstance(answer, int)
            self.books.credit(key, qty, self.step - 1)
        self.compare()

    @precondition(lambda self: self.books.heaps)
    @rule(number=picks, onto=places, qty=QTYS)
    def carry(self, number: int, onto: str, qty: int) -> None:
        key = self.some(number)
        answer = self.move("move", key, qty, onto)
        if onto == key[0] or (key[3] and qty > 1):
            assert isinstance(answer, WmsError)
        elif qty > self.books.free(key):
            assert isinstance(answer, StockMoved)
        else:
            assert isinstance(answer, int)
            since = self.books.debit(key, qty)
            self.books.credit((onto, *key[1:]), qty, since)
        self.compare()

    @precondition(lambda self: self.books.heaps)
    @rule(number=picks, status=statuses, qty=QTYS)
    def change_status(self, number: int, status: str, qty: int) -> None:
        key = self.some(number)
        answer = self.move("status", key, qty, key[0], to_status=status)
        if status == key[4] or (key[3] and qty > 1):
            assert isinstance(answer, WmsError)
        elif qty > self.books.free(key):
            assert isinstance(answer, StockMoved)
        else:
            assert isinstance(answer, int)
            since = self.books.debit(key, qty)
            self.books.credit((*key[:4], status), qty, since)
        self.compare()

    @precondition(lambda self: self.books.heaps)
    @rule(number=picks, qty=QTYS, found=st.booleans())
    def adjust(self, number: int, qty: int, found: bool) -> None:
        key = self.some(number)
        if found:
            answer = self.move("adjust", ("ADJUSTMENT", *key[1:]), qty, key[0])
            if key[3]:
                assert isinstance(answer, Refused)  # this serial is here already
            else:
                assert isinstance(answer, int)
                self.books.credit(key, qty, self.step - 1)
        else:
            answer = self.move("adjust", key, qty, "ADJUSTMENT")
            if qty > self.books.free(key) or (key[3] and qty > 1):
                assert isinstance(answer, WmsError)
            else:
                assert isinstance(answer, int)
                self.books.debit(key, qty)
        self.compare()

    @precondition(lambda self: self.books.heaps)
    @rule(number=picks, qty=QTYS)
    def allocate(self, number: int, qty: int) -> None:
        key = self.some(number)
        line = self.books.lines[key[1]]

        async def act() -> int:
            lot_id = self.world.lots.get((key[1], key[2]))
            place = self.place(key[0])
            columns = inventory.balance.c
            found = await self.tx.execute(
                sa.select(columns.id).where(
                    columns.bin_id == place.bin_id, columns.serial == key[3],
                    columns.lpn_id.is_not_distinct_from(place.lpn_id), columns.status == key[4],
                    columns.lot_id.is_not_distinct_from(lot_id),
                    columns.item_id == self.world.items[key[1]],
                )
            )  # fmt: skip
            return await insert(
                self.tx, inventory.allocation, warehouse_id=1, qty=qty,
                order_line_id=self.line_ids[key[1]], balance_id=found.scalar_one(),
            )  # fmt: skip

        answer = self.attempt(act())
        if key[4] != "available" or qty > line[0] or qty > self.books.free(key):
            assert isinstance(answer, Refused)
        else:
            assert isinstance(answer, int)
            self.books.promises[answer] = (key, qty)
            self.books.heaps[key].promised += qty
            line[0], line[1] = line[0] - qty, line[1] + qty
        self.compare()

    @precondition(lambda self: self.books.promises)
    @rule(number=picks, qty=QTYS)
    def release(self, number: int, qty: int) -> None:
        promise = self.promise(number)
        key, promised = self.books.promises[promise]
        answer = self.attempt(allocations.release_part(self.tx, self.stamp(), promise, qty))
        if qty > promised:
            assert isinstance(answer, WmsError)
        else:
            assert answer is None
            self._consume(promise, qty)
            line = self.books.lines[key[1]]
            line[0], line[1] = line[0] + qty, line[1] - qty
        self.compare()

    @precondition(lambda self: self.books.promises)
    @rule(number=picks, qty=QTYS, onto=places)
    def pick(self, number: int, qty: int, onto: str) -> None:
        promise = self.promise(number)
        key, promised = self.books.promises[promise]
        answer = self.move("pick", key, qty, onto, allocation_id=promise)
        if onto == key[0] or (key[3] and qty > 1):
            assert isinstance(answer, WmsError)
        elif qty > promised:
            assert isinstance(answer, StockMoved)
        else:
            assert isinstance(answer, int)
            self._consume(promise, qty)
            since = self.books.debit(key, qty)
            self.books.credit((onto, *key[1:]), qty, since)
            line = self.books.lines[key[1]]
            line[1], line[2] = line[1] - qty, line[2] + qty
        self.compare()

    def _consume(self, promise: int, qty: int) -> None:
        key, promised = self.books.promises[promise]
        self.books.heaps[key].promised -= qty
        self.books.promises[promise] = (key, promised - qty)

    @rule(plate=st.sampled_from(PLATES), onto=st.sampled_from(BINS))
    def carry_plate(self, plate: str, onto: str) -> None:
        held = {key: heap for key, heap in self.books.heaps.items() if key[0] == plate}

        async def act() -> int:
            stamp = self.stamp()
            taken = await lpns.take_lpn(self.tx, stamp, self.labels[plate])
            return len(await lpns.relocate(self.tx, stamp, taken, self.world.bins[onto], "move"))

        answer = self.attempt(act())
        moves = onto != self.books.plates[plate]
        if moves and any(heap.promised for heap in held.values()):
            assert isinstance(answer, StockMoved)
        else:
            assert answer == len(held)
            self.books.plates[plate] = onto
        self.compare()

    labels: dict[str, str] = {}  # noqa: RUF012 - set once by the test


VIRTUAL = ("SUPPLIER", "CUSTOMER", "ADJUSTMENT", "SCRAP")
READ_HEAPS = sa.text("SELECT * FROM balance WHERE on_hand > 0 OR allocated > 0")
READ_LINES = sa.text("SELECT item_id, waiting, allocated, picked FROM order_line")
READ_PROMISES = sa.text("SELECT id, qty FROM allocation WHERE qty > 0")
READ_PLATES = sa.text("SELECT id, bin_id FROM lpn")


async def _world(db: Db) -> World:
    world = await build.small_warehouse(db)
    for name in PLATES:
        LedgerMachine.labels[name] = await build.plate(world, name, kind="pallet", state="open")
    async with db.transaction() as tx:
        for code in LOTS:
            await build.lot_id(world, tx, "BEANS", code)
    return world


@pytest.fixture
def loop() -> Any:
    made = Loop()
    yield made
    made.stop()


def test_the_ledger_says_what_the_books_say(loop: Loop, database_url: str) -> None:
    db = Db(database_url)
    world = loop.run(_world(db))
    try:
        run_state_machine_as_test(
            lambda: LedgerMachine(loop, world),
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                derandomize=True,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run(db.close())
