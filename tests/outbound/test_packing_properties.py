"""Whatever is scanned at the bench, at the door and on the way back, no goods are lost or made."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import world as w
from tests.outbound import packs
from tests.outbound.packs import line
from tests.world import World, gtin
from wms.barcodes import label
from wms.db import RuleBroken
from wms.errors import Busy, WmsError
from wms.outbound import cancelling, orders, resuming
from wms.outbound.order_events import take_order
from wms.steps import Act, Question, Step, question, walk
from wms.tasks import engine

WORKERS = {"pack": "PAT", "load": "LEO", "putback": "PIA"}
number = st.integers(0, 10_000)
turns = st.lists(st.tuples(st.integers(0, 11), number, number, number), min_size=5, max_size=30)


class Play:
    """A day of three workers and a clerk, chosen by numbers."""

    def __init__(self, world: World, made: list[dict[str, Any]]) -> None:
        self.world, self.orders = world, made
        self.sent: list[tuple[Act, str]] = []
        self.strange = [
            gtin("TENT"), gtin("MUG", "case"), "SN1", "SN9", "", "3", "rubbish", "L2",
            label("TT", "T99"), label("LP", "X"), w.bin_label("DOCK-FREIGHT"),
            "095212340000999997", *[tote for each in made for tote in each["totes"]],
        ]  # fmt: skip

    async def turn(self, kind: int, one: int, two: int, three: int) -> None:
        """One act of one person; refusals are answers, anything else is a fault."""
        if kind == 0:
            await self.clerk(one, two)
        elif kind == 1 and self.sent:
            await self.resend(one)
        else:
            flow = ("pack", "pack", "pack", "load", "putback")[one % 5]
            await self.work(flow, WORKERS[flow], two, three)

    async def clerk(self, one: int, two: int) -> None:
        order = self.orders[one % len(self.orders)]
        stamp = w.stamp(self.world, "SUE")
        try:
            async with self.world.db.transaction() as tx:
                match two % 4:
                    case 0:
                        await cancelling.cancel(tx, stamp, order["id"], "customer")
                    case 1:
                        await orders.hold(tx, stamp, order["id"], "credit")
                    case _:
                        await orders.release_hold(tx, stamp, order["id"])
                        await resuming.go_on(tx, stamp, await take_order(tx, stamp, order["id"]))
        except RuleBroken:
            raise
        except WmsError:
            return  # the desk was told why not

    async def resend(self, one: int) -> None:
        """An old act once more, under its own key: the same answer, nothing moves."""
        sent, user = self.sent[one % len(self.sent)]
        before = await self.moves()
        answer = await packs.send(self.world, sent, user)
        assert answer.replayed
        assert await self.moves() == before

    async def work(self, flow: str, user: str, two: int, three: int) -> None:
        step = await self.step(flow, user)
        if step is None:
            return
        path = ""
        if step.paths and three % 4 == 0:
            path = step.paths[two % len(step.paths)].code
        scans = self.scans(step, path, two, three)
        act = packs.act(step, *scans, path=path)
        try:
            answer = await packs.send(self.world, act, user)
        except Busy:
            return
        assert answer.code != "RuleBroken", (answer, act)
        self.sent.append((act, user))

    async def step(self, flow: str, user: str) -> Step | None:
        """What the worker's page asks, after taking the next work if they have none."""
        stamp = w.stamp(self.world, user)
        async with self.world.db.transaction() as tx:
            tour = await engine.find_mine(tx, stamp) or await engine.claim_next(tx, stamp, [flow])
        if tour is None:
            return None
        try:
            packet = await packs.show(self.world, tour.kind, tour.id, user)
        except WmsError:
            return None
        return packet.steps[0] if packet.steps else None

    def scans(self, step: Step, path: str, two: int, three: int) -> tuple[str, ...]:
        """Mostly right answers; now and then something that lies around."""
        ways = {way.code: way.questions for way in step.paths}
        questions = ways[path] if path else step.questions
        scans: tuple[str, ...] = ()
        for n in range(8):
            asked = question(questions, walk(questions, scans).facts)
            if asked is None:
                break
            scans += (self.scan(asked, two + n, three // (n + 1)),)
        return scans

    def scan(self, asked: Question, two: int, three: int) -> str:
        if three % 7 == 3:
            return self.strange[two % len(self.strange)]
        if asked.kind == "qty":
            return asked.default or str(asked.least + two % 3)
        if asked.accepts:
            return list(asked.accepts)[two % len(asked.accepts)]
        return label("LP", "X") if "LP" in asked.fresh else asked.default or gtin("MUG")

    async def moves(self) -> int:
        return await w.scalar(self.world, "SELECT count(*) FROM movement WHERE warehouse_id = :w")

    async def check(self) -> None:
        assert await packs.ledger_differs(self.world) == []
        assert await packs.astray(self.world) == []
        assert await packs.gaps(self.world) == []


@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(program=turns)
async def test_no_sequence_of_scans_loses_or_makes_goods(
    world: World, program: list[tuple[int, int, int, int]]
) -> None:
    start = await w.scalar(world, "SELECT count(*) FROM outbound_order")
    made = [
        await packs.picked(
            world, f"ORD-{start}", line("MUG", 3), line("LAMP", 1, tote=1),
            totes=(f"A{start}", f"B{start}"),
        ),
        await packs.picked(
            world, f"ORD-{start + 1}", line("BEANS", 2, lot="L1"), line("FILTER", 1),
            totes=(f"C{start}",), carrier="FREIGHT",
        ),
        await packs.picked(
            world, f"ORD-{start + 2}", line("GPS", 1, serials=[f"SN{start}"]), totes=(f"D{start}",)
        ),
    ]  # fmt: skip
    play = Play(world, made)
    for turn in program:
        await play.turn(*turn)
    await play.check()
