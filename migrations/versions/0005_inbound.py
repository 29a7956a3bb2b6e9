"""Bins remember that somebody saw them full, so that nobody is sent there again

Takes no lock worth naming: one new table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_inbound"
down_revision = "0006_outbound"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bin_full",
        sa.Column("warehouse_id", sa.Integer, nullable=False),
        sa.Column("bin_id", sa.BigInteger, nullable=False),
        sa.Column("full_mm3", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_by", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("warehouse_id", "bin_id", name="bin_full_pkey"),
        sa.ForeignKeyConstraint(
            ["warehouse_id"], ["warehouse.id"], name="bin_full_warehouse_id_fkey"
        ),
        sa.ForeignKeyConstraint(["seen_by"], ["app_user.id"], name="bin_full_seen_by_fkey"),
        sa.ForeignKeyConstraint(
            ["warehouse_id", "bin_id"],
            ["bin.warehouse_id", "bin.id"],
            name="bin_full_warehouse_id_bin_id_fkey",
        ),
    )
