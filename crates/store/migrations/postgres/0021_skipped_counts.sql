-- What did not fire is counted by its reason, where it lies, for as long as other counts.

CREATE TABLE skipped_counts (
    -- 0 for all of the owner's triggers, deleted ones too.
    trigger_id BIGINT NOT NULL,
    owner      BIGINT NOT NULL,
    -- Hours since 1970. Runs that begin in one hour, end in one hour and have one reason are counted together, so that what lies
    -- within an hour is one row, and a longer run stays one as well.
    last_hour  BIGINT NOT NULL,
    first_hour BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    -- Who counts, as in counts.
    slot       BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    count      BIGINT NOT NULL,
    PRIMARY KEY (trigger_id, owner, last_hour, first_hour, reason, slot)
);
CREATE INDEX skipped_counts_by_hour ON skipped_counts (last_hour);
CREATE INDEX skipped_counts_apart ON skipped_counts (last_hour) WHERE slot <> 0;

-- What is on record moves over. So far each record was counted in the hour of its last, without its reason; of what is older than
-- records it stays there. What a freeze held back was counted piece by piece as it fell due, and lies where it belongs.

WITH moved AS (
    SELECT whose, owner, last_hour, first_hour, reason, min(first_at) AS first_at, max(last_at) AS last_at, sum(count) AS count
    FROM (SELECT owner, trigger_id, reason, first_at, last_at, count,
                 (first_at - (first_at % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS first_hour,
                 (last_at - (last_at % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS last_hour
          FROM skipped
          WHERE reason <> 'frozen') AS records
    CROSS JOIN LATERAL (SELECT 0::bigint AS whose
                        UNION ALL
                        SELECT id FROM triggers WHERE id = records.trigger_id) AS counted
    GROUP BY whose, owner, last_hour, first_hour, reason
),
arrived AS (
    INSERT INTO skipped_counts (trigger_id, owner, last_hour, first_hour, reason, slot, first_at, last_at, count)
    SELECT whose, owner, last_hour, first_hour, reason, 0, first_at, last_at, least(count, 9223372036854775807) FROM moved
),
gone AS (
    SELECT whose, owner, last_hour, sum(count) AS count FROM moved GROUP BY whose, owner, last_hour
)
-- Whoever reads adds up the slots of an hour; the first of them is nobody's.
INSERT INTO counts (owner, trigger_id, hour, slot, fired, delivered, failed, skipped, late0, late1, late2, late3, late4)
SELECT owner, whose, last_hour, 0, 0, 0, 0, -count, 0, 0, 0, 0, 0
FROM gone
WHERE count <= (SELECT sum(skipped) FROM counts
                WHERE counts.owner = gone.owner AND counts.trigger_id = gone.whose AND counts.hour = gone.last_hour)
ON CONFLICT (owner, trigger_id, hour, slot) DO UPDATE SET skipped = counts.skipped + excluded.skipped;
