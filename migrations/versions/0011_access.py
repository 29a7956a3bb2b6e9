"""Partners have keys that expire and rotate, certificates and public keys; writes are audited

Moves the one key of each client into `api_key` (it goes on working for a year) and gives those who
could cancel orders the scope that now says so. `api_client` is locked for that moment.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011_access"
down_revision = "0010_documents"
branch_labels = None
depends_on = None

AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _keys()
    _clients()
    _tokens()
    _audit()
    op.add_column("app_user", sa.Column("email", sa.Text(), nullable=True))
    op.create_index("app_user_email_ix", "app_user", [sa.text("lower(email)")], unique=True)


def _keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("peppered", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", AT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.Column("used_at", AT, nullable=True),
        sa.Column("revoked_at", AT, nullable=True),
        sa.CheckConstraint(
            "expires_at <= made_at + interval '366 days'", name=op.f("api_key_expires")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["api_client.id"], name=op.f("api_key_client_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("kid", name=op.f("api_key_kid_key")),
        sa.UniqueConstraint("key_hash", name=op.f("api_key_key_hash_key")),
    )
    op.create_index("api_key_client_id_ix", "api_key", ["client_id"])
    op.execute(
        """
        INSERT INTO api_key (client_id, kid, key_hash, peppered, made_by, expires_at)
        SELECT id, 'first-' || id, key_hash, false, 'system:migration', now() + interval '365 days'
          FROM api_client
        """
    )


def _clients() -> None:
    op.drop_column("api_client", "key_hash")
    op.add_column(
        "api_client",
        sa.Column(
            "jwks", postgresql.JSONB(), server_default=sa.text("""'{"keys": []}'"""), nullable=False
        ),
    )
    op.add_column(
        "api_client",
        sa.Column(
            "certificates", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.execute(
        """
        UPDATE api_client SET scopes = scopes || '{orders:cancel}'::text[]
         WHERE 'orders:write' = ANY(scopes)
        """
    )


def _tokens() -> None:
    op.create_table(
        "token_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public", postgresql.JSONB(), nullable=False),
        sa.Column("signs_from", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("token_key_pkey")),
    )
    op.create_table(
        "assertion_seen",
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("jti_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["api_client.id"], name=op.f("assertion_seen_client_id_fkey")
        ),
        sa.PrimaryKeyConstraint("client_id", "jti_hash", name=op.f("assertion_seen_pkey")),
    )
    op.create_index("assertion_seen_expires_at_ix", "assertion_seen", ["expires_at"])


def _audit() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", AT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("warehouse_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("origin", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("request_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(
            ["warehouse_id"], ["warehouse.id"], name=op.f("audit_entry_warehouse_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entry_pkey")),
    )
    op.create_index("audit_entry_subject_ix", "audit_entry", ["subject", "id"])
    op.create_index("audit_entry_actor_ix", "audit_entry", ["actor", "id"])
    for when, each in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        name = "append_only" if each == "ROW" else "append_only_truncate"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {when} ON audit_entry "
            f"FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )
