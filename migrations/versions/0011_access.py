"""Access: keys, tokens, certificates, audit."""

revision = "0011_access"
down_revision = "0010_documents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
