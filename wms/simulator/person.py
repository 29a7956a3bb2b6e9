"""A simulated worker: signs in, asks for the next work, answers prompts, gets some things wrong.

They work through the same pages as people. What they know beyond the page is only what a person
would see: the goods on the truck (`Sights`), and what lies in a bin they count.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from wms.barcodes import label
from wms.simulator import hands
from wms.simulator.device import Device
from wms.steps import Answer, Packet, Question, Step

STUCK = 25  # refusals in a row until a person calls for help
# What a person does after being told no: the way out whose word fits the sentence.
WAY_OUT = {"CartonFull": "full", "WeightOff": "recount", "NothingLoaded": "later"}
IDLE_S, IDLE_MAX_S = 0.2, 2.0  # seconds between two looks for work, growing while there is none
SCAN_EACH = 3  # more pieces of one item than this are keyed as a number at the bench
CHUNK = 48  # pieces a receiver puts on one plate


class Sights(msgspec.Struct):
    """What can be seen in the building: printed on goods, or lying in bins."""

    lots: dict[tuple[str, str], tuple[str, str]] = {}  # (asn, sku) -> (lot, best before)
    in_bin: dict[str, dict[str, int]] = {}


class Stuck(Exception):
    """A person got the same refusal over and over: the day has a defect."""


class Day(msgspec.Struct):
    """What all people of a day share."""

    sights: Sights
    labels: Callable[[str], str]
    look: Callable[[str], Any]  # coroutine function: bin code -> what lies there (desk.Seen)
    over: bool = False
    pace_s: float = 0.0
    troubles: list[str] = []


class Person:
    """One worker with one handheld."""

    def __init__(self, day: Day, device: Device, name: str, roles: frozenset[str]) -> None:
        self.day, self.device, self.name, self.roles = day, device, name, roles
        self.rng: Random = device.rng
        self._refusals = 0
        self._advice = ""
        self._most = 0  # what the last refusal said would be taken, 0 when it said nothing

    async def work(self) -> None:
        """Until the day is over: resume or get work, do it; nothing to do is a short wait."""
        idle_s = IDLE_S
        while not self.day.over:
            packet = await self._next()
            if packet is None:
                await asyncio.sleep(idle_s * self.rng.uniform(0.7, 1.3))
                idle_s = min(idle_s * 1.5, IDLE_MAX_S)
                continue
            idle_s = IDLE_S
            try:
                await self._through(packet)
            except Stuck as trouble:
                self.day.troubles.append(f"{self.name}: {trouble}")
                await asyncio.sleep(1)

    async def _next(self) -> Packet | None:
        if "receiver" in self.roles and self.rng.random() < 0.7:
            hub = await self.device.get("/floor")
            links = [link["url"] for link in hub.get("links", []) if "/receive/" in link["url"]]
            if links:
                return await self.device.packet(self.rng.choice(links[:3]))
        return await self.device.packet("/floor/next")

    async def _through(self, packet: Packet | None) -> None:
        """Work one packet to its end; a changed course continues with the packet it leads to."""
        while packet is not None and packet.steps and not self.day.over:
            packet = await self._packet_once(packet)

    async def _packet_once(self, packet: Packet) -> Packet | None:
        for step in packet.steps:
            answer = await self._step(packet, step)
            if self.day.pace_s:
                await asyncio.sleep(self.day.pace_s * self.rng.uniform(0.6, 1.4))
            if not answer.ok:
                self._count_refusal(step, answer)
                return await self.device.packet(answer.go or packet.here)
            self._refusals = 0
            if answer.go:
                return await self.device.packet(answer.go)
            if step.repeat:
                return await self.device.packet(packet.here)
        return await self.device.packet(packet.after)

    def _count_refusal(self, step: Step, answer: Answer) -> None:
        self._refusals += 1
        self._advice = WAY_OUT.get(answer.code, "")
        said = re.match(r"Only ([0-9]+) ", answer.say)
        self._most = int(said[1]) if said else 0
        if self._refusals >= STUCK:
            self._refusals = 0
            raise Stuck(f"{step.ref} {step.title}: {answer.code}: {answer.say}")

    async def _step(self, packet: Packet, step: Step) -> Answer:
        path, scans = await self._decide(packet, step)
        if scans and self.rng.random() < self.device.chances.wrong_scan:
            scans = hands.with_wrong_scan(scans, self.rng)
            self.device.tally.misses += 1
        if path == "later":
            await asyncio.sleep(IDLE_MAX_S)  # nobody asks for the same work again at once
        return await self.device.act(step.ref, step.version, scans, path)

    async def _decide(self, packet: Packet, step: Step) -> tuple[str, list[str]]:
        """Which way to take through the step, and its scans."""
        advice, self._advice = self._advice, ""
        questions = hands.path_of(step, advice) if advice else None
        if questions is not None:
            return advice, self._scans(questions, {})
        match packet.flow:
            case "receive":
                return self._receive(packet, step)
            case "count":
                return await self._count(step)
            case "load":
                return self._load(step)
            case "pack":
                return self._pack(step)
            case "pick" if step.ref.startswith("pick/"):
                return self._pick(step)
            case "putaway" if (aside := hands.path_of(step, "aside")) is not None:
                return "aside", self._scans(aside, {})
        return "", self._scans(step.questions, {})

    def _pick(self, step: Step) -> tuple[str, list[str]]:
        chances = self.device.chances
        luck = self.rng.random()
        for code, chance in (
            ("short", chances.short),
            ("damaged", chances.damaged),
            ("full", chances.tote_full),
            ("skip", chances.skip),
        ):
            questions = hands.path_of(step, code)
            if luck < chance and questions is not None:
                return code, self._scans(questions, self._short_eyes(code, questions))
            luck -= chance
        return "", self._scans(step.questions, {})

    def _load(self, step: Step) -> tuple[str, list[str]]:
        """Load what waits; the truck goes when nothing more is to come, else come back later."""
        if step.questions[-1].fact == "carton" and step.questions[-1].accepts:
            return "", self._scans(step.questions, {})
        if "still to come" in step.note or step.questions[-1].fact == "carton":
            return "later", []
        return "", self._scans(step.questions, {})

    def _pack(self, step: Step) -> tuple[str, list[str]]:
        """An item that still lies in the tote, by the words on the page; many of one are keyed."""
        found = re.findall(r"([0-9]+) × ([^ ,]+)", step.note)
        if not found or all(question.fact != "item" for question in step.questions):
            return "", self._scans(step.questions, {})
        qty, sku = self.rng.choice(found)
        keyed = hands.path_of(step, "qty")
        told, self._most = self._most, 0
        if int(qty) <= SCAN_EACH or keyed is None or (self._refusals and not told):
            return "", self._scans(step.questions, {"item": sku})
        most = next(question.most for question in keyed if question.fact == "qty")
        number = min(int(qty), most, told or most)
        return "qty", self._scans(keyed, {"item": sku, "qty": str(number)})

    def _short_eyes(self, code: str, questions: Sequence[Question]) -> dict[str, str]:
        if code != "short":
            return {}
        return {"found": str(self.rng.randint(0, questions[0].most))}

    def _scans(self, questions: Sequence[Question], eyes: hands.Eyes) -> list[str]:
        return hands.scans_for(questions, eyes, self._fresh, self.rng)

    def _fresh(self, asked: Question) -> str:
        return label(asked.fresh[0], self.day.labels(asked.fresh[0]))

    def _receive(self, packet: Packet, step: Step) -> tuple[str, list[str]]:
        """Take what the page still expects, plate by plate; then the truck is empty."""
        asn = packet.title.removeprefix("Receive ")
        by = {asked.fact: asked for asked in step.questions}
        qty = by.get("qty")
        waiting = {
            u: int(n) for u, n in (qty.default_by if qty else {}).items() if u.endswith(".each")
        }
        codes = {
            facts["unit"]: code for code, facts in by["item"].accepts.items() if "unit" in facts
        }
        skus = self._skus(step)
        if not waiting:
            return "close", ["yes"]
        unit = self.rng.choice(sorted(waiting))
        lot, expiry = self.day.sights.lots.get((asn, skus.get(unit, "")), ("", ""))
        eyes = {"item": codes[unit], "qty": str(min(waiting[unit], CHUNK)),
                "lot": lot or "LOT1", "expiry": expiry or "2027-12-31",
                "serial": f"SN{self.rng.getrandbits(40):010X}",
                "lpn": self._fresh(by["lpn"])}  # fmt: skip
        return "", self._scans(step.questions, eyes)

    def _skus(self, step: Step) -> dict[str, str]:
        """unit -> SKU, from the codes the page accepts (a SKU stands there beside the barcodes)."""
        known = {sku for _, sku in self.day.sights.lots}
        accepts = step.questions[0].accepts
        return {facts["unit"]: code for code, facts in accepts.items()
                if "unit" in facts and code in known}  # fmt: skip

    async def _count(self, step: Step) -> tuple[str, list[str]]:
        """Blind: what lies in the bin. Half of what is disputed turns out to be there."""
        bin_code = step.title.removeprefix("Count ")
        goods = await self.day.look(bin_code)
        seen = [each for each in goods if each.status != "disputed" or self.rng.random() < 0.5]
        if not seen:
            questions = hands.path_of(step, "empty") or ()
            return "empty", self._scans(questions, {})
        if any(question.fact == "qty" for question in step.questions):
            return "", self._scans(step.questions, {"qty": str(sum(each.qty for each in seen))})
        eyes: dict[str, str] = {}
        plates = sorted({each.plate for each in seen if each.plate})
        loose: dict[tuple[str, str, str], int] = {}
        for each in seen:
            if not each.plate:
                key = (each.sku, each.lot, each.serial)
                loose[key] = loose.get(key, 0) + each.qty
        for n, plate in enumerate(plates, 1):
            eyes[f"item{n}"] = plate
        for n, ((sku, lot, serial), qty) in enumerate(loose.items(), len(plates) + 1):
            eyes |= {f"item{n}": sku, f"lot{n}": lot or "-", f"serial{n}": serial or "-",
                     f"qty{n}": str(qty)}  # fmt: skip
        eyes[f"item{len(plates) + len(loose) + 1}"] = label("BN", bin_code)
        return "", self._scans(step.questions, eyes)
