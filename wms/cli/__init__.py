"""The `wms` command. One file a command family; errors for the operator are one line and a code."""

import sys
from importlib import import_module

import rich_click as click

from wms.errors import WmsError

# Loaded when asked for: `wms up` need not wait for what only a bench imports.
COMMANDS = {
    "up": "wms.cli.up",
    "worker": "wms.cli.up",
    "demo": "wms.cli.demo",
    "load": "wms.cli.data",
    "verify": "wms.cli.data",
    "migrate": "wms.cli.data",
    "clients": "wms.cli.clients",
    "contract": "wms.cli.contract",
    "bench": "wms.cli.bench",
}


class Commands(click.RichGroup):
    """Commands in the order of COMMANDS, each imported when it is used or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[cmd_name]), cmd_name)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def wms() -> None:
    """Warehouse floor execution: directed work, a bin-level ledger, events that never get lost.

    Without --database-url (or DATABASE_URL) everything runs on an embedded PostgreSQL in the data
    directory. Every option can also be given as an environment variable with the prefix WMS_.
    """


def main() -> None:
    try:
        wms()
    except WmsError as refusal:
        print(f"wms: {refusal}", file=sys.stderr)
        sys.exit(2)
