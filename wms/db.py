"""Engine, the one transaction block, table helpers, and driver errors turned into kinds.

`transaction()` and `reading()` are opened in plain sight at the edge (page, API, chore, command,
test); nothing below ever commits. Raise = roll back, return = commit.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from wms.errors import Busy, Conflict, Invalid, Refused, WmsError

Tx = AsyncConnection
T = TypeVar("T")

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

BUSY_STATES = {"40001", "40P01", "55P03", "57014", "57P01", "57P03", "53300", "08006", "08003"}


class StockMoved(Conflict):
    say = "The stock is no longer there: {detail}"


class BadValue(Invalid):
    say = "A value cannot be stored or looked up: it is out of range or holds forbidden characters."


class RuleBroken(Refused):
    """A constraint of the database said no where no procedure had said it in better words."""

    say = "The database refused this: {constraint}."


def col(name: str, kind: Any, *args: Any, null: bool = False, **kw: Any) -> sa.Column[Any]:
    """A column, NOT NULL unless `null`; `default` is a server-side SQL literal."""
    if "default" in kw:
        kw["server_default"] = sa.text(kw.pop("default"))
    return sa.Column(name, kind, *args, nullable=null, **kw)


def floor_table(name: str, *parts: Any) -> sa.Table:
    """A table of the floor: keyed (warehouse_id, id) so that one warehouse is one shard."""
    return sa.Table(
        name,
        metadata,
        sa.Column("warehouse_id", sa.Integer, sa.ForeignKey("warehouse.id"), primary_key=True),
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        *parts,
    )


def floor_key(columns: str, target: str, target_columns: str = "id", **kw: Any) -> Any:
    """A foreign key inside one warehouse, declared by name so rooms need no import."""
    mine = ["warehouse_id", *columns.split()]
    theirs = [f"{target}.{name}" for name in ["warehouse_id", *target_columns.split()]]
    return sa.ForeignKeyConstraint(mine, theirs, **kw)


class Db:
    """The connection pools of one process."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        """`url` is a libpq URL (`postgresql://…`); nothing connects before the first use."""
        self.url = url
        self.pool_size = pool_size
        self.engine: AsyncEngine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
        )
        self._hot: asyncpg.Pool | None = None
        self._hot_opens = asyncio.Lock()
        self._memories: dict[type[Any], Any] = {}

    def memory(self, kind: type[T]) -> T:
        """The one `kind` of this process and database: what hot acts may remember, never truth."""
        if kind not in self._memories:
            self._memories[kind] = kind()
        return self._memories[kind]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Commits when the block ends, rolls back when it raises (the kinds of wms.errors)."""
        async with self._session("") as tx:
            yield tx

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A read-only transaction: a page cannot write by accident."""
        async with self._session("READ ONLY") as tx:
            yield tx

    @asynccontextmanager
    async def _session(self, mode: str) -> AsyncIterator[Tx]:
        try:
            async with self.engine.connect() as connection, connection.begin():
                if mode:
                    await connection.execute(sa.text(f"SET TRANSACTION {mode}"))
                yield connection
        except exc.DBAPIError as error:
            raise translate(error) from error
        except exc.TimeoutError as error:
            raise Busy() from error

    async def hot(self) -> asyncpg.Pool:
        """The small raw pool of the hot statements; connections keep no session state."""
        async with self._hot_opens:  # two first callers would each open one, and lose one
            if self._hot is None:
                self._hot = await asyncpg.create_pool(
                    self.url, min_size=1, max_size=self.pool_size, reset=_keep
                )
            return self._hot

    async def close(self) -> None:
        if self._hot is not None:
            await self._hot.close()
        await self.engine.dispose()


async def _keep(_connection: Any) -> None:
    """Hot statements never set session state, so a released connection needs no reset."""


def translate(error: BaseException) -> BaseException:
    """A driver error as one of our kinds by SQLSTATE and constraint; unknown ones unchanged."""
    origin = getattr(error, "orig", error)
    cause = getattr(origin, "__cause__", None) or origin
    state = getattr(cause, "sqlstate", None) or getattr(origin, "sqlstate", None)
    if isinstance(error, WmsError):
        return error
    if state in BUSY_STATES or isinstance(cause, (ConnectionError, OSError)):
        return Busy()
    if state == "WM001":
        return StockMoved(detail=str(cause))
    if state and state.startswith("22"):
        return BadValue()
    if state and state.startswith("23"):
        return RuleBroken(constraint=getattr(cause, "constraint_name", None) or str(cause))
    return error


async def rows(tx: Tx, statement: sa.TextClause, shape: type[T], **values: Any) -> list[T]:
    """All rows of a statement as structs of `shape` (columns matched by name)."""
    result = await tx.execute(statement, values)
    return [msgspec.convert(dict(row), shape) for row in result.mappings()]


async def row(tx: Tx, statement: sa.TextClause, shape: type[T], **values: Any) -> T | None:
    """The first row as a struct, or None."""
    result = (await tx.execute(statement, values)).mappings().first()
    return None if result is None else msgspec.convert(dict(result), shape)


async def insert(tx: Tx, table: sa.Table, *, returning: str = "id", **values: Any) -> Any:
    """Insert one row and return the value of one column."""
    statement = sa.insert(table).values(**values).returning(table.c[returning])
    return (await tx.execute(statement)).scalar_one()


async def insert_many(tx: Tx, table: sa.Table, values: Sequence[dict[str, Any]]) -> None:
    """Insert many rows of the same keys in one statement each batch."""
    if values:
        await tx.execute(sa.insert(table), list(values))
