"""The event feed's consumers and receipts."""

revision = "0012_feed"
down_revision = "0011_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
