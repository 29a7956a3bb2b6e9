"""Streams and files of the log over a real socket: resume, wake, bounds, an end that is clean."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa
import uvicorn
from litestar import Litestar

from tests.events.conftest import Bed, partner_of, tell
from tests.events.test_delivery import until, working
from tests.events.test_feed import sealed, url
from web.api import live
from wms.events import sealer
from wms.events.blocks import merkle_root
from wms.events.rules import Tuning
from wms.serve import Server


class Heard:
    """One stream, read message by message."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = 0
        self.ended = False

    async def next(self, n: int = 1) -> list[dict[str, Any]]:
        """The next events; comments and ids alone are taken in."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(10):
            while len(found) < n:
                line = await anext(self._lines)
                if line.startswith("id: "):
                    self.last_id = int(line[4:])
                elif line.startswith("data: "):
                    found.append(json.loads(line[6:]))
        return found

    async def end(self) -> None:
        """Until the server closes the stream in order."""
        async with asyncio.timeout(10):
            async for _ in self._lines:
                pass
        self.ended = True


@pytest_asyncio.fixture(loop_scope="session")
async def server(app: Litestar) -> AsyncIterator[Server]:
    """The events API on a port of its own."""
    made = Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    task = asyncio.create_task(made.serve())

    async def up() -> bool:
        return made.started

    await until(up)
    yield made
    made.should_exit = True
    await task


@pytest_asyncio.fixture(loop_scope="session")
async def caller(app: Litestar, bed: Bed, server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A partner with a real connection."""
    port = server.servers[0].sockets[0].getsockname()[1]
    async with await partner_of(app, bed, "erp") as key:
        headers = {"authorization": key.headers["authorization"]}
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=10) as client:
        yield client


@asynccontextmanager
async def following(
    caller: httpx.AsyncClient, bed: Bed, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Heard]:
    path = url(bed, "events/live")
    async with caller.stream("GET", path, params=query, headers=headers or {}) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Heard(answer)


async def test_a_stream_tells_what_is_sealed_and_goes_on_where_it_was_cut(
    bed: Bed, caller: httpx.AsyncClient, quick: Tuning
):
    await sealed(bed, "A", "B", "C")
    async with following(caller, bed, after=0) as heard:
        first = await heard.next(2)
        assert [each["partitionkey"] for each in first] == ["order/A", "order/B"]
        place = heard.last_id
    assert place == 2
    async with working(bed, quick), following(caller, bed, {"last-event-id": "2"}) as heard:
        assert [each["partitionkey"] for each in await heard.next()] == ["order/C"]
        await bed.tell("D")  # sealed while we listen
        (last,) = await heard.next()
        assert (last["partitionkey"], int(last["sequence"]), heard.last_id) == ("order/D", 4, 4)


async def test_a_stream_without_a_place_begins_now_and_filters(
    bed: Bed, caller: httpx.AsyncClient, quick: Tuning, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "BEAT_S", 0.05)
    await sealed(bed, "OLD")
    async with working(bed, quick), following(caller, bed, owner="NEW", types="order.*") as heard:
        await bed.tell("OTHER")
        async with bed.db.transaction() as tx:
            await tell(tx, bed.warehouse_id, "MINE", owner="NEW")
        assert [each["partitionkey"] for each in await heard.next()] == ["order/MINE"]
    async with following(caller, bed, types="load.*", after=0) as heard:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await heard.next()
        assert heard.last_id == 3  # nothing to tell, but it need not be read again


async def test_streams_are_bounded_and_end_cleanly_when_the_server_stops(
    bed: Bed, caller: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "EACH_MAX", 2)
    path = url(bed, "events/live")
    assert (await caller.get(path, params={"after": "x"})).status_code == 400
    assert (await caller.get(path, headers={"last-event-id": "-1"})).status_code == 400
    await sealed(bed, "A")
    assert (await caller.get(path, headers={"last-event-id": "2"})).status_code == 422
    async with following(caller, bed, after=0) as one, following(caller, bed, after=0) as two:
        await asyncio.gather(one.next(), two.next())
        third = await caller.get(path)
        assert (third.status_code, third.json()["code"]) == (429, "TooManyStreams")
        server.should_exit = True
        await asyncio.gather(one.end(), two.end())
    assert one.ended
    assert two.ended


async def test_a_stream_ends_when_its_key_is_revoked(
    bed: Bed, app: Litestar, caller: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "BEAT_S", 0.01)
    monkeypatch.setattr(live, "POLL_S", 0.01)
    await sealed(bed, "A")
    async with following(caller, bed, after=0) as heard:
        await heard.next()
        async with bed.db.transaction() as tx:
            await tx.execute(sa.text("UPDATE api_key SET revoked_at = now() WHERE client_id = "
                                     "(SELECT max(client_id) FROM api_key)"))  # fmt: skip
        app.state["sessions"].__init__()  # what the process remembers is forgotten
        await heard.end()


async def test_a_day_is_a_file_that_proves_itself_whole(
    bed: Bed, app: Litestar, caller: httpx.AsyncClient
):
    await bed.tell(*[f"K{n % 5}" for n in range(23)])
    async with bed.db.transaction() as tx:
        await tell(tx, bed.warehouse_id, "THEIRS", owner="OTHER")
        await sealer.seal(tx, bed.warehouse_id)
    async with bed.db.transaction() as tx:
        await sealer.seal(tx, bed.warehouse_id)
    await sealer.close_blocks(bed.db, bed.warehouse_id)
    day = str(datetime.now(UTC).date())
    path = url(bed, "events/export")
    query = {"day": day, "owner": "ACME"}
    async with caller.stream("GET", path, params=query) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        raw = b"".join([part async for part in answer.aiter_raw()])
    lines = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
    *logged, block, end = lines
    assert end["end"] == {"day": day, "from_pos": 1, "to_pos": 24, "events": 24, "blocks": 1}
    assert [line["pos"] for line in logged] == list(range(1, 25))
    assert ["event" in line for line in logged] == [True] * 23 + [False]
    assert logged[0]["event"]["owner"] == "ACME"
    root = merkle_root([bytes.fromhex(line["leaf"]) for line in logged])
    told = block["block"]
    assert root.hex() == told["root"]
    head = f"{bed.warehouse_id}:{told['block_no']}:{told['from_pos']}:{told['to_pos']}:".encode()
    chained = head + root + bytes.fromhex(told["prev_hash"])
    assert sha256(chained).hexdigest() == told["hash"]
    plain = await caller.get(path, params=query, headers={"accept-encoding": "identity"})
    assert plain.content == gzip.decompress(raw)
    empty = (await caller.get(path, params={"day": "2020-01-01"})).text.splitlines()
    assert [json.loads(line)["end"]["events"] for line in empty] == [0]
    for wrong in ("", "today", "2026-13-01", "0001-01-01"):
        assert (await caller.get(path, params={"day": wrong})).status_code == 400
