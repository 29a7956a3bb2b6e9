"""An endpoint's breaker is open as long as it is open for one of the warehouses that it hears."""

from alembic import op

revision = "0022_breakers"
down_revision = "0021_files_of_any_kind"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE endpoint ADD COLUMN open_in integer[] NOT NULL DEFAULT '{}'")
    op.execute(
        "UPDATE endpoint e SET open_in = ARRAY(SELECT DISTINCT c.warehouse_id"
        " FROM delivery_cursor c WHERE c.endpoint_id = e.id) WHERE e.breaker = 'open'"
    )
