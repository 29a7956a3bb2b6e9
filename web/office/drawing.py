"""Charts and the floor plan as numbers for SVG: no script, no inline style, printable.

Units: SVG user units are metres on the plan, per cent in bars.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from wms.outbound.forecast import CutoffForecast, Forecast
from wms.outbound.wave_map import MapAisle, MapBin

BIN_M = 0.8
MARGIN_M = 3.0
ROUTE_COLOURS = 8
TIGHT_MIN = 15  # less to spare than this is a warning
LOOK_H = 12  # trucks that leave later do not squeeze the others
TICKS_MIN = (5, 10, 15, 30, 60, 120, 180, 240, 360)
TICKS = 8


class Segment(msgspec.Struct, frozen=True):
    """One piece of a stacked bar, in per cent."""

    name: str
    count: int
    x: float
    width: float


def stacked(parts: Iterable[tuple[str, int]]) -> list[Segment]:
    """Pieces of a bar that is full at 100; what is zero has no piece."""
    given = [(name, count) for name, count in parts if count > 0]
    total = sum(count for _, count in given)
    pieces: list[Segment] = []
    x = 0.0
    for name, count in given:
        width = 100 * count / total
        pieces.append(Segment(name, count, round(x, 3), round(width, 3)))
        x += width
    return pieces


class Truck(msgspec.Struct, frozen=True, kw_only=True):
    """One cutoff on the time axis, in per cent: work until `done`, of it `late` past `leaves`.

    `tone`: good | warn (little to spare) | bad (somebody misses it). `leaves` is None for a truck
    beyond the axis.
    """

    cutoff: CutoffForecast
    tone: str
    done: float
    leaves: float | None
    late: float
    spare_min: int


class Trucks(msgspec.Struct, frozen=True, kw_only=True):
    """The time axis from now on, and each cutoff on it."""

    ticks: tuple[tuple[float, str], ...]
    trucks: tuple[Truck, ...]


def draw_trucks(forecast: Forecast, zone: ZoneInfo) -> Trucks:
    """All cutoffs on one axis that reaches to the last of the next hours' trucks and ends."""
    now, last = forecast.at, forecast.at + timedelta(hours=LOOK_H)
    ends = [moment for each in forecast.cutoffs for moment in (each.cutoff_at, each.done_at)]
    until = max([now + timedelta(minutes=20), *(end for end in ends if end <= last)])
    if any(each.done_at > last for each in forecast.cutoffs):
        until = last
    whole = 1.03 * (until - now).total_seconds()

    def place(at: datetime) -> float:
        return round(100 * min(max((at - now).total_seconds() / whole, 0.0), 1.0), 2)

    def truck(each: CutoffForecast) -> Truck:
        done, leaves = place(each.done_at), place(each.cutoff_at)
        spare_min = int(each.spare_s // 60)
        bad = bool(each.late or each.missed)
        tone = "bad" if bad else "warn" if spare_min < TIGHT_MIN else "good"
        return Truck(
            cutoff=each, tone=tone, done=max(done, 0.6), spare_min=spare_min,
            leaves=leaves if each.cutoff_at <= until else None,
            late=round(max(0.0, done - leaves), 2),
        )  # fmt: skip

    step = next((m for m in TICKS_MIN if whole / 60 / m <= TICKS), TICKS_MIN[-1])
    local = now.astimezone(zone)
    first = local.replace(hour=0, minute=0, second=0, microsecond=0)
    count = int((local - first).total_seconds() // 60 // step) + 1
    ticks = [first + timedelta(minutes=step * n) for n in range(count, count + 2 * TICKS)]
    return Trucks(
        ticks=tuple((place(at), f"{at:%H:%M}") for at in ticks if 2 < place(at) < 97),
        trucks=tuple(truck(each) for each in forecast.cutoffs),
    )


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A tour drawn: its path and where it starts and turns."""

    tour_id: int
    colour: int
    path: str
    stops: tuple[tuple[float, float, int], ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A floor plan ready to draw: one path for each kind of thing, so 2,000 bins stay small."""

    view: str
    lanes: tuple[tuple[float, float, float, bool, str], ...]
    idle: str
    open: str
    done: str
    stations: tuple[tuple[float, float, str], ...]
    routes: tuple[Route, ...]


def draw_plan(
    lanes: Sequence[MapAisle],
    crosses: Sequence[int],
    spots: Sequence[MapBin],
    tours: Mapping[int, Sequence[int]],
) -> Plan:
    """The layout with bins by state of their picks, and the given tours (bin ids in order)."""
    racks = [spot for spot in spots if spot.aisle]
    stations = [spot for spot in spots if not spot.aisle]
    xs = [spot.x_mm for spot in spots] + [lane.x_mm for lane in lanes] or [0]
    ys = [spot.y_mm for spot in spots] + list(crosses) or [0]
    ys += [y for lane in lanes for y in (lane.y_from_mm, lane.y_to_mm)]
    left, right = min(xs) / 1000 - MARGIN_M, max(xs) / 1000 + MARGIN_M
    low, high = min(ys) / 1000 - MARGIN_M, max(ys) / 1000 + MARGIN_M

    def flip(y_mm: int) -> float:
        return round(high + low - y_mm / 1000, 2)

    def squares(chosen: Iterable[MapBin]) -> str:
        half = BIN_M / 2
        return "".join(
            f"M{spot.x_mm / 1000 - half:.4g} {flip(spot.y_mm) - half:.4g}h{BIN_M}v{BIN_M}h-{BIN_M}z"
            for spot in chosen
        )

    at = {spot.id: spot for spot in spots}
    routes = tuple(
        _route(number, tour_id, [at[i] for i in bins if i in at], crosses, flip)
        for number, (tour_id, bins) in enumerate(tours.items())
    )
    return Plan(
        view=f"{left:.2f} {low:.2f} {right - left:.2f} {high - low:.2f}",
        lanes=tuple(
            (lane.x_mm / 1000, flip(lane.y_from_mm), flip(lane.y_to_mm), lane.blocked, lane.code)
            for lane in lanes
        ),
        idle=squares(spot for spot in racks if not spot.open and not spot.done),
        open=squares(spot for spot in racks if spot.open),
        done=squares(spot for spot in racks if spot.done and not spot.open),
        stations=tuple((spot.x_mm / 1000, flip(spot.y_mm), spot.code) for spot in stations),
        routes=routes,
    )


def _route(
    number: int,
    tour_id: int,
    stops: Sequence[MapBin],
    crosses: Sequence[int],
    flip: Callable[[int], float],
) -> Route:
    """Along the aisles: up or down to the cross aisle that is least out of the way."""
    if not stops:
        return Route(tour_id=tour_id, colour=number % ROUTE_COLOURS, path="", stops=())
    first = stops[0]
    path = [f"M{first.x_mm / 1000:.4g} {flip(first.y_mm):.4g}"]
    for here, there in pairwise(stops):
        if here.x_mm != there.x_mm:
            over = min(
                crosses or [here.y_mm],
                key=lambda y: abs(y - here.y_mm) + abs(y - there.y_mm),
            )
            path.append(f"V{flip(over):.4g}H{there.x_mm / 1000:.4g}")
        path.append(f"V{flip(there.y_mm):.4g}")
    marks: dict[tuple[float, float], int] = {}
    for stop in stops:
        marks.setdefault((stop.x_mm / 1000, flip(stop.y_mm)), len(marks) + 1)
    return Route(
        tour_id=tour_id,
        colour=number % ROUTE_COLOURS,
        path="".join(path),
        stops=tuple((x, y, n) for (x, y), n in marks.items()),
    )
