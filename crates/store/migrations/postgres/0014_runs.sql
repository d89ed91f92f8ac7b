-- What a trigger expects to be reported of its events, as JSON; null where nothing is.
ALTER TABLE triggers ADD COLUMN expects TEXT;
ALTER TABLE former_triggers ADD COLUMN expects TEXT;

-- The runs of the events of those triggers.
CREATE TABLE runs (
    event_id   BIGINT PRIMARY KEY,
    owner      BIGINT NOT NULL,
    trigger_id BIGINT NOT NULL,
    -- When the event fired: they are listed by it, and go with it.
    fired_at   BIGINT NOT NULL,
    -- By when something has to be heard of it; null where nothing has to be any more.
    due_at     BIGINT,
    -- All that is known of it, as JSON.
    said       TEXT NOT NULL
);
CREATE INDEX runs_by_due ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_by_trigger ON runs (trigger_id, fired_at, event_id);
