"""The statements of taking orders in; `orders` runs them in this order of locks."""

from sqlalchemy import text

# 512 stripes bound the number of locks; ascending, so two requests queue instead of deadlocking.
LOCK_ITEMS = text(
    """
    SELECT pg_advisory_xact_lock(s.key)
      FROM (SELECT DISTINCT (CAST(:warehouse_id AS bigint) << 32) + i.id % 512 AS key
              FROM unnest(CAST(:item_ids AS bigint[])) AS i (id) ORDER BY key) s
    """
)
# Served by the unique natural key. Locked in one order; read in a second statement, whose snapshot
# sees what a change that was waited for has written.
LOCK_KNOWN = text(
    """
    SELECT o.id
      FROM unnest(CAST(:owner_ids AS bigint[]), CAST(:external_ids AS text[])) AS t (owner_id, ext)
      JOIN outbound_order o ON o.warehouse_id = :warehouse_id AND o.owner_id = t.owner_id
                           AND o.external_id = t.ext
     ORDER BY o.id
       FOR NO KEY UPDATE OF o
    """
)
KNOWN = text(
    """
    SELECT o.id, w.code AS owner, o.external_id, o.state, o.version, o.source_version,
           o.correlation_id, o.wave_id, c.code AS carrier, o.service, o.priority,
           o.allow_partial, o.cutoff_at, o.ship_to,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(l.line_no, i.sku, l.ordered)), '[]')
              FROM order_line l JOIN item i ON i.id = l.item_id
             WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id) AS lines
      FROM outbound_order o
      JOIN owner w ON w.id = o.owner_id
      JOIN carrier c ON c.id = o.carrier_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = ANY (CAST(:ids AS bigint[]))
    """
)
# Served by order_line_promised_ix.
PROMISED = text(
    """
    SELECT item_id, sum(promised) AS qty FROM order_line
     WHERE warehouse_id = :warehouse_id AND item_id = ANY (CAST(:item_ids AS bigint[]))
       AND promised > 0
     GROUP BY item_id
    """
)
INSERT_ORDERS = text(
    """
    INSERT INTO outbound_order (warehouse_id, owner_id, external_id, source_version, priority,
                                allow_partial, carrier_id, service, cutoff_at, ship_to, cause,
                                correlation_id, created_at)
    SELECT :warehouse_id, t.owner_id, t.external_id, t.source_version, t.priority, t.allow_partial,
           t.carrier_id, t.service, t.cutoff_at, CAST(t.ship_to AS jsonb), 'awaiting_release',
           t.correlation_id, :at
      FROM unnest(CAST(:owner_id AS bigint[]), CAST(:external_id AS text[]),
                  CAST(:source_version AS bigint[]), CAST(:priority AS smallint[]),
                  CAST(:allow_partial AS boolean[]), CAST(:carrier_id AS bigint[]),
                  CAST(:service AS text[]), CAST(:cutoff_at AS timestamptz[]),
                  CAST(:ship_to AS text[]), CAST(:correlation_id AS text[]))
        AS t (owner_id, external_id, source_version, priority, allow_partial, carrier_id, service,
              cutoff_at, ship_to, correlation_id)
    ON CONFLICT (warehouse_id, owner_id, external_id) DO NOTHING
    RETURNING id, owner_id, external_id, version, state, cutoff_at
    """
)
UPDATE_ORDER = text(
    """
    UPDATE outbound_order
       SET source_version = :source_version, priority = :priority, allow_partial = :allow_partial,
           carrier_id = :carrier_id, service = :service, cutoff_at = :cutoff_at,
           ship_to = CAST(:ship_to AS jsonb), version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    RETURNING id, owner_id, external_id, version, state, cutoff_at
    """
)
COUNT_ON = text(
    """
    UPDATE outbound_order SET source_version = :given
     WHERE warehouse_id = :warehouse_id AND id = :id AND source_version < :given
    """
)
# Only of orders that were never started: their allocations are all released and promise nothing.
FORGET_PROMISES = text(
    """
    DELETE FROM allocation a USING order_line l
     WHERE a.warehouse_id = :warehouse_id AND l.warehouse_id = :warehouse_id
       AND l.order_id = ANY (CAST(:ids AS bigint[])) AND a.order_line_id = l.id AND a.qty = 0
    """
)
FORGET_LINES = text(
    """
    DELETE FROM order_line
     WHERE warehouse_id = :warehouse_id AND order_id = ANY (CAST(:ids AS bigint[]))
    """
)
INSERT_LINES = text(
    """
    INSERT INTO order_line (warehouse_id, order_id, line_no, owner_id, item_id, ordered, waiting,
                            promised)
    SELECT :warehouse_id, t.order_id, t.line_no, t.owner_id, t.item_id, t.qty, t.qty, t.promised
      FROM unnest(CAST(:order_id AS bigint[]), CAST(:line_no AS text[]),
                  CAST(:owner_id AS bigint[]), CAST(:item_id AS bigint[]), CAST(:qty AS int[]),
                  CAST(:promised AS int[]))
        AS t (order_id, line_no, owner_id, item_id, qty, promised)
    """
)
FIND = text(
    """
    SELECT o.id FROM outbound_order o JOIN owner w ON w.id = o.owner_id
     WHERE o.warehouse_id = :warehouse_id AND w.code = :owner AND o.external_id = :external_id
    """
)
