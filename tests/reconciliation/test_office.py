"""The page that says what is unsettled, and since when."""

import httpx

from tests import world as w
from tests.office.conftest import browser, office
from tests.reconciliation.conftest import fill_log
from tests.world import World

__all__ = ["browser", "office"]
PAGE = "/office/reconciliation"


async def test_the_page_shows_an_empty_house_and_a_busy_one_under_the_strict_policy(
    office: httpx.AsyncClient, world: World
) -> None:
    empty = (await office.get(PAGE)).text
    assert "Nobody follows the log yet." in empty
    await fill_log(world, 12)
    await w.order(world, "SO-1", ("MUG", 3), state="released")  # its cutoff is months ago
    await w.asn(world, "D-1", ("MUG", 10))
    await w.stock(world, "MUG", "A-01-01", 4)
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("INSERT INTO endpoint (code, url, state, created_at)"
                                 " VALUES ('erp', 'http://erp.test', 'paused', now())")  # fmt: skip
        await tx.exec_driver_sql(
            "INSERT INTO delivery_cursor (warehouse_id, endpoint_id, lane, pos)"
            f" SELECT {world.warehouse_id}, id, 0, 5 FROM endpoint"
        )
    done = await office.post(f"{PAGE}/snapshots", follow_redirects=True)
    assert "Published at position 12." in done.text
    assert "erp</th><td>webhook</td>" in done.text
    assert '<td class="n">7 <span' in done.text
    assert "ACME SO-1" in done.text
    assert done.text.count('class="ages"') == 2
    assert "style=" not in done.text
    again = await office.post(f"{PAGE}/snapshots", follow_redirects=True)
    assert "Nothing moved since the last." in again.text
