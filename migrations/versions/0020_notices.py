"""Owners are told of endpoints that fail and of signing keys that end, each stage once.

Takes a short lock on `endpoint` and `endpoint_secret`: the new columns are empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020_notices"
down_revision = "0019_item_loading"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("endpoint", "endpoint_secret"):
        op.add_column(table, sa.Column("noticed_at", sa.DateTime(timezone=True)))
