"""The event feed: consumers by partner, receipts of consumers too, discards, probes, retention

Everything is added to small tables, but one index of `attempt` is built anew for reads by time;
writers of attempts wait for that.
"""

from alembic import op

revision = "0012_feed"
down_revision = "0011_access"
branch_labels = None
depends_on = None

STATEMENTS = [
    # Names of consumers are a partner's own.
    """
    ALTER TABLE event_consumer
      ADD COLUMN client text NOT NULL DEFAULT '',
      ADD COLUMN suspended_at timestamptz,
      DROP CONSTRAINT event_consumer_pkey,
      ADD CONSTRAINT event_consumer_pkey PRIMARY KEY (warehouse_id, client, name)
    """,
    # Who gave the verdict: endpoint/<code>, or consumer/<partner>/<name>.
    """
    ALTER TABLE event_receipt
      ADD COLUMN source text,
      ADD COLUMN type text NOT NULL DEFAULT '',
      ADD COLUMN okey text NOT NULL DEFAULT '',
      ADD COLUMN pos bigint NOT NULL DEFAULT 0,
      ADD COLUMN by text NOT NULL DEFAULT '',
      ADD COLUMN first_at timestamptz,
      ADD COLUMN history jsonb NOT NULL DEFAULT '[]',
      DROP CONSTRAINT event_receipt_pkey,
      ALTER COLUMN endpoint_id DROP NOT NULL
    """,
    """
    UPDATE event_receipt r SET source = 'endpoint/' || e.code, first_at = r.at
      FROM endpoint e WHERE e.id = r.endpoint_id
    """,
    """
    ALTER TABLE event_receipt
      ALTER COLUMN source SET NOT NULL,
      ALTER COLUMN first_at SET NOT NULL,
      ADD CONSTRAINT event_receipt_pkey PRIMARY KEY (warehouse_id, source, event_id)
    """,
    "CREATE INDEX event_receipt_source_ix ON event_receipt (warehouse_id, source, at)",
    """
    CREATE INDEX event_receipt_rejected_ix ON event_receipt (warehouse_id, at)
     WHERE verdict = 'rejected'
    """,
    """
    CREATE TABLE delivery_discarded (
      warehouse_id int NOT NULL
        CONSTRAINT delivery_discarded_warehouse_id_fkey REFERENCES warehouse (id),
      endpoint_id bigint NOT NULL
        CONSTRAINT delivery_discarded_endpoint_id_fkey REFERENCES endpoint (id),
      pos bigint NOT NULL,
      okey text NOT NULL,
      event_id uuid NOT NULL,
      type text NOT NULL,
      n smallint NOT NULL,
      first_failed_at timestamptz,
      last_class text NOT NULL,
      last_status int NOT NULL,
      by text NOT NULL,
      reason text NOT NULL,
      at timestamptz NOT NULL,
      CONSTRAINT delivery_discarded_pkey PRIMARY KEY (warehouse_id, endpoint_id, pos)
    )
    """,
    "ALTER TABLE endpoint ADD COLUMN probes int NOT NULL DEFAULT 0",
    "CREATE INDEX seal_block_at_ix ON seal_block (warehouse_id, sealed_at)",
    "ALTER TABLE seal_state ADD COLUMN first_pos bigint NOT NULL DEFAULT 1",
    """
    ALTER TABLE replay
      ADD COLUMN mode text NOT NULL DEFAULT 'same_id'
        CONSTRAINT replay_mode_known CHECK (mode IN ('same_id', 'probe')),
      ADD COLUMN rate_per_s int NOT NULL DEFAULT 100
        CONSTRAINT replay_rate_sane CHECK (rate_per_s BETWEEN 1 AND 10000)
    """,
    "DROP INDEX attempt_endpoint_ix",
    "CREATE INDEX attempt_endpoint_ix ON attempt (warehouse_id, endpoint_id, at)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
