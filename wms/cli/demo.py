"""`wms demo`: a whole day with a simulated crew, or a system to walk around in while it runs."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from wms.cli.common import database_options, running_database, settings_of
from wms.cli.up import require_port
from wms.load import demo_dir
from wms.masterdata import csv_forms as forms
from wms.masterdata.codes import badge_label
from wms.masterdata.csv_read import read_folder
from wms.simulator.day import Options, run_day
from wms.simulator.report import DayReport

PERSON_S = 4.0  # what a step takes a person; --speed 1 is that


@click.command()
@database_options
@click.option("--port", type=int, help="Port to listen on. [env: WMS_PORT; default: 8420]")
@click.option("--orders", type=int, help="Only the first so many orders of the data.")
@click.option("--workers", default=8, show_default=True, help="People on the floor.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="CSV folder of another warehouse and day (see docs/csv.md).")  # fmt: skip
@click.option("--speed", default=0.0, help="1 is human pace, 10 ten times that; 0 is no pause.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same bad luck.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("--exit", "leave", is_flag=True, help="End when every order is shipped or explained.")
def demo(
    data_dir: object, database_url: str | None, port: int | None, orders: int | None, workers: int,
    data: Path | None, speed: float, seed: int, as_json: bool, leave: bool,
) -> None:  # fmt: skip
    """Run a day in a warehouse: goods in, orders out, bins counted, every event delivered.

    Exit code 1 when anything is lost, doubled or unexplained.
    """
    chosen = data_dir or Path(".wms-demo")
    settings = settings_of(data_dir=chosen, database_url=database_url, port=port,
                           egress_allow="127.0.0.0/8")  # fmt: skip
    require_port(settings.host, settings.port)
    options = Options(data=data or demo_dir(), orders=orders, workers=workers, seed=seed,
                      pace_s=PERSON_S / speed if speed else 0.0, exit=leave)  # fmt: skip
    console = Console(stderr=True)
    with running_database(settings) as url:
        settings = msgspec.structs.replace(settings, database_url=url)
        console.print(f"open http://{settings.host}:{settings.port}/office (or /floor), badges:")
        console.print(_badges(options.data))
        with _progress(console) as (progress, bar):

            def tell(now: DayReport, words: str) -> None:
                ended = now.orders_shipped + now.orders_cancelled + now.orders_waiting
                progress.update(bar, total=max(now.orders, 1), completed=ended,
                                scans=now.scans, events=now.events, words=words)  # fmt: skip

            result = asyncio.run(run_day(settings, options, tell))
    _show(result, as_json)
    if result.wrong:
        sys.exit(1)


def _badges(data: Path) -> Table:
    """Whom a visitor may sign in as: somebody for each work, and the offices' people."""
    table = Table("badge to scan or key", "PIN", "name", "roles")
    shown: set[str] = set()
    for user in read_folder(data, datetime.now(UTC)).of(forms.UserForm):
        if not set(user.roles) <= shown:
            shown |= set(user.roles)
            table.add_row(badge_label(user.badge), user.pin, user.name, ", ".join(user.roles))
    return table


class _progress:
    """A progress bar on a terminal; nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("orders"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[scans]} scans  {task.fields[events]} events"),
            TimeElapsedColumn(), TextColumn("{task.fields[words]}"),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip

    def __enter__(self) -> tuple[Progress, TaskID]:
        self._progress.start()
        return self._progress, self._progress.add_task("day", scans=0, events=0, words="")

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _show(result: DayReport, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(result).decode())
        return
    table = Table("", "")
    for name, value in msgspec.structs.asdict(result).items():
        if name != "wrong":
            table.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table)
    for line in result.wrong:
        console.print(f"[red]wrong:[/] {line}")
