"""Exceptions: what failed and who owns it."""

revision = "0008_exceptions"
down_revision = "0003_events"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
