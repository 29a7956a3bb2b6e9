"""Adding many rows at once without touching what is there, and saying what differed."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from wms.db import Tx, insert_many

Row = dict[str, Any]


class Put(msgspec.Struct, frozen=True):
    """What became of the rows offered: `different` are there with other values and stay so."""

    added: int = 0
    present: int = 0
    different: tuple[str, ...] = ()


async def put_missing(
    tx: Tx, table: sa.Table, key: Sequence[str], offered: list[Row], *, apart: Sequence[str] = ()
) -> Put:
    """Insert the rows whose key is new; leave and compare the others.

    All rows have the same columns. Columns in `apart` (salted hashes) are not compared. Reads the
    whole table of that warehouse (or the whole small table): meant for loading, not for the floor.
    """
    if not offered:
        return Put()
    columns = list(offered[0])
    query = sa.select(*(table.c[name] for name in columns))
    if "warehouse_id" in columns:
        query = query.where(table.c.warehouse_id == offered[0]["warehouse_id"])
    found = {tuple(row[name] for name in key): row for row in (await tx.execute(query)).mappings()}
    missing: list[Row] = []
    different: list[str] = []
    compared = [name for name in columns if name not in apart]
    for row in offered:
        there = found.get(tuple(row[name] for name in key))
        if there is None:
            missing.append(row)
        elif any(there[name] != row[name] for name in compared):
            different.append(" ".join(str(row[name]) for name in key if not name.endswith("_id")))
    await insert_many(tx, table, missing)
    return Put(len(missing), len(offered) - len(missing), tuple(different))


async def ids_by_code(tx: Tx, table: sa.Table, warehouse_id: int | None = None) -> dict[str, int]:
    """Ids of a table by its human code."""
    query = sa.select(table.c.code, table.c.id)
    if warehouse_id is not None:
        query = query.where(table.c.warehouse_id == warehouse_id)
    return {row.code: row.id for row in await tx.execute(query)}
