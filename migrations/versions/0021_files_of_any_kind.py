"""A file is stored before anybody asks whether its kind is known."""

from alembic import op

revision = "0021_files_of_any_kind"
down_revision = "0020_notices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE inbound_file DROP CONSTRAINT inbound_file_kind_known")
