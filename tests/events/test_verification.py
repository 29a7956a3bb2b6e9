"""Before an endpoint hears anything: it proves that it wants to, and its address may be called."""

import msgspec
import pytest

from tests.events.conftest import Bed
from tests.events.receiver import Receiver
from wms.events.egress import BadUrl
from wms.events.endpoints import NotVerified
from wms.events.rules import Tuning
from wms.events.worker import drain


async def test_an_endpoint_that_does_not_echo_the_nonce_hears_nothing(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    receiver.nonce = "something else"
    with pytest.raises(NotVerified):
        await bed.subscribe(receiver)
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)
    assert receiver.requests == 1
    state = "SELECT state FROM endpoint WHERE code = :code"
    assert await bed.value(state, code=f"erp-{bed.site}") == "unverified"


async def test_the_handshake_of_cloudevents_proves_an_endpoint_too(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    receiver.nonce, receiver.allowed_origin = "something else", "wms"
    await bed.subscribe(receiver)
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)
    assert [got.key for got in receiver.got] == ["order/A"]


async def test_addresses_inside_are_refused_unless_the_operator_allows_them(
    bed: Bed, receiver: Receiver
):
    closed = msgspec.structs.replace(bed.settings, egress_allow="")
    with pytest.raises(BadUrl):
        await Bed(bed.db, closed, bed.warehouse_id, bed.site).subscribe(receiver)
