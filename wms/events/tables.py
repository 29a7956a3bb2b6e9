"""The outbox: events as written by the floor, inside the transaction that caused them."""

from sqlalchemy import BigInteger, DateTime, Index, Text, Uuid
from sqlalchemy.types import UserDefinedType

from wms.db import col, floor_table


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_kw: object) -> str:
        return "XID8"


outbox = floor_table(
    "outbox",
    col("xid", Xid8(), default="pg_current_xact_id()"),
    col("event_id", Uuid),
    col("type", Text),
    col("okey", Text),  # ordering key: events of one key are delivered in commit order
    col("keyseq", BigInteger, null=True),  # document version; gapless per document
    col("subject", Text),
    col("owner", Text, default="''"),  # stock owner's code
    col("occurred_at", DateTime(timezone=True)),
    col("recorded_at", DateTime(timezone=True), default="now()"),
    col("actor", Text, default="''"),
    col("correlation_id", Text, default="''"),
    col("causation_id", Text, default="''"),
    col("data", Text),  # JSON exactly as it will be sent
    Index("outbox_xid_ix", "warehouse_id", "xid"),
)
