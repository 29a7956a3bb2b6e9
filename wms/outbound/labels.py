"""The shipping label of a carton, drawn from one layout in millimetres.

A GS1 logistic label: data text large in the middle, the SSCC as GS1-128 alone in the lowest part
with its text, 32 mm high, quiet zones of ten modules (GS1 General Specifications 6.6). The bars
come from an own Code 128 encoder: one table and a checksum need no dependency, and a test reads
them back.
"""

import re
from html import escape

import msgspec

# ISO/IEC 15417 table 1: widths of bar, space, bar, space, bar, space for the values 0 to 105.
_WIDTHS = re.findall(
    "[1-4]{6}",
    """
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132
122231 113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212
322112 322211 212123 212321 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311
112133 112331 132131 113123 113321 133121 313121 211331 231131 213113 213311 213131 311123 311321
331121 312113 312311 332111 314111 221411 431111 111224 111422 121124 121421 141122 141221 112214
112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212
124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 114311 411113
411311 113141 114131 311141 411131 211412 211214 211232
    """,
)
_STOP = "2331112"
_START_B, _START_C, _FNC1 = 104, 105, 102

WIDTH_MM, HEIGHT_MM = 105.0, 148.0  # A6, the common format of carriers
MARGIN_MM = 5.0
MODULE_MM = 0.5  # inside 0.495 to 1.016 that GS1 asks for general distribution scanning
BAR_HEIGHT_MM = 32.0
QUIET_MODULES = 10


class CartonLabel(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed. `ship_to` are the address lines; `weight_g` 0 is not printed."""

    sscc: str
    tracking_no: str
    carrier: str
    service: str
    order_no: str
    owner: str
    ship_from: str
    ship_to: tuple[str, ...] = ()
    carton_type: str = ""
    weight_g: int = 0
    number: int = 1


class Text(msgspec.Struct, frozen=True):
    """A line of text; `y_mm` is its baseline, `size_mm` the height of the letters' box."""

    x_mm: float
    y_mm: float
    size_mm: float
    text: str
    bold: bool = False
    middle: bool = False


class Rule(msgspec.Struct, frozen=True):
    """A horizontal line across the label."""

    y_mm: float


class Bars(msgspec.Struct, frozen=True):
    """A Code 128 symbol: module widths beginning with a bar, its left upper corner and height."""

    x_mm: float
    y_mm: float
    height_mm: float
    widths: tuple[int, ...]


Element = Text | Rule | Bars


def code128(data: str, *, gs1: bool = False) -> tuple[int, ...]:
    """Module widths of a Code 128 symbol, bar and space in turn, without quiet zones.

    An even number of digits takes code set C, other printable ASCII set B; `gs1` sets FNC1 first.
    Raises ValueError on characters that neither set holds.
    """
    if not data or not all(" " <= letter <= "~" for letter in data):
        raise ValueError(f"not printable ASCII: {data!r}")
    if data.isdigit() and len(data) % 2 == 0:
        values = [_START_C]
        body = [int(data[at : at + 2]) for at in range(0, len(data), 2)]
    else:
        values = [_START_B]
        body = [ord(letter) - 32 for letter in data]
    values += [_FNC1, *body] if gs1 else body
    check = (values[0] + sum(at * value for at, value in enumerate(values))) % 103
    pattern = "".join(_WIDTHS[value] for value in [*values, check]) + _STOP
    return tuple(int(width) for width in pattern)


def layout(carton: CartonLabel) -> list[Element]:
    """The label as elements from top to bottom."""
    left, right = MARGIN_MM, WIDTH_MM / 2
    parts: list[Element] = [
        Text(left, 9, 3.2, f"From {carton.ship_from}"),
        Rule(12),
        *[Text(left, 19 + 6 * n, 5, x, bold=n == 0) for n, x in enumerate(carton.ship_to[:5])],
        Rule(50),
        Text(left, 58, 6, carton.carrier, bold=True),
        Text(right, 58, 5, carton.service),
        Text(left, 66, 3.2, f"Tracking {carton.tracking_no}"),
        Rule(70),
        Text(left, 77, 4, f"Order {carton.order_no}"),
        Text(right, 77, 4, f"Carton {carton.number}"),
        Text(left, 84, 3.2, f"Owner {carton.owner}"),
        Text(right, 84, 3.2, _box_words(carton)),
        Rule(89),
        Text(left, 95, 3.2, "SSCC"),
        Text(left, 101, 5, carton.sscc, bold=True),
    ]
    widths = code128(f"00{carton.sscc}", gs1=True)
    space = WIDTH_MM - sum(widths) * MODULE_MM
    parts.append(Bars(space / 2, 105, BAR_HEIGHT_MM, widths))
    parts.append(Text(WIDTH_MM / 2, 143, 4, f"(00) {carton.sscc}", middle=True))
    return parts


def _box_words(carton: CartonLabel) -> str:
    weight = f"{carton.weight_g / 1000:.2f} kg" if carton.weight_g else ""
    return " · ".join(word for word in (carton.carton_type, weight) if word)


def label_svg(carton: CartonLabel) -> str:
    """The label as an SVG document, sized in millimetres."""
    drawn = "".join(_draw(element) for element in layout(carton))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}" font-family="sans-serif" role="img" '
        f'aria-label="Shipping label {carton.sscc}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{drawn}</svg>'
    )


def _draw(element: Element) -> str:
    match element:
        case Text(x, y, size, text, bold, middle):
            look = ' font-weight="700"' * bold + ' text-anchor="middle"' * middle
            return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{look}>{escape(text)}</text>'
        case Rule(y):
            return (
                f'<path d="M{MARGIN_MM:g} {y:g}H{WIDTH_MM - MARGIN_MM:g}" stroke="#000" '
                'stroke-width=".3"/>'
            )
        case Bars(x, y, height, widths):
            path, at = [], x
            for n, width in enumerate(widths):
                if n % 2 == 0:
                    path.append(f"M{at:g} {y:g}h{width * MODULE_MM:g}v{height:g}"
                                f"h-{width * MODULE_MM:g}z")  # fmt: skip
                at += width * MODULE_MM
            return f'<path d="{"".join(path)}" fill="#000" shape-rendering="crispEdges"/>'
