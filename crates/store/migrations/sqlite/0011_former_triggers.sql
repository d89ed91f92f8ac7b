-- What triggers said before they were edited, who made each revision, and when.

-- Null for what was made before this was kept. The first revision has the time of the trigger itself.
ALTER TABLE triggers ADD COLUMN made_by TEXT;
ALTER TABLE triggers ADD COLUMN revised_at INTEGER;

-- A row of `triggers` as it stood until an edit, for as long as the trigger is there; the latest hundred of each. Events read what
-- they need of former revisions in `revisions`, which holds less, and outlives triggers.
CREATE TABLE former_triggers (
    id             INTEGER NOT NULL,
    owner          INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    name           TEXT,
    schedule       TEXT,
    payload        TEXT,
    webhook_url    TEXT,
    webhook_format TEXT,
    is_test        INTEGER NOT NULL,
    enabled        INTEGER NOT NULL,
    expires_at     INTEGER,
    created_at     INTEGER NOT NULL,
    standing_since INTEGER NOT NULL,
    destinations   TEXT,
    made_by        TEXT,
    revised_at     INTEGER,
    -- When the next one took its place.
    until_at       INTEGER NOT NULL,
    PRIMARY KEY (id, revision)
) STRICT;
