"""`wms up`: database, migrations, pages, API and a worker. `wms worker`: a worker elsewhere."""

import asyncio
import socket

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from wms.access.queries import list_people
from wms.background import run_worker
from wms.cli.common import database_options, running_database, settings_of
from wms.db import Db
from wms.errors import Refused
from wms.load import demo_badges, load_demo_if_empty
from wms.serve import server_of


class PortTaken(Refused):
    say = "Port {port} on {host} is in use. Stop what runs there, or start with another --port."


def require_port(host: str, port: int) -> None:
    """Raises PortTaken when nobody could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortTaken(port=port, host=host) from None


@click.command()
@database_options
@click.option("--host", help="Address to listen on. [env: WMS_HOST; default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on. [env: WMS_PORT; default: 8420]")
@click.option(
    "--empty", is_flag=True, help="Do not load the demo warehouse into an empty database."
)
def up(
    data_dir: object, database_url: str | None, host: str | None, port: int | None, empty: bool
) -> None:
    """Start the system: database, migrations, pages, API, event delivery and chores."""
    settings = settings_of(data_dir=data_dir, database_url=database_url, host=host, port=port)
    require_port(settings.host, settings.port)
    console = Console(stderr=True)
    with running_database(settings) as url:
        settings = msgspec.structs.replace(settings, database_url=url)
        badges = asyncio.run(_prepare(url, empty))
        base = f"http://{settings.host}:{settings.port}"
        console.print(f"[bold]wms[/] listens on [link={base}]{base}[/]  (office: {base}/office)")
        if badges is not None:
            console.print(badges)
        server_of(settings).run()
    console.print("stopped")


@click.command()
@database_options
def worker(data_dir: object, database_url: str | None) -> None:
    """Seal and deliver events and run the chores, until told to stop.

    `wms up` keeps one beside it already (unless WMS_WORKER=0). Any number may run, on any machine
    that reaches the database and has the same settings and key.
    """
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with running_database(settings, lock=False) as url:
        run_worker(msgspec.structs.replace(settings, database_url=url))


async def _prepare(url: str, empty: bool) -> Table | None:
    db = Db(url)
    try:
        if not empty:
            await load_demo_if_empty(db)
        async with db.reading() as tx:
            people = {person.code for person in await list_people(tx)}
    finally:
        await db.close()
    known = [badge for badge in demo_badges() if badge.code in people]
    if not known:
        return None
    table = Table("badge to scan or key", "PIN", "name", "roles", title="Demo badges")
    for badge in known:
        table.add_row(badge.label, badge.pin, badge.name, ", ".join(badge.roles))
    return table
