"""The libraries of Standard Webhooks, CloudEvents and AsyncAPI for Node read what we publish.

They come from the npm registry by exact version and are kept in pytest's cache; without node, npm
or the registry these tests are left out.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from aiohttp import web

from tests.contract.conftest import Served
from tests.events.conftest import QUICK, Bed
from tests.partner.receivers import Receiver, listening
from web.api.asyncapi import asyncapi
from wms.events.worker import drain

PACKAGES = ("standardwebhooks@1.1.1", "cloudevents@10.0.0", "@asyncapi/specs@6.11.1")
READS = """
const { Webhook } = require("standardwebhooks");
const { HTTP } = require("cloudevents");
const { secret, deliveries } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const webhook = new Webhook(secret);
const verifies = (body, headers) => {
  try { webhook.verify(body, headers); return true; } catch (error) { return false; }
};
console.log(JSON.stringify(deliveries.map(({ headers, body }) => ({
  verified: verifies(body, headers),
  forged: verifies(body + " ", headers)
    || verifies(body, { ...headers, "webhook-id": "evt_other" })
    || verifies(body, { ...headers, "webhook-timestamp": String(Date.now() / 1000 - 3600 | 0) }),
  events: [HTTP.toEvent({ headers, body })].flat().map((event) => {
    event.validate();
    return [event.id, event.type, event.subject, event.time, event.partitionkey, event.data];
  }),
}))));
"""


class Recorder(Receiver):
    """Right, and keeps what came as it came."""

    batch_max = 100

    def __init__(self) -> None:
        super().__init__("")
        self.url = ""
        self.raw: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.raw.append({"headers": headers, "body": (await request.read()).decode()})
        return await super().answer(request)

    def sent(self) -> list[dict[str, Any]]:
        """Deliveries, without the question that came before them."""
        return [each for each in self.raw if "endpoint.verification" not in each["body"]]


@pytest.fixture(scope="module")
def libraries(request: pytest.FixtureRequest) -> Path:
    """A folder whose node_modules hold PACKAGES."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None or request.config.cache is None:
        pytest.skip("no node or npm here")
    name = "-".join(package.replace("@", "_").replace("/", "_") for package in PACKAGES)
    folder = request.config.cache.mkdir(name)
    if not (folder / "done").exists():
        ask = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit",
               "--no-fund", "--no-save", *PACKAGES]  # fmt: skip
        try:
            subprocess.run(ask, cwd=folder, capture_output=True, check=True, timeout=180)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"the packages are not to be had: {error}")
        (folder / "done").touch()
    return folder


@pytest.fixture
def read(libraries: Path) -> Callable[[Recorder], list[dict[str, Any]]]:
    """What the libraries make of the deliveries that a receiver got."""

    def run(recorder: Recorder) -> list[dict[str, Any]]:
        told = json.dumps({"secret": recorder.secret, "deliveries": recorder.sent()})
        done = subprocess.run(
            ["node", "-e", READS], cwd=libraries, input=told, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


async def test_real_deliveries_are_verified_and_read_as_cloudevents(
    served: Served, read: Callable[[Recorder], list[dict[str, Any]]]
) -> None:
    bed = Bed(served.world.db, served.settings, served.world.warehouse_id, "W1")
    keys = [f"Ærø-{number}" for number in range(12)]
    single, batch = Recorder(), Recorder()
    async with listening(single) as single.url, listening(batch) as batch.url:
        for receiver, mode in ((single, "ordered"), (batch, "batch")):
            subscribed: Any = receiver
            await bed.subscribe(subscribed, mode, media="cloudevents", mode=mode)
        await bed.tell(*keys)
        assert await drain(bed.db, bed.settings, QUICK)
    assert len(batch.sent()) < len(single.sent()) == len(keys)
    for receiver in (single, batch):
        found = read(receiver)
        assert all(each["verified"] and not each["forged"] for each in found)
        told = {event["id"]: event for each in receiver.sent() for event in listed(each["body"])}
        events = [event for each in found for event in each["events"]]
        assert sorted(event[2] for event in events) == sorted(f"order/{key}" for key in keys)
        for id, kind, subject, at, key, data in events:
            this = told[id]
            assert (kind, subject, key) == (this["type"], this["subject"], this["partitionkey"])
            assert (at[:23], data) == (this["time"][:23], this["data"])


def listed(body: str) -> list[dict[str, Any]]:
    """The events of a request, one or a batch."""
    read = json.loads(body)
    return read if isinstance(read, list) else [read]


def test_the_asyncapi_document_is_valid_by_its_own_schema(libraries: Path) -> None:
    document = msgspec.json.decode(msgspec.json.encode(asyncapi("1")))
    schema = f"node_modules/@asyncapi/specs/schemas/{document['asyncapi']}.json"
    valid = jsonschema_rs.validator_for(json.loads((libraries / schema).read_text()))
    assert [error.message for error in valid.iter_errors(document)] == []
    document["operations"]["deliver"]["action"] = "fling"
    assert not valid.is_valid(document)
