"""The parts of `wms bench events` run and tell figures; the figures themselves are not judged."""

from pathlib import Path

from tests.conftest import EmbeddedPostgres
from wms.bench import ground
from wms.bench.events import Bench, bare_posts
from wms.settings import Settings


async def test_the_bench_of_events_measures_sealing_and_a_receiver(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    url = await ground.make_database(postgres.url(), "bench_events_smoke")
    settings = Settings(database_url=url, data_dir=tmp_path, egress_allow="127.0.0.0/8")
    bench = Bench(url, settings, 0.1, 0.1)
    try:
        await bench.feed.open()
        await bench.start_ground()
        await bench.sealing()
        await bench.outbox_cost()
        await bench.make_endpoints()
        sent = await bare_posts(bench.sink.url("bare"), 0.1)
        stats = await bench.sink.stats()
        assert await bench.feed.head() >= 1000
    finally:
        await bench.stop()
    assert sent > 0
    assert stats.each["bare"] == stats.count > 0
    assert [row.test.split(",")[0] for row in bench.rows] == [
        "sealed events a second", "two events in a transaction",
    ]  # fmt: skip
    assert all(row.floor and row.ratio for row in bench.rows)
