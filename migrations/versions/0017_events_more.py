"""Stock levels that were told, exceptions that went to the next level, plates by their receipt.

Takes a lock on `exception` and `receipt_line` while their index is made.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017_events_more"
down_revision = "0016_inbound_kept"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stock_level",
        sa.Column("warehouse_id", sa.Integer, sa.ForeignKey("warehouse.id"), primary_key=True),
        sa.Column("item_id", sa.BigInteger, sa.ForeignKey("item.id"), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("as_of_pos", sa.BigInteger, nullable=False),
        sa.Column("numbers", JSONB, nullable=False),
    )
    op.create_table(
        "stock_level_cursor",
        sa.Column("warehouse_id", sa.Integer, sa.ForeignKey("warehouse.id"), primary_key=True),
        sa.Column("pos", sa.BigInteger, nullable=False),
        sa.Column("swept_item_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.add_column("exception", sa.Column("escalated_at", sa.DateTime(timezone=True)))
    op.create_index(
        "exception_to_escalate_ix", "exception", ["warehouse_id", "due_at"],
        postgresql_where=sa.text("state = 'open' and escalated_at is null"),
    )  # fmt: skip
    op.create_index("receipt_line_lpn_ix", "receipt_line", ["warehouse_id", "lpn_id"])
