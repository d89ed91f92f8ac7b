-- A trigger that was deleted can be asked about for as long as its events are kept: its last revision is a former one, and says who
-- deleted it.

-- Null but in the last row of a deleted trigger, where `until_at` is when it was deleted, and `next_at` what it waited for then, which
-- did not fire any more.
ALTER TABLE former_triggers
    ADD COLUMN deleted_by TEXT,
    ADD COLUMN next_at    BIGINT;

CREATE INDEX former_triggers_deleted ON former_triggers (until_at, id) WHERE deleted_by IS NOT NULL;
