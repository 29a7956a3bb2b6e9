"""`wms contract check`: is this receiver ready for our events?"""

import asyncio
import sys

import msgspec
import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wms.partner.contract import FAIL, PASS, TIMEOUT_S, WARN, Report, run_contract
from wms.partner.probe import read_secret

COLOURS = {PASS: "green", FAIL: "bold red", WARN: "yellow"}


@click.group()
def contract() -> None:
    """What partners and we expect of each other."""


@contract.command()
@click.argument("url")
@click.option(
    "--secret",
    envvar="WMS_CONTRACT_SECRET",
    help="The endpoint's signing secret (whsec_…), or the private half of an Ed25519 key (whsk_…).",
)
@click.option("--timeout", default=TIMEOUT_S, show_default=True, help="Seconds for each answer.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def check(url: str, secret: str | None, timeout: float, as_json: bool) -> None:
    """Send good and bad deliveries to the receiver at URL and tell what it did with them.

    Everything sent is marked as a test. Without --secret only what needs no signature is checked.
    Exit code 1 when a check fails.
    """
    key = None if secret is None else read_secret(secret)
    report = asyncio.run(run_contract(url, key, timeout))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _print(report)
    sys.exit(1 if report.failed else 0)


def _print(report: Report) -> None:
    title = escape(f"{report.url} at {report.at}")
    table = Table("", "check", "what is asked", "what came", title=title)
    for each in report.results:
        colour = COLOURS.get(each.result, "dim")
        table.add_row(f"[{colour}]{each.result}[/]", each.check, each.asks, escape(each.got))
    console = Console()
    console.print(table)
    skipped = sum(each.result == "skip" for each in report.results)
    console.print(
        f"{report.kit}: {len(report.results)} checks, {report.failed} failed, {skipped} skipped, "
        f"{report.took_ms} ms"
    )
