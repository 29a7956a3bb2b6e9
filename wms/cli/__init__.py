"""The `wms` command. One file a command family; errors for the operator are one line and a code."""

import sys

import rich_click as click

from wms.cli import bench, data, demo, up
from wms.errors import WmsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def wms() -> None:
    """Warehouse floor execution: directed work, a bin-level ledger, events that never get lost.

    Without --database-url (or DATABASE_URL) everything runs on an embedded PostgreSQL in the data
    directory. Every option can also be given as an environment variable with the prefix WMS_.
    """


for command in (up.up, demo.demo, data.load, data.verify, data.migrate, bench.bench):
    wms.add_command(command)


def main() -> None:
    try:
        wms()
    except WmsError as refusal:
        print(f"wms: {refusal}", file=sys.stderr)
        sys.exit(2)
