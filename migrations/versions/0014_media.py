"""What a receiver's library expects the content type to say."""

from alembic import op

revision = "0014_media"
down_revision = "0013_scan_order"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE endpoint ADD COLUMN media text NOT NULL DEFAULT 'json'
          CONSTRAINT endpoint_media_known CHECK (media IN ('json', 'cloudevents'))
        """
    )
