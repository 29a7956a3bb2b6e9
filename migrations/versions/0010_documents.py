"""Inbound documents: milestones, appointments, adjustment requests, files."""

revision = "0010_documents"
down_revision = "0009_items"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
