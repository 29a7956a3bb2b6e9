"""The questions at the truck, from facts to packets, and what the loader is told. Pure.

Scan the door once, then every carton. Whose carton it is only the server knows for sure (cartons
come down while the page stands), so any SSCC is taken and judged there: another carrier's carton
is a hard stop that names its door. Depart names what stays. Screens: load, depart.
"""

from collections.abc import Sequence

import msgspec

from wms.errors import Refused
from wms.outbound.loads import Load
from wms.outbound.pick_steps import bin_codes
from wms.steps import Packet, Path, Question, Step

NAMED = 6  # cartons named on a page; the rest is a number


class WrongDoor(Refused):
    say = "Stop: {carton} goes with {carrier} at door {door}. Do not load it here."


class OrderStopped(Refused):
    say = "Stop: {order} is {why}. Keep {carton} off the truck and put it aside."


class NotClosed(Refused):
    say = "{carton} is not closed yet. Bring it back to the pack bench."


class AlreadyGone(Refused):
    say = "{carton} left with another load, or was opened again. Call your lead."


class NotOnThisTruck(Refused):
    say = "{carton} is not on this truck by the book."


class NotASeal(Refused):
    say = "That is the label of a {label}, not a seal."


class NothingLoaded(Refused):
    say = "Nothing is loaded yet. Scan the cartons first, or give the work back."


class TakeOff(Refused):
    say = "These orders were stopped: take {cartons} off the truck first (tap Take off)."


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A carton of the load's carrier: waiting in the lane, or on the truck."""

    lpn_id: int
    order_id: int
    order_no: str
    sscc: str
    loaded: bool
    stopped: str
    weight_g: int


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the door asks and shows. `coming`: orders of the carrier still being worked on."""

    load: Load
    cartons: list[Standing]
    coming: int
    mine: bool  # the person of the page holds the work: only they depart

    @property
    def waiting(self) -> list[Standing]:
        return [each for each in self.cartons if not each.loaded and not each.stopped]

    @property
    def loaded(self) -> list[Standing]:
        return [each for each in self.cartons if each.loaded]

    @property
    def wrong(self) -> list[Standing]:
        return [each for each in self.loaded if each.stopped]


def names(cartons: Sequence[Standing]) -> str:
    """The last digits of their SSCCs, as far as a page can hold them."""
    named = [f"…{each.sscc[-6:]}" for each in cartons[:NAMED]]
    more = len(cartons) - NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def dock_question(load: Load) -> Question:
    return Question(fact="bin", ask="Scan the door", show=load.dock,
                    accepts=bin_codes(load.dock_id, load.dock, load.check_digits))  # fmt: skip


def carton_question(cartons: Sequence[Standing], ask: str) -> Question:
    accepts = {each.sscc: {"carton": each.sscc} for each in cartons}
    return Question(fact="carton", ask=ask, show="a carton label", accepts=accepts, fresh=("sscc",))


def depart_questions(door: Door) -> tuple[Question, ...]:
    """What stays is named and agreed to; then the seal (Enter for none)."""
    asked: list[Question] = []
    if door.waiting:
        count = len(door.waiting)
        asked.append(
            Question(fact="leave", ask=f"{count} not loaded: leave for the next load?",
                     show=names(door.waiting), accepts={"LEAVE": {"leave": "yes"}},
                     choices=(("LEAVE", f"Leave {count}"),))
        )  # fmt: skip
    asked.append(Question(fact="seal", ask="Seal", show="none", kind="text", default="none"))
    return tuple(asked)


def _words(door: Door) -> str:
    words = f"{len(door.loaded)} on the truck, {len(door.waiting)} waiting"
    if door.coming:
        words += f", {door.coming} {'order' if door.coming == 1 else 'orders'} still to come"
    return words


def load_step(door: Door) -> Step:
    """One carton after the other onto the truck."""
    off = Path(code="off", word="Take off", questions=(carton_question(door.loaded, "Scan it"),))
    paths = [Path(code="depart", word="Depart", questions=depart_questions(door)), off,
             Path(code="later", word="Give back")]  # fmt: skip
    return Step(
        ref=f"load/{door.load.id}",
        version=1,
        title=f"Load {door.load.carrier_name}",
        verb="LOAD AT",
        name=f"Door {door.load.dock}, {door.load.carrier_name}",
        note=_words(door),
        qty=f"{len(door.waiting)} waiting",
        questions=(dock_question(door.load), carton_question(door.waiting, "Scan each carton")),
        paths=tuple(paths if door.mine else paths[1:2]),
        repeat=True,
        keep=("bin",),
    )


def take_off_step(door: Door) -> Step:
    """Cartons of stopped orders come off before anything else; their scan takes them off."""
    wrong = door.wrong
    carton = Question(fact="carton", ask="Take off and scan", show=names(wrong),
                      accepts={each.sscc: {"carton": each.sscc} for each in wrong})  # fmt: skip
    load = load_step(door)
    return msgspec.structs.replace(
        load,
        title=f"Stop {wrong[0].order_no}",
        verb="TAKE OFF",
        name=f"{wrong[0].order_no} is {wrong[0].stopped}: {names(wrong)} must not leave",
        qty=f"{len(wrong)} to take off",
        questions=(load.questions[0], carton),
        paths=load.paths[-1:] if door.mine else (),
    )


def depart_step(door: Door) -> Step:
    """All that waited is on the truck: seal it and let it go."""
    load = load_step(door)
    more = Path(code="more", word="One more", questions=load.questions)
    return Step(
        ref=f"depart/{door.load.id}",
        version=1,
        title=f"Depart {door.load.carrier_name}",
        verb="SEAL",
        name=f"Truck at door {door.load.dock}",
        note=_words(door),
        qty=f"{len(door.loaded)} on the truck",
        questions=depart_questions(door),
        paths=(more, *load.paths[1:]),
    )


def door_packet(door: Door, tour_id: int) -> Packet:
    """What was stopped comes off; then load while something waits; then depart."""
    step = load_step(door)
    if door.wrong:
        step = take_off_step(door)
    elif door.mine and door.loaded and not door.waiting:
        step = depart_step(door)
    return Packet(flow="load", title="Load", steps=(step,), here=f"/floor/load/{tour_id}",
                  after="/floor/next", done=len(door.loaded),
                  total=len(door.loaded) + len(door.waiting))  # fmt: skip
