-- Destinations: things of their own, to any number of which a trigger sends. An event has a delivery for each, numbered by slot.

CREATE TABLE destinations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    -- Two things that stand in the definition, for whoever wants no more.
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    -- Whether deliveries go there: 0 they do, 1 its owner paused it, 2 it was suspended.
    standing   INTEGER NOT NULL,
    -- Since when they do not, and why.
    since      INTEGER,
    reason     TEXT,
    created_at INTEGER NOT NULL,
    -- JSON: what its user said, secrets and all. Last, so that nothing that may be long lies before what is short.
    definition TEXT NOT NULL
) STRICT;
CREATE INDEX destinations_by_owner ON destinations (owner, id);
CREATE INDEX destinations_stopped ON destinations (owner, id) WHERE standing <> 0;

-- JSON: the numbers of the destinations, in the order of their deliveries; null where there are none.
ALTER TABLE triggers ADD COLUMN destinations TEXT;

-- The same once more, to tell which triggers send to a destination.
CREATE TABLE trigger_destinations (
    destination_id INTEGER NOT NULL,
    trigger_id     INTEGER NOT NULL,
    PRIMARY KEY (destination_id, trigger_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX trigger_destinations_by_trigger ON trigger_destinations (trigger_id);

-- Exactly the destinations to which a rate has given turns. When the bucket of its rate will be full again.
CREATE TABLE turns (
    destination_id INTEGER PRIMARY KEY,
    full_at        INTEGER NOT NULL
) STRICT;

ALTER TABLE outbox RENAME TO former_outbox;
-- A row exists exactly while a delivery is owed.
CREATE TABLE outbox (
    event_id    INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    -- 0 for the trigger's own address, -1 for the operator's default, else a destination's number.
    destination INTEGER NOT NULL,
    -- How many deliveries the event has.
    deliveries  INTEGER NOT NULL,
    -- When it may be claimed: the next attempt's time, or the end of the claim that holds it or of its being parked.
    due_at      INTEGER NOT NULL,
    -- Whether a claim holds it.
    is_held     INTEGER NOT NULL,
    -- Whether it waits until its destination takes deliveries.
    is_parked   INTEGER NOT NULL,
    tried       INTEGER NOT NULL,
    -- Counts the claims; only the latest may settle.
    fence       INTEGER NOT NULL,
    PRIMARY KEY (event_id, slot)
) STRICT, WITHOUT ROWID;
INSERT INTO outbox (event_id, slot, destination, deliveries, due_at, is_held, is_parked, tried, fence)
SELECT event_id, 0, -is_default, 1, due_at, is_held, 0, tried, fence FROM former_outbox ORDER BY event_id;
DROP TABLE former_outbox;
CREATE INDEX outbox_due ON outbox (due_at);
-- What is parked for a destination, or waits for its next attempt there; not what was just logged and mostly goes at once.
CREATE INDEX outbox_waiting ON outbox (destination) WHERE destination > 0 AND (is_parked OR tried > 0);

ALTER TABLE attempts RENAME TO former_attempts;
CREATE TABLE attempts (
    event_id    INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    -- As in the outbox.
    destination INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    took_us     INTEGER NOT NULL,
    status      INTEGER,
    error       TEXT,
    answer      BLOB,
    delivered   INTEGER NOT NULL,
    PRIMARY KEY (event_id, slot, number)
) STRICT, WITHOUT ROWID;
INSERT INTO attempts (event_id, slot, number, destination, started_at, took_us, status, error, answer, delivered)
SELECT event_id, 0, number, -is_default, started_at, took_us, status, error, answer, delivered
FROM former_attempts ORDER BY event_id, number;
DROP TABLE former_attempts;

-- A row exists exactly while an event is kept of which this delivery was given up. `failures` has those of which nothing is
-- owed any more.
CREATE TABLE undelivered (
    event_id    INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    -- As in the outbox.
    destination INTEGER NOT NULL,
    owner       INTEGER NOT NULL,
    trigger_id  INTEGER NOT NULL,
    fired_at    INTEGER NOT NULL,
    failed_at   INTEGER NOT NULL,
    -- Only where no attempt says it.
    why         TEXT,
    PRIMARY KEY (event_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX undelivered_by_owner ON undelivered (owner, failed_at);
INSERT INTO undelivered (event_id, slot, destination, owner, trigger_id, fired_at, failed_at)
SELECT failures.event_id, 0, min(attempts.destination), owner, trigger_id, fired_at,
       coalesce(max(attempts.started_at + attempts.took_us), fired_at)
FROM failures JOIN attempts ON attempts.event_id = failures.event_id
GROUP BY failures.event_id;

-- What arrived at inboxes, the receivers inside oncue.
CREATE TABLE arrivals (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    event_id    INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    arrived_at  INTEGER NOT NULL,
    method      TEXT NOT NULL,
    -- Of the whole body.
    body_bytes  INTEGER NOT NULL,
    -- The secret that the signature fits; or else why it fits none. Neither where there was none to check with.
    signed_by   TEXT,
    unverified  TEXT,
    -- Null where the answer was not waited for.
    status      INTEGER,
    waited_us   INTEGER NOT NULL,
    -- JSON: pairs of name and value.
    headers     TEXT NOT NULL,
    -- What the headers and the kept part of the body take.
    size        INTEGER NOT NULL,
    body        BLOB NOT NULL
) STRICT;
CREATE INDEX arrivals_by_owner ON arrivals (owner, id, size);
CREATE INDEX arrivals_by_destination ON arrivals (destination, id);
CREATE INDEX arrivals_by_age ON arrivals (arrived_at, id);
