"""Files of orders and deliveries: checked without effect, whole or in part, once, read again."""

import msgspec
import pytest
from httpx import AsyncClient
from litestar import Litestar

from tests.api.partners import partner
from tests.world import World, scalar

PATH = "/v1/warehouses/W1/files"
ORDERS = """owner,external_id,carrier,priority,ship_to.city,lines.line_no,lines.sku,lines.qty
ACME,SO-1,PARCEL,5,Kiel,1,MUG,3
ACME,SO-1,PARCEL,5,Kiel,2,LAMP,1
ACME,SO-2,FREIGHT,,Bonn,1,TENT,2
"""
BAD = ORDERS + "ACME,SO-3,PARCEL,,Ulm,1,NOTHING,2\nACME,SO-4,PARCEL,,Ulm,1,MUG,many\n"
CSV = {"Content-Type": "text/csv"}
MAPPING = {
    "kind": "asns", "delimiter": ";", "control": "Nr", "timezone": "Europe/Berlin",
    "columns": {"Lieferung": "external_id", "Ankunft": "expected_at", "Artikel": "lines.sku",
                "Pos": "lines.line_no", "Menge": "lines.qty"},
    "constants": {"owner": "ACME"},
    "formats": {"expected_at": "%d.%m.%Y %H:%M", "lines.qty": ","},
}  # fmt: skip
LIEFERUNG = """Nr;Lieferung;Ankunft;Pos;Artikel;Menge;Notiz
17;LS-9;02.03.2026 14:30;1;MUG;1.200,00;zerbrechlich
17;LS-9;02.03.2026 14:30;2;"LAMP";5;"zwei
Zeilen"
"""


async def orders_known(world: World) -> int:
    return await scalar(world, "SELECT count(*) FROM outbound_order")


async def test_a_dry_run_tells_what_would_happen_and_does_nothing(
    erp: AsyncClient, world: World
) -> None:
    answer = await erp.post(f"{PATH}?kind=orders&dry_run=true&name=day.csv", content=BAD)
    card = answer.json()
    assert (answer.status_code, card["state"], card["name"]) == (201, "checked", "day.csv")
    report = card["report"]
    assert report["outcomes"] == {"created": 2, "rejected": 2}
    errors = {each["lines"][0]: each["errors"][0] for each in report["errors"]}
    assert errors[5]["code"] == "unknown-item"
    assert (errors[6]["path"], errors[6]["value"]) == ("/lines/0/qty", "many")
    assert await orders_known(world) == 0
    assert await scalar(world, "SELECT count(*) FROM outbox") == 0


async def test_an_atomic_file_goes_in_whole_or_not_at_all_and_once(
    erp: AsyncClient, world: World
) -> None:
    failed = (await erp.post(f"{PATH}?kind=orders", content=BAD)).json()
    assert (failed["state"], failed["report"]["bad"], await orders_known(world)) == ("failed", 2, 0)
    done = await erp.post(f"{PATH}?kind=orders", content=ORDERS)
    assert (done.status_code, done.json()["state"], await orders_known(world)) == (201, "done", 2)
    assert await scalar(world, "SELECT count(*) FROM order_line") == 3
    again = await erp.post(f"{PATH}?kind=orders", content=ORDERS)
    assert (again.status_code, again.json()["outcome"], again.json()["id"]) == (
        200, "exists", done.json()["id"],
    )  # fmt: skip
    stored = await erp.get(f"{PATH}/{done.json()['id']}/content")
    assert stored.content == ORDERS.encode()


async def test_in_part_good_documents_go_in_and_bad_ones_stand_in_the_error_file(
    erp: AsyncClient, world: World
) -> None:
    card = (await erp.post(f"{PATH}?kind=orders&mode=partial", content=BAD)).json()
    assert (card["state"], card["report"]["good"], await orders_known(world)) == ("partial", 2, 2)
    errors = (await erp.get(f"{PATH}/{card['id']}/errors")).text.splitlines()
    told = [msgspec.json.decode(each) for each in errors]
    assert sorted(each["value"]["external_id"] for each in told) == ["SO-3", "SO-4"]
    listed = (await erp.get(f"{PATH}?state=partial")).json()["files"]
    assert [each["id"] for each in listed] == [card["id"]]


