"""A dump that was restored into another cluster: its snapshot means nothing there."""

import sqlalchemy as sa

from tests.events.conftest import QUICK, Bed
from wms.events.worker import drain

# As docs/operations.md says.
BEGIN_ANEW = (
    "UPDATE seal_state SET snap = pg_current_snapshot()::text, snap_next = NULL, after_id = 0",
    "TRUNCATE outbox",
)


async def test_the_stream_goes_on_gapless_after_a_dump_was_restored(own_bed: Bed) -> None:
    await own_bed.tell("A", "B")
    assert await drain(own_bed.db, own_bed.settings, QUICK, 20)
    before = await own_bed.value("SELECT pos FROM seal_state")
    async with own_bed.db.transaction() as tx:  # the old cluster was far ahead in transaction ids
        await tx.execute(sa.text("UPDATE seal_state SET snap = '999999999:999999999:'"))
    async with own_bed.db.transaction() as tx:
        for statement in BEGIN_ANEW:
            await tx.execute(sa.text(statement))
    await own_bed.tell("A", "C")
    assert await drain(own_bed.db, own_bed.settings, QUICK, 20)
    assert await own_bed.value("SELECT pos FROM seal_state") == before + 2
    assert await own_bed.value("SELECT count(*) FROM event_log") == before + 2
    assert await own_bed.value("SELECT max(pos) FROM event_log") == before + 2
