"""The catalogue, the envelope, signatures, filters and addresses: everything pure."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tests.events.conftest import stamp
from wms.errors import Refused
from wms.events.blocks import Block, merkle_path, merkle_root
from wms.events.catalog import TYPES
from wms.events.catalog import TestPing as Ping
from wms.events.egress import BadNetwork, BadUrl, BlockedAddress, Egress, read_networks, read_url
from wms.events.envelope import LogRow, Site, public_id, read_id, render
from wms.events.keys import ED25519, SealedSecret, Vault, new_secret
from wms.events.new_endpoint import NewEndpoint, as_row
from wms.events.outbox import outbox_row
from wms.events.subscription import BadPattern, BadPredicate, Subscription, expand_types
from wms.settings import Settings

AT = datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
ROW = LogRow(
    pos=42, event_id=UUID("018f5d2c-0000-7000-8000-00000000002a"), lane=1, type="order.shipped",
    okey="order/ACME/1", keyseq=7, subject="order/ACME/1", owner="ACME", occurred_at=AT,
    recorded_at=AT, actor="user:PIA", correlation_id="c1", causation_id="k1",
    data='{"order":{"id":"1","status":"shipped"},"n":5}',
)  # fmt: skip


# ---- catalogue -----------------------------------------------------------------------------------


def test_a_type_that_is_not_in_the_catalogue_cannot_be_written():
    with pytest.raises(AssertionError, match="catalog"):
        outbox_row(stamp(1), "order.exploded", "order/1", {})
    with pytest.raises(AssertionError, match="catalog"):
        outbox_row(stamp(1), "order.shipped", "order/1", Ping())


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_named_documented_and_describable(name: str):
    kind = TYPES[name]
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.")
    assert name.count(".") == 1
    assert kind.text.endswith(".")
    assert kind.volume in ("scan", "line", "document", "rare")
    schema = msgspec.json.schema(kind.struct)
    assert schema["$defs"] or schema["properties"]


# ---- envelope ------------------------------------------------------------------------------------


def test_the_body_is_a_cloudevent_with_the_published_fields():
    body = json.loads(render(ROW, Site("W1", "http://here")))
    assert body == {
        "specversion": "1.0",
        "id": "evt_018f5d2c00007000800000000000002a",
        "type": "order.shipped",
        "source": "/wms/main/W1",
        "subject": "order/ACME/1",
        "time": "2026-03-02T08:00:00.000005Z",
        "timestamp": "2026-03-02T08:00:00.000005Z",
        "recordedtime": "2026-03-02T08:00:00.000005Z",
        "sequence": "00000000000000000042",
        "partitionkey": "order/ACME/1",
        "keyseq": "7",
        "correlationid": "c1",
        "causationid": "k1",
        "datacontenttype": "application/json",
        "dataschema": "http://here/v1/event-schemas/order.shipped/1.json",
        "tenant": "main",
        "site": "W1",
        "owner": "ACME",
        "actor": "user:PIA",
        "data": {"order": {"id": "1", "status": "shipped"}, "n": 5},
    }
    attributes = body.keys() - {"data"}
    assert all(name.isalnum() and name.islower() for name in attributes)


def test_the_same_row_gives_the_same_bytes_and_its_id_has_no_dot():
    site = Site("W1")
    assert render(ROW, site) == render(msgspec.structs.replace(ROW), site)
    assert "." not in public_id(ROW.event_id)
    assert read_id(public_id(ROW.event_id)) == ROW.event_id


# ---- signatures ----------------------------------------------------------------------------------


@given(body=st.text(max_size=200))
def test_the_official_library_accepts_our_signature_in_each_place_of_the_header(body: str):
    secret, shown, _ = new_secret()
    now = datetime.now(UTC)
    at = int(now.timestamp())
    text = json.dumps({"text": body})
    mine = secret.sign("evt_1", at, text.encode())
    other = f"v1,{base64.b64encode(b'x' * 32).decode()}"
    assert Webhook(shown).sign("evt_1", now, text) == mine
    for signatures in ([mine], [mine, other], [other, mine]):
        headers = {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(signatures),
        }
        assert Webhook(shown).verify(text, headers) == {"text": body}


def test_the_public_key_verifies_an_ed25519_signature():
    secret, shown, _ = new_secret(ED25519)
    assert shown.startswith("whpk_")
    version, made = secret.sign("evt_1", 5, b"body").split(",")
    assert version == "v1a"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown.removeprefix("whpk_")))
    public.verify(base64.b64decode(made), b"evt_1.5.body")


def test_secrets_at_rest_open_only_with_the_installations_key(tmp_path: Path):
    secret, _, _ = new_secret()
    here, there = tmp_path / "a", tmp_path / "b"
    sealed = Vault(Settings(data_dir=here)).seal(secret)
    assert secret.key not in sealed
    row = SealedSecret(endpoint_id=1, kid=secret.kid, alg="v1", sealed=sealed, active_from=AT)
    assert Vault(Settings(data_dir=here)).open(row) == secret
    assert (here / "secret.key").stat().st_mode & 0o077 == 0
    with pytest.raises(Refused):
        Vault(Settings(data_dir=there)).open(row)


# ---- filters -------------------------------------------------------------------------------------


def wants(row: LogRow = ROW, **choice: object) -> bool:
    new = msgspec.convert({"code": "erp", "url": "https://x", **choice}, NewEndpoint)
    return Subscription(as_row(1, new)).wants(row)


def test_type_patterns_are_all_a_family_or_one_name():
    assert expand_types(["*"]) is None
    assert "order.shipped" in (expand_types(["order.*"]) or ())
    assert expand_types(["order.shipped"]) == {"order.shipped"}
    for pattern in ("order", "order.no", "no.*", "*.shipped", "order.ship*"):
        with pytest.raises(BadPattern):
            expand_types([pattern])


def test_an_endpoint_that_hears_one_owner_hears_nothing_of_nobody():
    assert wants(owners=["ACME"])
    assert not wants(owners=["BREW"])
    assert not wants(msgspec.structs.replace(ROW, owner=""), owners=["ACME"])


def test_a_ping_is_for_one_ear_and_no_dead_letter_tells_of_itself():
    ping = msgspec.structs.replace(ROW, type="test.ping", subject="endpoint/erp", owner="")
    assert wants(ping, owners=["ACME"])
    assert not wants(msgspec.structs.replace(ping, subject="endpoint/tms"))
    dead = msgspec.structs.replace(ping, type="delivery.exhausted")
    assert not wants(dead)
    assert wants(msgspec.structs.replace(dead, subject="endpoint/tms"))


@pytest.mark.parametrize(
    ("tree", "answer"),
    [
        ({"field": "owner", "eq": "ACME"}, True),
        ({"field": "owner", "in": ["BREW"]}, False),
        ({"field": "subject", "prefix": "order/ACME/"}, True),
        ({"field": "keyseq", "min": 7}, True),
        ({"field": "keyseq", "max": 6}, False),
        ({"field": "data.order.status", "eq": "shipped"}, True),
        ({"field": "data.order.carrier.scac", "exists": False}, True),
        ({"field": "data.order", "min": 3}, False),
        ({"not": {"field": "owner", "eq": "ACME"}}, False),
        ({"and": [{"field": "data.n", "min": 1}, {"field": "data.n", "max": 9}]}, True),
        ({"or": [{"field": "data.n", "eq": 1}, {"field": "data.n", "eq": 5}]}, True),
    ],
)
def test_predicates(tree: dict, answer: bool):
    assert wants(predicate=tree) is answer


@pytest.mark.parametrize(
    "tree",
    [
        {"field": "nonsense", "eq": 1},
        {"field": "owner"},
        {"field": "owner", "eq": 1, "in": [1]},
        {"field": "owner", "matches": ".*"},
        {"and": []},
        {"and": [{"field": "owner", "eq": 1}], "or": []},
        {"field": "owner", "in": "ACME"},
    ],
)
def test_a_wrong_predicate_is_refused_when_it_is_made(tree: dict):
    with pytest.raises(BadPredicate):
        wants(predicate=tree)


# ---- addresses -----------------------------------------------------------------------------------

INSIDE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::1",
    "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1",
    "2001:0:a00::1", "::", "fe80::1%eth0", "2001:db8::1",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_public_are_refused(address: str):
    assert Egress().judge(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "93.184.216.34"])
def test_public_addresses_are_called_over_https_on_its_ports_only(address: str):
    egress = Egress()
    egress.check_socket(address, read_url("https://example.com/x", egress))
    for url in ("https://example.com:22/", "https://example.com:8080/"):
        with pytest.raises(BlockedAddress):
            egress.check_socket(address, read_url(url, egress))
    allowed = Egress(read_networks("10.0.0.0/8"))
    with pytest.raises(BlockedAddress):
        allowed.check_socket(address, read_url("http://example.com/", allowed))


def test_an_allowed_network_takes_plain_http_and_any_port():
    egress = Egress(read_networks("10.0.0.0/8, ::1/128"))
    target = read_url("http://erp.internal:8069/hook", egress)
    egress.check_socket("10.4.5.6", target)
    egress.check_socket("::ffff:10.4.5.6", target)
    with pytest.raises(BlockedAddress):
        egress.check_socket("192.168.0.1", target)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:pw@example.com/",
        "https://example.com/#x",
        "https:///x",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://example.com:99999/",
        "https://exa mple\u2024.com:x/",
        "not a url",
    ],
)
def test_urls_that_cannot_be_endpoints(url: str):
    with pytest.raises(BadUrl):
        read_url(url, Egress())


def test_a_wrong_network_is_named():
    with pytest.raises(BadNetwork, match="is not a network"):
        read_networks("10.0.0.0/33")


# ---- blocks --------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_one_leaf_is_proved_by_its_path(leaves: list[bytes], data: st.DataObject):
    index = data.draw(st.integers(0, len(leaves) - 1))
    node = leaves[index]
    for side, mate in merkle_path(leaves, index):
        pair = mate + node if side == "left" else node + mate
        node = sha256(b"\x01" + pair).digest()
    assert node == merkle_root(leaves)


def test_a_blocks_hash_covers_the_one_before():
    block = Block(warehouse_id=1, block_no=1, from_pos=1, to_pos=2, root=b"r", prev_hash=b"")
    assert block.hash != msgspec.structs.replace(block, prev_hash=b"x").hash
