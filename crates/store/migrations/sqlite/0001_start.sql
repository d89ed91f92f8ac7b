-- Instants are microseconds since 1970 in UTC. Events, attempts and skipped are append-only; cursors and outbox are the
-- small hot tables, so that a firing never rewrites a trigger's definition.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT NOT NULL,
    -- Lower case, for comparing; empty for the built-in user of the mode without login.
    email_key     TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    is_operator   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    disabled_at   INTEGER
) STRICT;

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    user_id    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    owner        INTEGER NOT NULL,
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_owner ON api_keys (owner, id);

CREATE TABLE triggers (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    owner          INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    name           TEXT,
    -- JSON; null for an API trigger.
    schedule       TEXT,
    payload        TEXT,
    webhook_url    TEXT,
    webhook_format TEXT,
    is_test        INTEGER NOT NULL,
    enabled        INTEGER NOT NULL,
    expires_at     INTEGER,
    created_at     INTEGER NOT NULL,
    standing_since INTEGER NOT NULL
) STRICT;
CREATE INDEX triggers_by_owner ON triggers (owner, id);

-- What former revisions said, for as long as an event may name them: an event stores no name, and no payload that its
-- revision has already. A deleted trigger's last revision is here, and so is a trigger that was only tried out.
CREATE TABLE revisions (
    trigger_id     INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    name           TEXT,
    payload        TEXT,
    webhook_url    TEXT,
    webhook_format TEXT,
    ended_at       INTEGER NOT NULL,
    UNIQUE (trigger_id, revision)
) STRICT;
CREATE INDEX revisions_by_end ON revisions (ended_at);

-- One row for each trigger that waits for something.
CREATE TABLE cursors (
    trigger_id INTEGER PRIMARY KEY,
    next_at    INTEGER NOT NULL,
    revision   INTEGER NOT NULL
) STRICT;
CREATE INDEX cursors_due ON cursors (next_at);

CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    owner        INTEGER NOT NULL,
    trigger_id   INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    origin       INTEGER NOT NULL,
    scheduled_at INTEGER,
    fired_at     INTEGER NOT NULL,
    message_id   BLOB NOT NULL,
    -- Only where it differs from the revision's.
    payload      TEXT
) STRICT;
-- Invariant 1: no occurrence ever has two events.
CREATE UNIQUE INDEX events_occurrence ON events (trigger_id, scheduled_at) WHERE scheduled_at IS NOT NULL;
CREATE INDEX events_by_owner ON events (owner, fired_at);
CREATE INDEX events_by_trigger ON events (owner, trigger_id, fired_at);
CREATE INDEX events_by_age ON events (fired_at);

-- A row exists exactly while something is owed.
CREATE TABLE outbox (
    event_id   INTEGER PRIMARY KEY,
    -- When it may be claimed: the next attempt's time, or the end of the claim that holds it.
    due_at     INTEGER NOT NULL,
    -- Whether a claim holds it.
    is_held    INTEGER NOT NULL,
    tried      INTEGER NOT NULL,
    -- Counts the claims; only the latest may settle.
    fence      INTEGER NOT NULL,
    is_default INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE attempts (
    event_id   INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    is_default INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    took_us    INTEGER NOT NULL,
    status     INTEGER,
    error      TEXT,
    answer     BLOB,
    delivered  INTEGER NOT NULL,
    PRIMARY KEY (event_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE skipped (
    id          INTEGER PRIMARY KEY,
    owner       INTEGER NOT NULL,
    trigger_id  INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX skipped_by_trigger ON skipped (trigger_id, id);
CREATE INDEX skipped_by_age ON skipped (recorded_at);

-- Times in which nobody ran.
CREATE TABLE absences (
    from_at INTEGER PRIMARY KEY,
    to_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('tried_out_triggers', 0);
