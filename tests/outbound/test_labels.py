"""The shipping label: bars that read back as what was asked, and a drawing that stays inside."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.barcodes import sscc
from wms.outbound import labels
from wms.outbound.labels import Bars, CartonLabel, Text, code128, label_svg, layout

CARTON = CartonLabel(
    sscc=sscc("9521234", 77), tracking_no="PARCEL-0000000077", carrier="Parcel & Co",
    service="standard", order_no="ORD-<1>", owner="ACME", ship_from="Warehouse W1",
    ship_to=("Jo Doe", "1 High Street", "12345 Town", "DE"), carton_type="M", weight_g=1234,
)  # fmt: skip


def decode(widths: tuple[int, ...]) -> tuple[str, list[int]]:
    """A plain Code 128 reader: start set and values, with the checksum verified."""
    text = "".join(str(width) for width in widths)
    assert text.endswith(labels._STOP)
    patterns = re.findall("[1-4]{6}", text[: -len(labels._STOP)])
    values = [labels._WIDTHS.index(pattern) for pattern in patterns]
    total = values[0] + sum(at * value for at, value in enumerate(values[:-1]))
    assert total % 103 == values[-1]
    return {104: "B", 105: "C"}[values[0]], values[1:-1]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_any_printable_text_reads_back(text: str) -> None:
    codes, values = decode(code128(text))
    if codes == "C":
        assert "".join(f"{value:02d}" for value in values) == text
    else:
        assert "".join(chr(value + 32) for value in values) == text


def test_every_pattern_is_eleven_modules_with_an_even_number_of_dark_ones() -> None:
    assert len(set(labels._WIDTHS)) == 106
    for pattern in labels._WIDTHS:
        widths = [int(width) for width in pattern]
        assert sum(widths) == 11
        assert sum(widths[::2]) % 2 == 0


def test_the_sscc_is_a_gs1_symbol_in_the_shortest_form() -> None:
    codes, values = decode(code128("00" + CARTON.sscc, gs1=True))
    assert (codes, values[0]) == ("C", 102)
    assert "".join(f"{value:02d}" for value in values[1:]) == "00" + CARTON.sscc
    # Start, FNC1, ten pairs, check, and a stop of 13 modules (GS1 General Specifications 5.4).
    assert sum(code128("00" + CARTON.sscc, gs1=True)) == 13 * 11 + 13


@pytest.mark.parametrize("text", ["", "Straße", "a\tb"])
def test_what_has_no_bars_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not printable ASCII"):
        code128(text)


def test_the_label_keeps_its_quiet_zones_and_its_edges() -> None:
    [bars] = [part for part in layout(CARTON) if isinstance(part, Bars)]
    quiet = labels.QUIET_MODULES * labels.MODULE_MM
    assert bars.x_mm >= quiet
    assert bars.x_mm + sum(bars.widths) * labels.MODULE_MM <= labels.WIDTH_MM - quiet
    assert bars.y_mm + bars.height_mm < labels.HEIGHT_MM
    assert all(part.size_mm >= 3 for part in layout(CARTON) if isinstance(part, Text))


def test_the_drawing_is_well_formed_and_says_what_a_person_needs() -> None:
    tree = ElementTree.fromstring(label_svg(CARTON))
    words = [part.text for part in tree.iter() if part.text]
    assert tree.attrib["width"] == "105.0mm"
    for word in ("Order ORD-<1>", f"(00) {CARTON.sscc}", "Jo Doe", "Parcel & Co", "M · 1.23 kg"):
        assert word in words
