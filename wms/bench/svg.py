"""A small SVG writer for the pictures of the planners. Units: pixels, y down."""

import math
from collections.abc import Sequence
from html import escape

INK, FAINT, PALE = "#1f2933", "#9aa5b1", "#e4e7eb"
BLUE, ORANGE, GREEN = "#1f6feb", "#d9480f", "#2f9e44"
SHADES = (
    "#a5d8ff", "#b2f2bb", "#ffec99", "#ffc9c9", "#d0bfff", "#99e9f2", "#ffd8a8", "#eebefa",
)  # fmt: skip

Point = tuple[float, float]


class Picture:
    """Shapes in the order in which they are drawn."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []
        self.rect(0, 0, width, height, "#ffffff")
        self.text(24, 34, title, size=20, bold=True)

    def rect(
        self, x: float, y: float, wide: float, high: float, fill: str, line: str = "none"
    ) -> None:
        """A filled box."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
            f' fill="{fill}" stroke="{line}"/>'
        )

    def line(
        self, points: Sequence[Point], colour: str, wide: float = 1.5, dash: str = ""
    ) -> None:
        """A line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{wide}"'
            f' stroke-linejoin="round"{dashed}/>'
        )

    def dot(self, x: float, y: float, radius: float, fill: str, line: str = "none") -> None:
        """A filled circle."""
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{line}"/>'
        )

    def arrow(self, a: Point, b: Point, colour: str) -> None:
        """A small head in the middle of a leg, pointing from a to b."""
        far = math.dist(a, b)
        if far < 24:
            return
        ux, uy = (b[0] - a[0]) / far, (b[1] - a[1]) / far
        x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        corners = [(x + 6 * ux, y + 6 * uy), (x - 4 * ux - 4 * uy, y - 4 * uy + 4 * ux),
                   (x - 4 * ux + 4 * uy, y - 4 * uy - 4 * ux)]  # fmt: skip
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in corners)
        self.parts.append(f'<polygon points="{path}" fill="{colour}"/>')

    def text(
        self, x: float, y: float, words: str, size: int = 13, colour: str = INK,
        at: str = "start", bold: bool = False,
    ) -> None:  # fmt: skip
        """Words; `at` start, middle or end is where x is."""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
            f' text-anchor="{at}"{weight}>{escape(words)}</text>'
        )

    def done(self) -> str:
        """The file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img"'
            f' font-family="system-ui, sans-serif"><title>{escape(self.title)}</title>'
        )
        return "\n".join([head, *self.parts, "</svg>\n"])


class Chart:
    """A panel with axes; a log axis takes positive values only."""

    def __init__(
        self, picture: Picture, box: tuple[float, float, float, float],
        x: tuple[float, float], y: tuple[float, float], *, log_x: bool = False, log_y: bool = False,
    ) -> None:  # fmt: skip
        self.picture, self.box, self.x, self.y = picture, box, x, y
        self.log_x, self.log_y = log_x, log_y

    def at(self, x: float, y: float) -> Point:
        """Where values lie in the picture."""
        left, top, wide, high = self.box
        along = _share(x, self.x, log=self.log_x)
        up = _share(y, self.y, log=self.log_y)
        return left + wide * along, top + high * (1 - up)

    def axes(
        self, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]],
        name_x: str, name_y: str,
    ) -> None:  # fmt: skip
        """Ticks with their words, and what the axes mean."""
        left, top, wide, high = self.box
        for value, words in ys:
            _, y = self.at(self.x[0], value)
            self.picture.line([(left, y), (left + wide, y)], PALE, 1)
            self.picture.text(left - 8, y + 4, words, 12, at="end")
        for value, words in xs:
            x, _ = self.at(value, self.y[0])
            self.picture.line([(x, top + high), (x, top + high + 5)], FAINT, 1)
            self.picture.text(x, top + high + 20, words, 12, at="middle")
        self.picture.line([(left, top), (left, top + high), (left + wide, top + high)], FAINT, 1)
        self.picture.text(left + wide / 2, top + high + 42, name_x, 13, at="middle")
        self.picture.text(left, top - 14, name_y, 13)

    def curve(self, points: Sequence[Point], colour: str, *, dots: bool = False) -> None:
        """A line through values."""
        places = [self.at(x, y) for x, y in points]
        self.picture.line(places, colour, 2.5)
        for x, y in places if dots else ():
            self.picture.dot(x, y, 4, colour)


def _share(value: float, ends: Point, *, log: bool) -> float:
    low, high = (math.log(end) for end in ends) if log else ends
    return ((math.log(value) if log else value) - low) / (high - low)
