"""Ids in the order in which they were drawn: no connection keeps a block of them for later.

Lists read the newest by id; with blocks, an older row could stand before a newer one.
"""

from alembic import op

revision = "0015_ids_in_order"
down_revision = "0014_media"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        DO $$
        DECLARE
          blocked record;
        BEGIN
          FOR blocked IN SELECT schemaname, sequencename FROM pg_sequences
                          WHERE schemaname = current_schema() AND cache_size > 1
          LOOP
            EXECUTE format('ALTER SEQUENCE %I.%I CACHE 1', blocked.schemaname,
                           blocked.sequencename);
          END LOOP;
        END $$
        """
    )
