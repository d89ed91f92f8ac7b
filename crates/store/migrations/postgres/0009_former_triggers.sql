-- What triggers said before they were edited, who made each revision, and when.

-- Null for what was made before this was kept. The first revision has the time of the trigger itself.
ALTER TABLE triggers
    ADD COLUMN made_by    TEXT,
    ADD COLUMN revised_at BIGINT;

-- A row of `triggers` as it stood until an edit, for as long as the trigger is there; the latest hundred of each. Events read what
-- they need of former revisions in `revisions`, which holds less, and outlives triggers.
CREATE TABLE former_triggers (
    id             BIGINT NOT NULL,
    owner          BIGINT NOT NULL,
    revision       BIGINT NOT NULL,
    name           TEXT,
    schedule       TEXT,
    payload        TEXT,
    webhook_url    TEXT,
    webhook_format TEXT,
    is_test        BOOLEAN NOT NULL,
    enabled        BOOLEAN NOT NULL,
    expires_at     BIGINT,
    created_at     BIGINT NOT NULL,
    standing_since BIGINT NOT NULL,
    destinations   TEXT,
    made_by        TEXT,
    revised_at     BIGINT,
    -- When the next one took its place.
    until_at       BIGINT NOT NULL,
    PRIMARY KEY (id, revision)
);
