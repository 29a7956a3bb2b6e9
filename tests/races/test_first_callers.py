"""What a process makes at its first use is made once, also when two are the first."""

import asyncio

from wms.db import Db


async def test_first_callers_share_one_hot_pool(database_url: str) -> None:
    db = Db(database_url)
    try:
        pools = await asyncio.gather(*[db.hot() for _ in range(5)])
        assert len({id(pool) for pool in pools}) == 1
    finally:
        await db.close()
