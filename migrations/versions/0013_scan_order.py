"""A person's scans in the order of time: ids are drawn in blocks by each connection."""

from alembic import op

revision = "0013_scan_order"
down_revision = "0012_feed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("scan_user_ix", table_name="scan")
    op.create_index("scan_user_ix", "scan", ["warehouse_id", "user_id", "at"])
