"""A load knows the tour that directs people to it; cartons waiting for a truck are found at once

Adds one nullable column and two indexes; `load` and `shipment_carton` are locked for the moment it
takes to build them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007_shipping"
down_revision = "0005_inbound"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("load", sa.Column("tour_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        "load_warehouse_id_tour_id_fkey",
        "load",
        "tour",
        ["warehouse_id", "tour_id"],
        ["warehouse_id", "id"],
    )
    op.create_unique_constraint(
        "load_warehouse_id_tour_id_key", "load", ["warehouse_id", "tour_id"]
    )
    op.create_index(
        "shipment_carton_waiting_ix",
        "shipment_carton",
        ["warehouse_id", "carrier_id"],
        postgresql_where=sa.text("load_id is null"),
    )
