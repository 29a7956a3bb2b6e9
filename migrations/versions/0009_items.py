"""Items, locations and parties have versions; jobs; cancellations wait for their order

Takes no lock worth naming: new tables, and columns with constant defaults.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    _items()
    _stewardship()
    _locations_and_parties()
    _jobs()


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


def _int(name: str, default: str | None = None, kind: type = sa.Integer) -> sa.Column:
    given = None if default is None else sa.text(default)
    return sa.Column(name, kind(), nullable=False, server_default=given)


def _now(name: str) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
    )


def _json(name: str, default: str | None = None) -> sa.Column:
    given = None if default is None else sa.text(default)
    return sa.Column(name, JSONB(), nullable=False, server_default=given)


def _refers(name: str, table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"{name}_{column}_fkey"))


def _items() -> None:
    op.add_column("item", _int("version", "1"))
    op.add_column("item", _now("updated_at"))
    op.create_index("item_updated_ix", "item", ["owner_id", "updated_at", "id"])
    op.create_table(
        "item_source",
        _int("item_id", kind=sa.BigInteger),
        _text("source"),
        _int("source_version", kind=sa.BigInteger),
        _refers("item_source", "item", "item_id"),
        sa.PrimaryKeyConstraint("item_id", "source", name=op.f("item_source_pkey")),
    )


def _stewardship() -> None:
    op.create_table(
        "item_field_owner",
        _int("owner_id", kind=sa.BigInteger),
        _text("field_class"),
        _text("source"),
        _refers("item_field_owner", "owner", "owner_id"),
        sa.PrimaryKeyConstraint("owner_id", "field_class", name=op.f("item_field_owner_pkey")),
    )
    op.create_table(
        "item_proposal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _int("item_id", kind=sa.BigInteger),
        _text("field"),
        _json("value"),
        _text("source"),
        _text("state", "'open'"),
        _when("at"),
        _when("decided_at", nullable=True),
        _text("decided_by", "''"),
        sa.CheckConstraint(
            "state in ('open', 'accepted', 'declined')", name=op.f("item_proposal_state_known")
        ),
        _refers("item_proposal", "item", "item_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("item_proposal_pkey")),
    )
    op.create_index(
        "item_proposal_open_ix", "item_proposal", ["item_id", "field", "source"], unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )  # fmt: skip


def _locations_and_parties() -> None:
    op.add_column("bin", _int("version", "1"))
    op.add_column("bin", _int("source_version", "0", sa.BigInteger))
    op.add_column("bin", _now("updated_at"))
    op.create_index("bin_updated_ix", "bin", ["warehouse_id", "updated_at", "id"])
    op.create_table(
        "party",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _int("owner_id", kind=sa.BigInteger),
        _text("external_id"),
        _json("document"),
        _int("version", "1"),
        _int("source_version", "0", sa.BigInteger),
        _now("updated_at"),
        _refers("party", "owner", "owner_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("party_pkey")),
        sa.UniqueConstraint("owner_id", "external_id", name=op.f("party_owner_id_external_id_key")),
    )
    op.create_index("party_updated_ix", "party", ["owner_id", "updated_at", "id"])


def _jobs() -> None:
    _floor(
        "job",
        _text("client"),
        sa.Column("owner_ids", ARRAY(sa.BigInteger()), nullable=False),
        _text("kind"),
        _text("owner", "''"),
        _text("mode"),
        _text("state", "'waiting'"),
        _text("correlation_id", "''"),
        *[_int(name, "0") for name in ("lines", "done", "accepted", "rejected")],
        _json("errors", "'[]'"),
        _when("created_at"),
        _when("started_at", nullable=True),
        _when("finished_at", nullable=True),
        sa.CheckConstraint("state in ('waiting', 'running', 'done')", name=op.f("job_state_known")),
    )
    op.create_index(
        "job_open_ix", "job", ["warehouse_id", "id"], postgresql_where=sa.text("state <> 'done'")
    )
    _floor(
        "job_chunk",
        _int("job_id", kind=sa.BigInteger),
        _int("first_line"),
        _text("lines"),
        sa.Column("outcomes", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["warehouse_id", "job_id"], ["job.warehouse_id", "job.id"],
            name=op.f("job_chunk_warehouse_id_job_id_fkey"),
        ),
        sa.UniqueConstraint(
            "warehouse_id", "job_id", "first_line",
            name=op.f("job_chunk_warehouse_id_job_id_first_line_key"),
        ),
    )  # fmt: skip
