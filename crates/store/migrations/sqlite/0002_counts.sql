-- Counts and firings in short, which outlive events; how somebody likes their pages; and what a session's program is called.

ALTER TABLE users ADD COLUMN zone TEXT;
ALTER TABLE users ADD COLUMN shown_in TEXT NOT NULL DEFAULT 'mine';
ALTER TABLE users ADD COLUMN theme TEXT NOT NULL DEFAULT 'system';
ALTER TABLE users ADD COLUMN shortcuts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';

-- The hour stands first, so that whatever is counted together is written together, and what is old lies together.
CREATE TABLE counts (
    -- Hours since 1970.
    hour        INTEGER NOT NULL,
    owner       INTEGER NOT NULL,
    -- 0 for all of the owner's triggers, deleted ones too.
    trigger_id  INTEGER NOT NULL,
    fired       INTEGER NOT NULL,
    delivered   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    skipped     INTEGER NOT NULL,
    late0       INTEGER NOT NULL,
    late1       INTEGER NOT NULL,
    late2       INTEGER NOT NULL,
    late3       INTEGER NOT NULL,
    late4       INTEGER NOT NULL,
    -- The hour's newest event of one trigger that was delivered or failed, and when it fired.
    ended_at    INTEGER,
    ended_event INTEGER,
    PRIMARY KEY (hour, owner, trigger_id)
) STRICT, WITHOUT ROWID;

-- Deleted triggers whose own counts are still there; nobody can see those any more. They go an hour after the other.
CREATE TABLE uncounted (
    trigger_id INTEGER PRIMARY KEY,
    owner      INTEGER NOT NULL,
    -- From which hour on there are counts.
    hour       INTEGER NOT NULL
) STRICT;

-- What events that are gone leave in short.
CREATE TABLE firings (
    trigger_id   INTEGER NOT NULL,
    fired_at     INTEGER NOT NULL,
    event_id     INTEGER NOT NULL,
    origin       INTEGER NOT NULL,
    scheduled_at INTEGER,
    outcome      TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    took_us      INTEGER,
    PRIMARY KEY (trigger_id, fired_at, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX firings_by_event ON firings (event_id);

-- A row exists exactly while an event is kept whose delivery failed for good.
CREATE TABLE failures (
    event_id   INTEGER PRIMARY KEY,
    owner      INTEGER NOT NULL,
    trigger_id INTEGER NOT NULL,
    fired_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX failures_by_owner ON failures (owner, fired_at);
CREATE INDEX failures_by_trigger ON failures (owner, trigger_id, fired_at);

-- Everything by which triggers are tallied, so that no payload is stepped over.
CREATE INDEX triggers_by_state ON triggers (owner, enabled, is_test, expires_at, (schedule IS NULL));

-- What the events and records that are there say already.

INSERT INTO failures (event_id, owner, trigger_id, fired_at)
SELECT id, owner, trigger_id, fired_at
FROM events
WHERE EXISTS (SELECT 1 FROM attempts WHERE event_id = events.id)
  AND NOT EXISTS (SELECT 1 FROM attempts WHERE event_id = events.id AND delivered)
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE event_id = events.id);

CREATE TEMP TABLE counted AS
SELECT id, owner, trigger_id, fired_at,
       (fired_at - (fired_at % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS hour,
       fired_at - scheduled_at AS late,
       EXISTS (SELECT 1 FROM attempts WHERE event_id = events.id AND delivered) AS is_delivered,
       EXISTS (SELECT 1 FROM failures WHERE event_id = events.id) AS is_failed
FROM events
WHERE origin <> 3;

-- Deleted triggers too at first, for the sake of the totals.
INSERT INTO counts (hour, owner, trigger_id, fired, delivered, failed, skipped, late0, late1, late2, late3, late4)
SELECT hour, owner, trigger_id, count(*), sum(is_delivered), sum(is_failed), 0,
       count(*) FILTER (WHERE late <= 10000),
       count(*) FILTER (WHERE late > 10000 AND late <= 100000),
       count(*) FILTER (WHERE late > 100000 AND late <= 1000000),
       count(*) FILTER (WHERE late > 1000000 AND late <= 10000000),
       count(*) FILTER (WHERE late > 10000000)
FROM counted
GROUP BY hour, owner, trigger_id;

INSERT INTO counts (hour, owner, trigger_id, fired, delivered, failed, skipped, late0, late1, late2, late3, late4)
SELECT (last_at - (last_at % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS hour,
       owner, trigger_id, 0, 0, 0, sum(count), 0, 0, 0, 0, 0
FROM skipped
GROUP BY 1, owner, trigger_id
ON CONFLICT (hour, owner, trigger_id) DO UPDATE SET skipped = excluded.skipped;

INSERT INTO counts (hour, owner, trigger_id, fired, delivered, failed, skipped, late0, late1, late2, late3, late4)
SELECT hour, owner, 0, sum(fired), sum(delivered), sum(failed), sum(skipped),
       sum(late0), sum(late1), sum(late2), sum(late3), sum(late4)
FROM counts
GROUP BY hour, owner;

DELETE FROM counts WHERE trigger_id <> 0 AND trigger_id NOT IN (SELECT id FROM triggers);

UPDATE counts
SET ended_at = ended.fired_at, ended_event = ended.id
FROM (SELECT hour, owner, trigger_id, fired_at, id,
             row_number() OVER (PARTITION BY hour, owner, trigger_id ORDER BY fired_at DESC, id DESC) AS place
      FROM counted
      WHERE is_delivered OR is_failed) AS ended
WHERE ended.place = 1
  AND counts.hour = ended.hour AND counts.owner = ended.owner AND counts.trigger_id = ended.trigger_id;

DROP TABLE counted;
