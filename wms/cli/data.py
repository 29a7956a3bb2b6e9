"""`wms load`, `wms verify`, `wms migrate`."""

import asyncio
import sys
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table

from wms.cli.common import database_options, running_database, settings_of
from wms.db import Db
from wms.load import LoadReport, load_directory
from wms.verify import Problem, run_verify


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@database_options
def load(directory: Path, data_dir: object, database_url: str | None) -> None:
    """Load a warehouse from the CSV files in DIRECTORY (see docs/csv.md).

    Every wrong row of every file is reported with file, line, column and reason; then nothing is
    loaded and the exit code is 1.
    """
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False) as url:
        report = asyncio.run(_load(url, directory))
    console = Console(stderr=True)
    if report.problems:
        table = Table("file", "line", "column", "reason", title="Nothing was loaded")
        for problem in report.problems:
            table.add_row(problem.file, str(problem.line), problem.column, problem.reason)
        console.print(table)
        sys.exit(1)
    for name, rows in report.loaded.items():
        console.print(f"{name}: {rows}")


async def _load(url: str, directory: Path) -> LoadReport:
    db = Db(url)
    try:
        return await load_directory(db, directory)
    finally:
        await db.close()


@click.command()
@database_options
def verify(data_dir: object, database_url: str | None) -> None:
    """Derive every balance from the movements again, and check promises, plates and the event log.

    Exit code 1, and the differing rows, when anything does not hold.
    """
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False) as url:
        problems = asyncio.run(_verify(url))
    if problems:
        table = Table("check", "where", "expected", "found", title="The ledger does not hold")
        for problem in problems:
            table.add_row(problem.check, problem.where, problem.expected, problem.found)
        Console().print(table)
        sys.exit(1)
    Console(stderr=True).print("the ledger holds")


async def _verify(url: str) -> list[Problem]:
    db = Db(url)
    try:
        return await run_verify(db)
    finally:
        await db.close()


@click.command()
@database_options
def migrate(data_dir: object, database_url: str | None) -> None:
    """Bring the database to the newest schema and stop."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False):
        Console(stderr=True).print("the schema is up to date")
