"""Kept documents are forgotten without reading them all: copies are found by their original."""

from alembic import op

revision = "0018_kept_originals"
down_revision = "0017_events_more"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX inbound_kept_original_ix ON inbound_kept (warehouse_id, original_id)
         WHERE original_id IS NOT NULL
        """
    )
