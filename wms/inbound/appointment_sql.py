"""The statements of dock appointments."""

from sqlalchemy import text

_KNOWN = """
    SELECT p.id, p.external_id, p.client, p.state, p.version, p.source_version, c.code AS carrier,
           d.code AS dock, p.direction, p.starts_at, p.ends_at, p.trailer_no, p.reason,
           p.arrived_at, p.closed_at,
           ARRAY(SELECT CAST(row_to_json(r) AS text) FROM (
             SELECT o.code AS owner, a.external_id FROM appointment_asn x
               JOIN asn a ON a.warehouse_id = x.warehouse_id AND a.id = x.asn_id
               JOIN owner o ON o.id = a.owner_id
              WHERE x.warehouse_id = p.warehouse_id AND x.appointment_id = p.id
              ORDER BY 1, 2) r) AS asns
      FROM appointment p
      JOIN carrier c ON c.id = p.carrier_id
      JOIN bin d ON d.warehouse_id = p.warehouse_id AND d.id = p.dock_id
     WHERE p.warehouse_id = :warehouse_id AND (CAST(:client AS text) = '' OR p.client = :client)
"""
FIND = text(f"{_KNOWN} AND p.external_id = :external_id")
TAKE = text(f"{_KNOWN} AND p.external_id = :external_id FOR UPDATE OF p")
# appointment_start_ix
LIST = text(
    f"""
    {_KNOWN} AND (CAST(:state AS text) = '' OR p.state = :state)
       AND p.starts_at >= :since AND p.starts_at < :until
       AND (p.starts_at, p.id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
     ORDER BY p.starts_at, p.id LIMIT :limit
    """
)
CREATE = text(
    """
    INSERT INTO appointment (warehouse_id, external_id, client, source_version, carrier_id, dock_id,
                             direction, starts_at, ends_at, trailer_no)
    VALUES (:warehouse_id, :external_id, :client, :source_version, :carrier_id, :dock_id,
            :direction, :starts_at, :ends_at, :trailer_no)
    ON CONFLICT (warehouse_id, external_id) DO NOTHING
    RETURNING id
    """
)
UPDATE = text(
    """
    UPDATE appointment SET source_version = :source_version, carrier_id = :carrier_id,
           dock_id = :dock_id, direction = :direction, starts_at = :starts_at, ends_at = :ends_at,
           trailer_no = :trailer_no, version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
STEP = text(
    """
    UPDATE appointment SET state = :state, reason = :reason, version = version + 1,
           arrived_at = CASE WHEN :state = 'arrived' THEN CAST(:at AS timestamptz)
                             ELSE arrived_at END,
           closed_at = CASE WHEN :closes THEN CAST(:at AS timestamptz) END
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
# dock_slot_appointment_ix
FREE = text(
    """
    DELETE FROM dock_slot WHERE warehouse_id = :warehouse_id AND appointment_id = :id
       AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
    """
)
# The primary key decides; in the order of time, so that two bookings wait instead of deadlocking.
BOOK = text(
    """
    INSERT INTO dock_slot (warehouse_id, dock_id, at, appointment_id)
    SELECT :warehouse_id, :dock_id, quarter, :id
      FROM generate_series(date_bin('15 minutes', CAST(:starts_at AS timestamptz),
                                    '2000-01-01Z'),
                           CAST(:ends_at AS timestamptz) - interval '1 microsecond',
                           interval '15 minutes') AS quarter
     ORDER BY quarter
    ON CONFLICT (warehouse_id, dock_id, at) DO NOTHING
    """
)
TAKEN = text(
    """
    SELECT min(at) AS at FROM dock_slot
     WHERE warehouse_id = :warehouse_id AND dock_id = :dock_id AND appointment_id <> :id
       AND at >= date_bin('15 minutes', CAST(:starts_at AS timestamptz), '2000-01-01Z')
       AND at < :ends_at
    """
)
FORGET_ASNS = text(
    "DELETE FROM appointment_asn WHERE warehouse_id = :warehouse_id AND appointment_id = :id"
)
BRING = text(
    """
    INSERT INTO appointment_asn (warehouse_id, appointment_id, asn_id)
    SELECT :warehouse_id, :id, asn_id FROM unnest(CAST(:asn_ids AS bigint[])) AS asn_id
    """
)
SLOTS = text(
    """
    SELECT d.code AS dock, s.at
      FROM bin d
      LEFT JOIN dock_slot s ON s.warehouse_id = d.warehouse_id AND s.dock_id = d.id
       AND s.at >= :since AND s.at < :until
     WHERE d.warehouse_id = :warehouse_id AND d.kind = 'dock' AND NOT d.blocked
       AND (CAST(:dock AS text) = '' OR d.code = :dock)
     ORDER BY d.code, s.at
    """
)
ZONE = text("SELECT timezone FROM warehouse WHERE id = :warehouse_id")
# appointment_start_ix: trucks whose goods are being received are here; those an hour late are not.
DUE = text(
    """
    SELECT p.external_id, a.came
      FROM appointment p
     CROSS JOIN LATERAL (
       SELECT count(*) > 0 AS came FROM appointment_asn x
         JOIN asn a ON a.warehouse_id = x.warehouse_id AND a.id = x.asn_id
        WHERE x.warehouse_id = p.warehouse_id AND x.appointment_id = p.id
          AND a.state IN ('receiving', 'closed')) a
     WHERE p.warehouse_id = :warehouse_id AND p.state = 'booked'
       AND p.starts_at < CAST(:at AS timestamptz) + interval '1 day'
       AND (a.came OR p.ends_at < :missed)
     ORDER BY p.starts_at, p.id LIMIT 100
    """
)
