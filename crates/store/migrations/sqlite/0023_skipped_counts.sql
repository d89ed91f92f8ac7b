-- What did not fire is counted by its reason, where it lies, for as long as other counts.

CREATE TABLE skipped_counts (
    -- 0 for all of the owner's triggers, deleted ones too.
    trigger_id INTEGER NOT NULL,
    owner      INTEGER NOT NULL,
    -- Hours since 1970. Runs that begin in one hour, end in one hour and have one reason are counted together, so that what lies
    -- within an hour is one row, and a longer run stays one as well.
    last_hour  INTEGER NOT NULL,
    first_hour INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (trigger_id, owner, last_hour, first_hour, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX skipped_counts_by_hour ON skipped_counts (last_hour);

-- What is on record moves over. So far each record was counted in the hour of its last, without its reason; of what is older than
-- records it stays there. What a freeze held back was counted piece by piece as it fell due, and lies where it belongs.

CREATE TEMP TABLE moved AS
SELECT whose, owner, last_hour, first_hour, reason, min(first_at) AS first_at, max(last_at) AS last_at, sum(count) AS count
FROM (SELECT owner, trigger_id, reason, first_at, last_at, count,
             (first_at - (first_at % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS first_hour,
             (last_at - (last_at % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS last_hour
      FROM skipped
      WHERE reason <> 'frozen') AS records
JOIN (SELECT DISTINCT trigger_id AS of_trigger, 0 AS whose FROM skipped
      UNION ALL
      SELECT DISTINCT trigger_id, trigger_id FROM skipped WHERE trigger_id IN (SELECT id FROM triggers)) ON of_trigger = trigger_id
GROUP BY whose, owner, last_hour, first_hour, reason;

INSERT INTO skipped_counts (trigger_id, owner, last_hour, first_hour, reason, first_at, last_at, count)
SELECT whose, owner, last_hour, first_hour, reason, first_at, last_at, count FROM moved;

UPDATE counts
SET skipped = max(skipped - gone.count, 0)
FROM (SELECT whose, owner, last_hour, sum(count) AS count FROM moved GROUP BY whose, owner, last_hour) AS gone
WHERE counts.hour = gone.last_hour AND counts.owner = gone.owner AND counts.trigger_id = gone.whose;

DROP TABLE moved;
