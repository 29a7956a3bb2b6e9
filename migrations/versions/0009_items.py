"""Items, locations and parties over the API; jobs."""

revision = "0009_items"
down_revision = "0008_exceptions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
