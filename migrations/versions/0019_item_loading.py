"""What a carton planner asks of an item: how it lies, what it carries, how many go together.

Takes a short lock on `item` and `pack_level`: their rows are read once for the new checks.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019_item_loading"
down_revision = "0018_kept_originals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("flat", "own_container"):
        op.add_column(
            "item", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false"))
        )
    op.add_column("item", sa.Column("carton_qty_max", sa.Integer()))
    op.add_column("pack_level", sa.Column("load_max_g", sa.Integer()))
    op.create_check_constraint(op.f("item_stands_one_way"), "item", "not (upright and flat)")
    op.create_check_constraint(op.f("item_carton_qty_max_positive"), "item", "carton_qty_max > 0")
    op.create_check_constraint(
        op.f("pack_level_load_max_not_negative"), "pack_level", "load_max_g >= 0"
    )
