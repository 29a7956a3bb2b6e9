"""The pictures of the planners are drawn from plans, and are well-formed."""

from xml.etree import ElementTree as ET

from wms.bench import pictures

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawn: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(drawn).iter(f"{SVG}text")]


def test_the_tour_shows_every_stop_and_its_number():
    words = texts(pictures.draw_tour().done())
    assert {str(n) for n in range(1, 25)} <= set(words)
    assert "m (S-shape" in words[0]


def test_the_carton_shows_every_packing_step_once():
    words = texts(pictures.draw_carton().done())
    steps = sorted(int(word.split()[0]) for word in words if word.split()[0].isdigit())
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 10
