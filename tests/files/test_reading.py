"""Files as documents: what is written in our own columns reads back as it was, for any values."""

import csv
import io
from contextlib import suppress

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from wms.files.mapping import Mapping, check_mapping, read_cell
from wms.files.reading import Unreadable, read_file
from wms.outbound.order_documents import OrderDoc

MAPPING = Mapping(kind="orders")
KEYS = ("owner", "external_id")
names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, categories=["L", "N"]),
                min_size=1, max_size=8)  # fmt: skip
lines = st.lists(st.tuples(names, st.integers(1, 1_000_000)), min_size=1, max_size=4)
orders = st.dictionaries(names, lines, min_size=1, max_size=5)


@given(orders, st.sampled_from(";,\t|"))
@settings(max_examples=60, deadline=None)
def test_every_row_comes_back_in_its_document(known, delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["owner", "external_id", "lines.sku", "lines.qty"])
    for name, rows in known.items():
        writer.writerows([["ACME", name, sku, qty] for sku, qty in rows])
    mapping = msgspec.structs.replace(MAPPING, delimiter=delimiter)
    found = read_file(out.getvalue().encode(), mapping, OrderDoc, KEYS)
    assert {
        each.value["external_id"]: [(x["sku"], x["qty"]) for x in each.value["lines"]]
        for each in found.drafts
    } == known
    assert sum(len(each.lines) for each in found.drafts) == sum(map(len, known.values()))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for format in ("csv", "ndjson"):
        mapping = msgspec.structs.replace(MAPPING, format=format)
        with suppress(Unreadable):
            read_file(content, mapping, OrderDoc, KEYS)


def test_rows_that_contradict_each_other_are_one_bad_document() -> None:
    text = "owner,external_id,carrier,lines.sku\nA,1,X,s\nA,1,Y,t\nA,1,,u\n"
    (draft,) = read_file(text.encode(), MAPPING, OrderDoc, KEYS).drafts
    assert draft.lines == [2, 3, 4]
    assert [(each.path, each.value) for each in draft.errors] == [("/carrier", "Y")]


def test_numbers_are_read_as_the_partner_writes_them() -> None:
    for text, sign, wanted in (
        ("1.200,00", ",", 1200), ("1,200", ".", 1200), ("7", "", 7), ("-3", "", -3),
        ("1.5", ".", "1.5"), ("", "", ""), ("²", "", "²"), ("12x", "", "12x"),
    ):  # fmt: skip
        mapping = msgspec.structs.replace(MAPPING, formats={"lines.qty": sign})
        assert read_cell(mapping, "lines.qty", text, int) == wanted


def test_a_mapping_that_feeds_a_member_twice_or_knows_no_such_clock_is_told() -> None:
    mapping = Mapping(kind="orders", columns={"a": "owner", "b": "owner"}, timezone="Mars")
    assert {each.code for each in check_mapping(mapping)} == {"duplicate", "unknown-timezone"}
