"""Cancellations that come before their order wait for it; inbound documents have a kind

Takes no lock worth naming: new tables, and columns with constant defaults.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009_items"
down_revision = "0008_exceptions"
branch_labels = None
depends_on = None


def _when(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, default: str | None = None) -> sa.Column:
    given = None if default is None else sa.text(default)
    return sa.Column(name, sa.Text(), nullable=False, server_default=given)


def _floor(name: str, *parts: object) -> None:
    op.create_table(
        name,
        sa.Column("warehouse_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, cache=32), nullable=False),
        *parts,
        sa.ForeignKeyConstraint(
            ["warehouse_id"], ["warehouse.id"], name=op.f(f"{name}_warehouse_id_fkey")
        ),
        sa.PrimaryKeyConstraint("warehouse_id", "id", name=op.f(f"{name}_pkey")),
    )


def upgrade() -> None:
    _cancellations()
    _inbound_kinds()


def _cancellations() -> None:
    _floor(
        "order_cancel",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        _text("external_id"),
        _text("cancel_ref"),
        _text("client"),
        _text("reason"),
        sa.Column("lines", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        _when("at"),
        _when("applied_at", nullable=True),
        _text("answer"),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owner.id"], name=op.f("order_cancel_owner_id_fkey")
        ),
        sa.UniqueConstraint(
            "warehouse_id", "owner_id", "external_id", "cancel_ref",
            name=op.f("order_cancel_warehouse_id_owner_id_external_id_cancel_ref_key"),
        ),
    )  # fmt: skip


def _inbound_kinds() -> None:
    op.add_column("asn", _text("kind", "'asn'"))
    op.create_check_constraint(
        op.f("asn_kind_known"), "asn", "kind in ('asn', 'po', 'transfer')"
    )
