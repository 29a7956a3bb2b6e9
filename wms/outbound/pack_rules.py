"""What the pack bench stands on, and what it judges: which goods, which box, how heavy. Pure."""

from collections.abc import Sequence

import msgspec

from wms.errors import Refused
from wms.outbound.contents import Content
from wms.outbound.putback_steps import find_content, is_meant
from wms.steps import Facts

# A scale and the master data agree within this, else the box is recounted.
TOLERANCE_SHARE = 0.05
TOLERANCE_G = 30
FILL_MAX = 0.85  # of a carton's volume, where no plan says better


class AllPacked(Refused):
    say = "All {sku} of {order} are in boxes already: this one is extra. Put it aside, tap Extra."


class TooMany(Refused):
    say = "Only {left} × {sku} are left to take here, not {qty}. Count again."


class FitFewer(Refused):
    say = "Only {fit} × {sku} go into this box by weight, not {qty}. Key {fit}, then tap Full."


class CartonFull(Refused):
    say = "With that the box weighs more than {max_g} g. Tap Full and open another box."


class WeightOff(Refused):
    say = "{weight} g, but {expected} g was expected. Take everything out and tap Recount."


class LotRecalled(Refused):
    say = "Stop: lot {lot} of {sku} was recalled. Put it aside and call your lead."


class CountDiffers(Refused):
    say = "{sku}: {counted} counted, {booked} scanned in. Look again, or tap Missing."


class Tote(msgspec.Struct, frozen=True, kw_only=True):
    """A tote of the order at the bench."""

    lpn_id: int
    code: str
    task_id: int


class CartonChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A carton type in the rack."""

    id: int
    code: str
    inner_mm: tuple[int, int, int]
    tare_g: int
    gross_max_g: int

    @property
    def inner_mm3(self) -> int:
        return self.inner_mm[0] * self.inner_mm[1] * self.inner_mm[2]


class OpenCarton(msgspec.Struct, frozen=True, kw_only=True):
    """The box that is being filled. Its label can be printed from the first item on."""

    lpn_id: int
    sscc: str
    bin_id: int
    type: CartonChoice


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the bench asks and shows for one order.

    `stopped`: held | cancelled | nothing. `planned`: type the wave's plan wants next; `proposed`:
    id of the type the planner found at the bench, 0 if it was not asked. `closed`: boxes closed so
    far. `packed`: units in boxes.
    """

    tour_id: int
    order_id: int
    order_no: str
    stopped: str = ""
    totes: list[Tote]
    inside: list[Content]  # in the totes
    carton: OpenCarton | None = None
    boxed: list[Content] = []  # in the open carton
    types: list[CartonChoice]
    planned: str = ""
    proposed: int = 0
    closed: int = 0
    packed: int = 0

    @property
    def loose(self) -> list[Content]:
        """What a carton is taken for: not what ships in its own package."""
        return [content for content in self.inside if not content.own_container]

    @property
    def left(self) -> int:
        return sum(content.qty for content in self.inside)

    @property
    def units_boxed(self) -> int:
        return sum(content.qty for content in self.boxed)


class Taken(msgspec.Struct, frozen=True):
    """So much of one balance goes into the box."""

    content: Content
    qty: int


def pick_up(bench: Bench, facts: Facts) -> list[Taken]:
    """What the scanned facts take out of which totes: the scanned one first, then the fullest.

    Raises AllPacked, TooMany.
    """
    per = facts.get("qty") or facts.get("per") or "1"
    qty = 1 if facts.get("serial") else int(per)
    tote = int(facts.get("tote", 0))
    meant = sorted(
        (content for content in bench.inside if is_meant(content, facts)),
        key=lambda content: (content.lpn_id != tote, -content.qty),
    )
    if not meant:
        known = find_content(bench.boxed, {"item": facts["item"]})
        raise AllPacked(sku=known.sku if known else "that", order=bench.order_no)
    taken: list[Taken] = []
    left = qty
    for content in meant:
        if left:
            taken.append(Taken(content, min(left, content.qty)))
            left -= taken[-1].qty
    if left:
        raise TooMany(left=qty - left, sku=meant[0].sku, qty=qty)
    return taken


def require_not_recalled(contents: Sequence[Content]) -> None:
    """Recalled goods never leave. Raises LotRecalled."""
    for content in contents:
        if content.recalled:
            raise LotRecalled(lot=content.lot_code, sku=content.sku)


def require_strength(
    type: CartonChoice, boxed: Sequence[Content], weight_g: int, taken: Sequence[Taken]
) -> None:
    """A box of `weight_g` is not made heavier than it may be; one piece alone may always go.

    Raises CartonFull, FitFewer.
    """
    qty = sum(each.qty for each in taken)
    unit_g = taken[0].content.unit_g
    if weight_g + qty * unit_g <= type.gross_max_g or not (boxed or qty > 1):
        return
    room_g = type.gross_max_g - weight_g
    fit = max(room_g // unit_g if unit_g else 0, 0 if boxed else 1)
    if fit < 1:
        raise CartonFull(max_g=type.gross_max_g)
    raise FitFewer(fit=fit, sku=taken[0].content.sku, qty=qty)


def expected_g(carton: OpenCarton, boxed: Sequence[Content]) -> int:
    """What the box should weigh by the master data."""
    return max(1, carton.type.tare_g + sum(content.qty * content.unit_g for content in boxed))


def require_weight(carton: OpenCarton, boxed: Sequence[Content], weight_g: int) -> None:
    """The weight fits the contents, where the master data knows every item's. Raises WeightOff."""
    expected = expected_g(carton, boxed)
    allowed = max(TOLERANCE_G, expected * TOLERANCE_SHARE)
    if all(content.unit_g for content in boxed) and abs(weight_g - expected) > allowed:
        raise WeightOff(weight=weight_g, expected=expected)


def require_count(boxed: Sequence[Content], facts: Facts) -> None:
    """A recount found exactly what was scanned in. Raises CountDiffers."""
    for n, content in enumerate(boxed):
        if int(facts[f"count{n}"]) != content.qty:
            raise CountDiffers(sku=content.sku, counted=facts[f"count{n}"], booked=content.qty)


def fits_inside(content: Content, carton: CartonChoice) -> bool:
    """One piece goes into the empty carton, turned any way."""
    pairs = zip(sorted(content.unit_mm), sorted(carton.inner_mm), strict=True)
    return all(piece <= room for piece, room in pairs)


def legal_types(bench: Bench) -> list[CartonChoice]:
    """Types that can take at least one of the pieces; all of them when no size can be right."""
    legal = [t for t in bench.types if any(fits_inside(content, t) for content in bench.loose)]
    return legal or bench.types


def suggest_type(bench: Bench) -> CartonChoice | None:
    """The planned or proposed type; without one the smallest that takes all, else the largest.

    None where all goods ship in their own packages.
    """
    if not bench.loose:
        return None
    legal = sorted(legal_types(bench), key=lambda choice: (choice.inner_mm3, choice.code))
    for choice in legal:
        if choice.code == bench.planned or choice.id == bench.proposed:
            return choice
    volume = sum(c.qty * c.unit_mm[0] * c.unit_mm[1] * c.unit_mm[2] for c in bench.loose)
    weight = sum(content.qty * content.unit_g for content in bench.loose)
    for choice in legal:
        roomy = volume <= choice.inner_mm3 * FILL_MAX
        strong = choice.tare_g + weight <= choice.gross_max_g
        if roomy and strong and all(fits_inside(content, choice) for content in bench.loose):
            return choice
    return legal[-1] if legal else None
