"""`wms bench …`: figures as ratios to a floor measured in the same run."""

import asyncio
import sys
from functools import partial
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from wms.bench import confirm as confirm_bench
from wms.bench import events as events_bench
from wms.bench import next_task as next_task_bench
from wms.bench import pictures as planning_pictures
from wms.bench import planning as planning_bench
from wms.cli.common import database_options, running_database, settings_of


@click.group()
def bench() -> None:
    """Measure this installation on this machine."""


@bench.command()
@database_options
@click.option("--seconds", default=10, show_default=True, help="Seconds of load a round.")
@click.option("--clients", default="1,8,32", show_default=True, help="Numbers of clients.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def confirm(
    data_dir: object, database_url: str | None, seconds: int, clients: str, as_json: bool
) -> None:
    """Confirmed pick scans per second through HTTP, and the bare SQL transaction as the floor."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False) as url:
        counts = [int(count) for count in clients.split(",")]
        report = asyncio.run(confirm_bench.run(url, seconds, counts))
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    table = Table("clients", "scans/s", "p50 ms", "p99 ms", "failed", "floor/s", "floor p50",
                  "floor p99", "ratio")  # fmt: skip
    for each in report.rounds:
        table.add_row(*(str(value) for value in msgspec.structs.astuple(each)))
    console = Console()
    console.print(table)
    console.print(
        f"best {report.ratio_best} of the floor at 16 connections ({report.floor_16_per_s}/s); "
        f"server CPU {report.server_cpu_us} us a scan; ledger "
        f"{'holds' if report.ledger_ok else 'DOES NOT HOLD'}"
    )
    if not report.ledger_ok:
        raise SystemExit(1)


@bench.command()
@database_options
@click.option("--seconds", default=5.0, show_default=True, help="Seconds of each part.")
@click.option("--held", help="How long a snapshot is held, such as 90s or 30m; short without it.")
@click.option("--backlog", default=100_000, show_default=True, help="Events to catch up with.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def events(
    data_dir: object, database_url: str | None, seconds: float, held: str | None, backlog: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Sealing and delivery of events, with what a scan pays for them."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False) as url:
        held_s = _seconds(held) if held else None
        found = asyncio.run(events_bench.run(url, seconds, held_s, backlog))
    if as_json:
        print(msgspec.json.encode({"rows": found}).decode())
        return
    table = Table("test", "measured", "target", "met", "floor", "ratio")
    for each in found:
        met = {True: "yes", False: "no", None: ""}[each.met]
        table.add_row(each.test, f"{each.value:,} {each.unit}", each.target, met,
                      "" if each.floor is None else f"{each.floor:,}",
                      "" if each.ratio is None else str(each.ratio))  # fmt: skip
    console = Console()
    console.print(table)
    for each in found:
        if each.note:
            console.print(f"[dim]{each.test}:[/] {each.note}")


def _seconds(text: str) -> float:
    """`90s`, `30m` or plain seconds. Raises BadParameter."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("s", "m") else (text, "s")
    try:
        return float(number) * (60 if unit == "m" else 1)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 90s or 30m") from None


@bench.command(name="next-task")
@database_options
@click.option("--sizes", default="1000,10000,100000", show_default=True, help="Open tours.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def next_task(data_dir: object, database_url: str | None, sizes: str, as_json: bool) -> None:
    """Time of one assignment as the pile of open work grows."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False) as url:
        points = asyncio.run(next_task_bench.run(url, [int(size) for size in sizes.split(",")]))
    if as_json:
        print(msgspec.json.encode({"points": points}).decode())
        return
    table = Table("open tours", "p50 ms", "p99 ms")
    for point in points:
        table.add_row(*(str(value) for value in msgspec.structs.astuple(point)))
    Console().print(table)


@bench.command()
@click.argument("setdir", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--seconds", default=1.0, show_default=True, help="Seconds an instance, one core.")
@click.option("--sample", type=int, help="Only so many instances.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def planning(setdir: Path | None, seconds: float, sample: int | None, as_json: bool) -> None:
    """Plan the instances of SETDIR (generated ones without it) and check every answer.

    Each answer is told on standard error as it comes, the sum on standard output.
    """
    tell = None if as_json else partial(print, file=sys.stderr, flush=True)
    report = planning_bench.run(setdir, seconds, sample, tell)
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    table = Table("figure", "value")
    for name, value in report.items():
        table.add_row(name, f"{value:.6g}" if isinstance(value, float) else str(value))
    Console().print(table)


@bench.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seconds", default=10.0, show_default=True, help="Seconds of the batching drawn.")
def pictures(folder: Path, seconds: float) -> None:
    """Draw the planners at work as SVG files: tour, carton, gap over time, router over size."""
    for path in planning_pictures.draw_all(folder, seconds):
        print(path)
