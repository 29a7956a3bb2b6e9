"""Mappings as they are kept: each partner's own, and the house's (client '')."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.documents import BadDocument
from wms.files.inbox import NoSuchMapping
from wms.files.mapping import Mapping, check_mapping
from wms.stamp import Stamp


class KeptMapping(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A mapping with its name; `outcome`: created | updated | exists."""

    name: str
    version: int
    changed_at: datetime
    mapping: Mapping
    outcome: str = ""


class _Row(msgspec.Struct):
    name: str
    version: int
    changed_at: datetime
    mapping: str

    def kept(self, outcome: str = "") -> KeptMapping:
        read = msgspec.json.decode(self.mapping, type=Mapping)
        return KeptMapping(name=self.name, version=self.version, changed_at=self.changed_at,
                           mapping=read, outcome=outcome)  # fmt: skip


_ROW = "name, version, changed_at, CAST(mapping AS text) AS mapping"
PUT = text(
    f"""
    INSERT INTO file_mapping (client, name, kind, mapping, changed_at)
    VALUES (:client, :name, :kind, CAST(:mapping AS jsonb), :at)
    ON CONFLICT (client, name) DO UPDATE
       SET kind = excluded.kind, mapping = excluded.mapping, changed_at = excluded.changed_at,
           version = file_mapping.version + 1
     WHERE file_mapping.mapping <> excluded.mapping
    RETURNING {_ROW}
    """
)
FIND = text(f"SELECT {_ROW} FROM file_mapping WHERE client = :client AND name = :name")
LIST = text(f"SELECT {_ROW} FROM file_mapping WHERE client = :client ORDER BY name LIMIT 500")


async def put(tx: Tx, stamp: Stamp, client: str, name: str, mapping: Mapping) -> KeptMapping:
    """Keep a mapping under a name. Raises BadDocument with all its errors."""
    errors = check_mapping(mapping)
    if errors:
        raise BadDocument(errors)
    text_of = msgspec.json.encode(mapping).decode()
    made = await row(tx, PUT, _Row, client=client, name=name, kind=mapping.kind, mapping=text_of,
                     at=stamp.at)  # fmt: skip
    if made is None:
        return (await _find(tx, client, name)).kept("exists")
    return made.kept("created" if made.version == 1 else "updated")


async def get(tx: Tx, client: str, name: str) -> KeptMapping:
    """Raises NoSuchMapping."""
    return (await _find(tx, client, name)).kept()


async def list_mappings(tx: Tx, client: str) -> Sequence[KeptMapping]:
    return [each.kept() for each in await rows(tx, LIST, _Row, client=client)]


async def list_for(tx: Tx, client: str) -> list[KeptMapping]:
    """Those a client's files are read by: its own, and the house's that it has no other for."""
    own = await list_mappings(tx, client)
    named = {each.name for each in own}
    house = await list_mappings(tx, "") if client else []
    return [*own, *(each for each in house if each.name not in named)]


async def _find(tx: Tx, client: str, name: str) -> _Row:
    found = await row(tx, FIND, _Row, client=client, name=name)
    if found is None:
        raise NoSuchMapping(mapping=name, kind="any kind")
    return found
