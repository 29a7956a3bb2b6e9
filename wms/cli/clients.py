"""`wms clients`: partner systems, their keys and what they may open."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import rich_click as click
from rich.console import Console
from rich.table import Table

from wms.access import api_keys, audit, certificates, public_keys
from wms.access import clients as registry
from wms.access.audit import Who
from wms.access.clients import ClientView
from wms.access.installation import pepper
from wms.access.rules import SCOPES
from wms.access.scope_choice import expand_scopes
from wms.cli.common import database_options, running_database, settings_of
from wms.db import Db, Tx
from wms.events import bounds
from wms.settings import Settings

T = TypeVar("T")
WHO = Who(actor="system:cli")
DAYS = click.option("--days", default=api_keys.DAYS_MAX, show_default=True, help="The key's life.")


@click.group()
def clients() -> None:
    """Partner systems that call the API: add one, list them, rotate and revoke keys.

    A key is shown once, when it is made, and stored hashed. It is also the client secret for
    access tokens (POST /oauth/token).
    """


def _run(settings: Settings, act: Callable[[Tx], Awaitable[T]]) -> T:
    async def run(url: str) -> T:
        db = Db(url)
        try:
            async with db.transaction() as tx:
                return await act(tx)
        finally:
            await db.close()

    with running_database(settings, lock=False) as url:
        return asyncio.run(run(url))


def _show_key(code: str, key: str) -> None:
    Console(stderr=True).print(f"The key of {code}; it is not shown again:")
    print(key)


@clients.command()
@click.argument("code")
@click.option("--warehouse", multiple=True, required=True, help="May be given several times.")
@click.option("--owner", multiple=True, help="Only these owners' goods; none means all.")
@click.option("--scope", multiple=True, required=True,
              help="Such as orders:write, orders:*, *:read; see `wms clients scopes`.")  # fmt: skip
@DAYS
@database_options
def add(
    code: str, warehouse: tuple[str, ...], owner: tuple[str, ...], scope: tuple[str, ...],
    days: int, data_dir: object, database_url: str | None,
) -> None:  # fmt: skip
    """Add a partner system; prints its key on standard output."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    scopes = expand_scopes(scope)

    async def act(tx: Tx) -> str:
        key = await registry.create_client(
            tx, code, warehouse_ids=await registry.warehouse_ids(tx, warehouse), scopes=scopes,
            owner_ids=await registry.owner_ids(tx, owner), pepper=pepper(settings), days=days,
            by=WHO.actor,
        )  # fmt: skip
        view = await registry.get_view(tx, code)
        await audit.record(tx, WHO, "client.added", f"client/{code}", after=view)
        return key

    _show_key(code, _run(settings, act))


@clients.command("list")
@database_options
def list_(data_dir: object, database_url: str | None) -> None:
    """All partner systems with what they may open."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    table = Table("client", "warehouses", "owners", "scopes", "live keys", "last used")
    for client in _run(settings, registry.list_clients):
        live = [key for key in client.keys if key.live]
        used = max((key.used_at for key in client.keys if key.used_at), default=None)
        table.add_row(
            client.code if client.active else f"[dim]{client.code} (off)[/]",
            ", ".join(client.warehouses) or "none", ", ".join(client.owners) or "all",
            _grouped(client.scopes), str(len(live)), f"{used:%Y-%m-%d %H:%M}" if used else "never",
        )  # fmt: skip
    Console().print(table)


def _grouped(scopes: Sequence[str]) -> str:
    """`orders: read, write; asns: read`: a table with every scope in full is too long to read."""
    verbs: dict[str, list[str]] = {}
    for scope in scopes:
        thing, _, verb = scope.partition(":")
        verbs.setdefault(thing, []).append(verb)
    return "; ".join(f"{thing}: {', '.join(of)}" for thing, of in verbs.items())


@clients.command()
@click.argument("code")
@click.option("--new", is_flag=True, help="Make one more key; two may be live while you move over.")
@DAYS
@database_options
def keys(
    code: str, new: bool, days: int, data_dir: object, database_url: str | None
) -> None:
    """The keys of one partner system; with --new, print a new one on standard output."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def act(tx: Tx) -> tuple[str, ClientView]:
        key = ""
        if new:
            key = await api_keys.make_key(
                tx, code, pepper=pepper(settings), days=days, by=WHO.actor
            )
            await audit.record(tx, WHO, "client.key_made", f"client/{code}")
        return key, await registry.get_view(tx, code)

    key, view = _run(settings, act)
    table = Table("id", "made", "by", "expires", "last used", "state", title=f"Keys of {code}")
    for each in view.keys:
        state = "live" if each.live else "revoked" if each.revoked_at else "expired"
        used = f"{each.used_at:%Y-%m-%d %H:%M}" if each.used_at else "never"
        table.add_row(each.kid, f"{each.made_at:%Y-%m-%d}", each.made_by,
                      f"{each.expires_at:%Y-%m-%d}", used, state)  # fmt: skip
    Console(stderr=new).print(table)
    if key:
        _show_key(code, key)


@clients.command()
@click.argument("code")
@click.argument("kid", required=False)
@database_options
def revoke(code: str, kid: str | None, data_dir: object, database_url: str | None) -> None:
    """Revoke the key KID; without it, switch the whole partner system off, tokens included."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)

    async def act(tx: Tx) -> None:
        if kid:
            await api_keys.revoke_key(tx, code, kid)
            after = {"kid": kid}
            await audit.record(tx, WHO, "client.key_revoked", f"client/{code}", after=after)
        else:
            await registry.switch_off(tx, code)
            await api_keys.revoke_all(tx, code)
            await bounds.bound(tx, await registry.get_view(tx, code), WHO.actor, datetime.now(UTC))
            await audit.record(tx, WHO, "client.switched_off", f"client/{code}")

    _run(settings, act)
    Console(stderr=True).print("revoked" if kid else f"{code} is off and all its keys are revoked")


@clients.command()
@click.argument("code")
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              multiple=True, help="Client certificates it may present (PEM or DER).")  # fmt: skip
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Public keys that sign its assertions (JSON Web Key Set).")  # fmt: skip
@database_options
def prove(
    code: str, certificate: tuple[Path, ...], jwks: Path | None, data_dir: object,
    database_url: str | None,
) -> None:  # fmt: skip
    """Register how a partner system proves itself besides its key; replaces what was there."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    thumbprints = [certificates.read_thumbprint(path.read_bytes()) for path in certificate]
    keys = None if jwks is None else public_keys.read_jwks(jwks.read_bytes())

    async def act(tx: Tx) -> None:
        before = await registry.get_view(tx, code)
        if thumbprints:
            await registry.set_certificates(tx, code, thumbprints)
        if keys is not None:
            await registry.set_jwks(tx, code, keys)
        after = await registry.get_view(tx, code)
        await audit.record(
            tx, WHO, "client.changed", f"client/{code}", before=before, after=after
        )

    _run(settings, act)
    Console(stderr=True).print(f"{code} proves itself with what you gave")


@clients.command()
def scopes() -> None:
    """What a key may open."""
    table = Table("scope", "what it opens")
    for name, words in SCOPES.items():
        table.add_row(name, words)
    Console().print(table)
