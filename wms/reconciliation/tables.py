"""Published trial balances of the stock: totals by item, owner and status at a log position."""

from sqlalchemy import BigInteger, DateTime, Index, Integer, Text, UniqueConstraint

from wms.db import col, floor_key, floor_table

stock_snapshot = floor_table(
    "stock_snapshot",
    col("as_of_pos", BigInteger),
    col("at", DateTime(timezone=True)),
    col("by", Text),
    col("lines", Integer),
    col("units", BigInteger),
    UniqueConstraint("warehouse_id", "as_of_pos"),
    Index("stock_snapshot_at_ix", "warehouse_id", "at"),
)

stock_snapshot_line = floor_table(
    "stock_snapshot_line",
    col("snapshot_id", BigInteger),
    col("owner", Text),
    col("sku", Text),
    col("status", Text),
    col("qty", BigInteger),
    floor_key("snapshot_id", "stock_snapshot", ondelete="CASCADE"),
    UniqueConstraint("warehouse_id", "snapshot_id", "owner", "sku", "status",
                     name="stock_snapshot_line_once"),
)
