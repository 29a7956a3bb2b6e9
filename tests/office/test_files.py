"""The supervisor's page of files: checked, taken in, explained, read again after an edit."""

import html
import re

import httpx
import msgspec

from tests.world import World, scalar
from wms.files import mappings
from wms.files.drop import stamp_of
from wms.files.mapping import Mapping

BAD = """owner,external_id,carrier,lines.line_no,lines.sku,lines.qty
ACME,SO-1,PARCEL,1,MUG,3
ACME,SO-2,PARCEL,1,<b>NOTHING</b>,1
"""


async def send(office: httpx.AsyncClient, content: str, **form: str) -> str:
    """The page that answers an upload."""
    files = {"file": ("day.csv", content.encode(), "text/csv")}
    answer = await office.post("/office/files", data={"kind": "orders", **form}, files=files)
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_a_file_is_checked_then_taken_in_part_and_its_errors_are_shown(
    office: httpx.AsyncClient, world: World
) -> None:
    checked = (await office.get(await send(office, BAD, act="check"))).text
    assert "would be created" in checked
    assert "&lt;b&gt;NOTHING&lt;/b&gt;" in checked
    assert await scalar(world, "SELECT count(*) FROM outbound_order") == 0
    url = await send(office, BAD, act="take", mode="partial")
    assert await scalar(world, "SELECT count(*) FROM outbound_order") == 1
    errors = await office.get(f"{url}/errors")
    assert msgspec.json.decode(errors.text)["lines"] == [3]
    assert "attachment" in errors.headers["content-disposition"]
    assert (await office.get(f"{url}/content")).text == BAD
    listed = (await office.get("/office/files?state=partial")).text
    assert re.findall(r'href="(/office/files/\d+)"', listed) == [url]
    assert "came before" in (await office.get(await send(office, BAD, act="take"))).text


async def test_a_file_is_read_again_after_its_mapping_was_edited(
    office: httpx.AsyncClient, world: World
) -> None:
    content = "No|Art|Qty\nSO-9|MUG|4\n"
    wrong = Mapping(
        kind="orders", delimiter="|", columns={"No": "external_id", "Art": "lines.sku"},
        constants={"owner": "ACME", "carrier": "PARCEL", "lines.line_no": "1"},
    )  # fmt: skip
    async with world.db.transaction() as tx:
        await mappings.put(tx, stamp_of(world.warehouse_id, "test"), "", "shop", wrong)
    url = await send(office, content, act="take", mapping="shop")
    page = (await office.get(url)).text
    assert "/lines/0/qty" in page
    right = msgspec.structs.replace(wrong, columns={**wrong.columns, "Qty": "lines.qty"})
    refused = await office.post(f"{url}/mapping", data={"text": "{"})
    assert "not+JSON" in refused.headers["location"]
    await office.post(f"{url}/mapping", data={"text": msgspec.json.encode(right).decode()})
    assert await scalar(world, "SELECT state FROM inbound_file") == "done"
    assert await scalar(world, "SELECT ordered FROM order_line") == 4


async def test_a_mapping_that_was_missing_is_written_on_the_page_of_its_file(
    office: httpx.AsyncClient, world: World
) -> None:
    url = await send(office, BAD.replace("external_id", "Nr"), act="take", mapping="theirs")
    shown = html.unescape((await office.get(url)).text)
    assert "There is no mapping theirs for orders." in shown
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", shown, re.DOTALL)
    assert found is not None
    begun = msgspec.json.decode(found[1])
    assert (begun["kind"], begun["columns"]["Nr"], len(begun["columns"])) == ("orders", "", 6)
    columns = {each: "external_id" if each == "Nr" else each for each in begun["columns"]}
    text = msgspec.json.encode(begun | {"columns": columns, "mode": "partial"}).decode()
    await office.post(f"{url}/mapping", data={"text": text})
    assert "unknown-item" in (await office.get(url)).text


async def test_a_file_of_an_unknown_kind_is_read_as_what_a_person_says(
    office: httpx.AsyncClient, world: World
) -> None:
    url = await send(office, BAD.splitlines()[0] + "\nACME,SO-1,PARCEL,1,MUG,3", kind="odd",
                     act="take")  # fmt: skip
    assert "There are no files of kind odd" in (await office.get(url)).text
    await office.post(f"{url}/retry", data={"kind": "orders", "mapping": ""})
    assert await scalar(world, "SELECT state FROM inbound_file") == "done"