async def test_a_mapping_reads_a_partners_own_columns_dates_and_numbers(
    erp: AsyncClient, world: World
) -> None:
    made = await erp.put("/v1/file-mappings/lieferschein", json=MAPPING)
    assert (made.status_code, made.json()["version"]) == (201, 1)
    answer = await erp.post(f"{PATH}?kind=asns&mapping=lieferschein", content=LIEFERUNG)
    card = answer.json()
    assert (card["state"], card["control_no"]) == ("done", "17")
    assert card["report"]["unused_columns"] == ["Notiz"]
    asn = (await erp.get("/v1/warehouses/W1/asns/ACME/LS-9")).json()
    assert asn["expected_at"].startswith("2026-03-02T13:30:00")
    assert [(each["sku"], each["qty"]) for each in asn["lines"]] == [("MUG", 1200), ("LAMP", 5)]
    same = await erp.post(
        f"{PATH}?kind=asns&mapping=lieferschein", content=LIEFERUNG.replace("LS-9", "LS-10")
    )
    assert same.json()["state"] == "failed"
    assert "17 came before" in same.json()["report"]["detail"]


async def test_a_failed_file_is_read_again_after_its_mapping_changed(
    erp: AsyncClient, world: World
) -> None:
    wrong = MAPPING | {"delimiter": ","}
    await erp.put("/v1/file-mappings/l", json=wrong)
    card = (await erp.post(f"{PATH}?kind=asns&mapping=l", content=LIEFERUNG)).json()
    assert card["state"] == "failed"
    changed = await erp.put("/v1/file-mappings/l", json=MAPPING)
    assert (changed.json()["outcome"], changed.json()["version"]) == ("updated", 2)
    again = await erp.post(f"{PATH}/{card['id']}/retry")
    assert (again.status_code, again.json()["state"], again.json()["tries"]) == (200, "done", 2)
    refused = await erp.post(f"{PATH}/{card['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "NothingToRetry")


async def test_lines_of_json_go_in_like_requests(erp: AsyncClient, world: World) -> None:
    order = {"owner": "ACME", "external_id": "SO-7", "carrier": "PARCEL",
             "lines": [{"line_no": "1", "sku": "MUG", "qty": 1}]}  # fmt: skip
    body = msgspec.json.encode(order) + b"\n\nnot json\n"
    card = (await erp.post(f"{PATH}?kind=orders&mode=partial", content=body)).json()
    assert (card["state"], card["report"]["errors"][0]["lines"]) == ("partial", [3])
    assert await orders_known(world) == 1


async def test_items_go_in_with_their_pack_levels(erp: AsyncClient, world: World) -> None:
    text = (
        "owner,sku,description,lot_tracked,levels.level,levels.base_qty,levels.length_mm,"
        "levels.width_mm,levels.height_mm,levels.weight_g,levels.barcodes\n"
        "ACME,CUP,Tin cup,no,each,1,80,80,90,120,CUP-1 CUP-2\n"
        "ACME,CUP,,,case,12,320,240,200,1500,\n"
        "ACME,JUG,Jug,no,each,many,80,80,90,120,\n"
    )
    card = (await erp.post(f"{PATH}?kind=items", content=text)).json()
    assert (card["mode"], card["state"]) == ("partial", "partial")
    assert card["report"]["outcomes"] == {"created": 1, "rejected": 1}
    item = "SELECT id FROM item WHERE sku = 'CUP'"
    assert await scalar(world, f"SELECT count(*) FROM pack_level WHERE item_id = ({item})") == 2
    assert await scalar(world, f"SELECT count(*) FROM barcode WHERE item_id = ({item})") == 2


async def test_a_partner_sees_and_touches_its_own_only(
    app: Litestar, erp: AsyncClient, world: World
) -> None:
    card = (await erp.post(f"{PATH}?kind=orders", content=ORDERS)).json()
    async with partner(app, world, "BREWER", owners=["BREW"]) as brew:
        for path in ("", "/content", "/errors"):
            assert (await brew.get(f"{PATH}/{card['id']}{path}")).status_code == 404
        other = ORDERS.replace("SO-", "SX-")
        mine = (await brew.post(f"{PATH}?kind=orders&mode=partial", content=other)).json()
        assert (mine["state"], mine["report"]["outcomes"]) == ("failed", {"rejected": 2})


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "empty"), (b"\xff\xfe1", "name its encoding in a mapping"), (b"owner\n\x00\n", "NUL"),
        (b'owner,carrier\n"a,b\n', "line"), (b"owner\n" + b"x\n" * 10_001, "10000"),
        (b"ACME,SO-1,PARCEL\n", "names no column that is known (ACME, SO-1, PARCEL)"),
        (b'[{"owner": "ACME"}]', "a document in each line"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_says_why(
    erp: AsyncClient, content: bytes, detail: str
) -> None:
    answer = await erp.post(f"{PATH}?kind=orders", content=content)
    assert (answer.status_code, answer.json()["state"]) == (201, "failed")
    assert detail in answer.json()["report"]["detail"]


@pytest.mark.parametrize(
    "query", ["kind=orders%00", "kind=orders&mode=x", "kind=orders&dry_run=maybe"],
)
async def test_a_request_that_can_never_be_right_is_refused(erp: AsyncClient, query: str) -> None:
    assert (await erp.post(f"{PATH}?{query}", content=ORDERS)).status_code in (400, 404)


@pytest.mark.parametrize(
    ("query", "why", "anew"),
    [
        ("kind=pallets", "no files of kind pallets", {"kind": "orders"}),
        ("", "no files of kind ", {"kind": "orders"}),
        ("kind=orders&mapping=later", "no mapping later for orders", {}),
    ],
)
async def test_a_file_of_an_unknown_kind_or_mapping_is_stored_and_read_when_it_is_known(
    erp: AsyncClient, world: World, query: str, why: str, anew: dict[str, str]
) -> None:
    url = "/v1/warehouses/W1/exceptions?code=file_failed"
    for code in (201, 201):  # sent again, it is the same file
        answer = await erp.post(f"{PATH}?{query}", content=ORDERS)
        assert (answer.status_code, answer.json()["state"]) == (code, "failed")
    card = answer.json()
    assert why in card["report"]["detail"]
    (found,) = (await erp.get(url)).json()["exceptions"]
    assert (found["team"], found["screen"]) == ("integration", f"/office/files/{card['id']}")
    assert (await erp.get(f"{PATH}/{card['id']}/content")).text == ORDERS
    retry = f"{PATH}/{card['id']}/retry"
    assert (await erp.post(retry, json={})).status_code in (404, 400)
    columns = {each: each for each in ORDERS.splitlines()[0].split(",")}
    await erp.put("/v1/file-mappings/later", json={"kind": "orders", "columns": columns})
    done = (await erp.post(retry, json=anew)).json()
    assert (done["state"], done["kind"], await orders_known(world)) == ("done", "orders", 2)
    assert (await erp.get(url)).json()["exceptions"] == []


async def test_a_file_is_not_read_twice_under_two_kinds(erp: AsyncClient) -> None:
    card = (await erp.post(f"{PATH}?kind=nothing", content=ORDERS)).json()
    await erp.post(f"{PATH}?kind=orders", content=ORDERS)
    twice = await erp.post(f"{PATH}/{card['id']}/retry", json={"kind": "orders"})
    assert (twice.status_code, twice.json()["code"]) == (409, "CameBefore")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
async def test_without_a_mapping_the_first_line_shows_what_parts_the_cells(
    erp: AsyncClient, world: World, delimiter: str
) -> None:
    content = "\ufeff" + ORDERS.replace(",", delimiter)
    sent = await erp.post(f"{PATH}?kind=orders", content=content)
    assert sent.json()["state"] == "done", sent.text


async def test_a_file_that_did_not_go_in_is_somebodys_until_it_does(
    erp: AsyncClient, world: World
) -> None:
    url = "/v1/warehouses/W1/exceptions?code=file_failed"
    good = {"carrier": "PARCEL", "lines": [{"line_no": "1", "sku": "LATER", "qty": 1}]}
    line = msgspec.json.encode({"owner": "ACME", "external_id": "SO-7", **good})
    checked = await erp.post(f"{PATH}?kind=orders&dry_run=true", content=line)
    assert checked.json()["report"]["bad"] == 1
    assert (await erp.get(url)).json()["exceptions"] == []
    file = (await erp.post(f"{PATH}?kind=orders", content=line)).json()
    (found,) = (await erp.get(url)).json()["exceptions"]
    assert (found["subject"], found["facts"]["bad"]) == (f"file/{file['id']}", 1)
    await erp.put("/v1/owners/ACME/items/LATER", json={
        "description": "Later", "levels": [{"level": "each", "base_qty": 1}],
    })  # fmt: skip
    again = await erp.post(f"{PATH}/{file['id']}/retry")
    assert again.json()["state"] == "done", again.text
    assert (await erp.get(url)).json()["exceptions"] == []
