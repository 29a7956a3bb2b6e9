from tests.events.conftest import Bed
from tests.events.receiver import Receiver
from wms.events.rules import Tuning
from wms.events.worker import drain


async def test_an_event_reaches_a_verified_receiver(bed: Bed, receiver: Receiver, quick: Tuning):
    await bed.subscribe(receiver)
    await bed.tell("A", "B", "A")
    assert await drain(bed.db, bed.settings, quick, 10)
    assert receiver.unverified == 0
    for got in receiver.got: print(got.body, got.headers)
    assert [got.body["type"] for got in receiver.got].count("order.updated") == 3
