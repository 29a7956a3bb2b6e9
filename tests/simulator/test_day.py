"""A short day with a bad radio and a killed server: it ends, and nothing is lost or doubled."""

import asyncio
import signal
import socket
from pathlib import Path

import msgspec

from wms.load import demo_dir
from wms.settings import Settings
from wms.simulator.day import Options, Theatre
from wms.simulator.device import Chances

ROUGH = Chances(wrong_scan=0.08, double_scan=0.08, lost_answer=0.08, short=0.04, damaged=0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def theatre(url: str, directory: Path, orders: int) -> Theatre:
    settings = Settings(
        database_url=url, data_dir=directory, port=free_port(), egress_allow="127.0.0.0/8",
        pool_size=4,
    )  # fmt: skip
    options = Options(data=demo_dir(), orders=orders, workers=7, exit=True, chances=ROUGH,
                      limit_s=240)  # fmt: skip
    made = Theatre(settings, options, lambda now, words: None)
    made.papers = msgspec.structs.replace(made.papers, asns=made.papers.asns[:1])
    return made


async def test_a_day_survives_kill_9_of_its_server(database_url: str, tmp_path: Path):
    day = theatre(database_url, tmp_path, orders=12)

    async def kill_twice() -> None:
        for scans in (30, 90):
            while day.tally.acts < scans:  # noqa: ASYNC110 (a count has no event)
                await asyncio.sleep(0.05)
            assert day.server is not None
            day.server.send_signal(signal.SIGKILL)

    killer = asyncio.create_task(kill_twice())
    report = await day.run()
    await killer

    assert report.wrong == []
    assert report.ledger_ok
    assert day.restarts == 2
    assert report.orders == 12
    assert report.orders_unexplained == 0
    assert report.orders_shipped > 0
    assert report.webhooks_delivered == report.events
    assert report.webhooks_unverified == 0

