-- Former revisions are kept beyond the latest hundred for as long as events may name them, and newer ones leave them room; and of a
-- deleted trigger it is known what had met an event under way. For how long events are kept is known to those who only visit,
-- and which triggers may wait to be deleted alone to whoever counts those that will fire.

-- Null for the latest hundred; else how many bytes it has and all those of its trigger that were pushed out before it.
ALTER TABLE former_triggers ADD COLUMN bytes_up_to BIGINT;

CREATE INDEX former_triggers_by_bytes ON former_triggers (id, bytes_up_to) WHERE bytes_up_to IS NOT NULL;
CREATE INDEX former_triggers_by_age ON former_triggers (until_at) WHERE bytes_up_to IS NOT NULL;

-- In the last row of a deleted trigger: whether an event of it was under way then that its occurrences were not to overlap.
ALTER TABLE former_triggers ADD COLUMN was_under_way BOOLEAN NOT NULL DEFAULT FALSE;

-- For how long whoever served last keeps events, in microseconds: one row.
CREATE TABLE retention (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    active_for BIGINT NOT NULL,
    keep_for   BIGINT NOT NULL
);

CREATE INDEX triggers_that_go ON triggers (owner, id) WHERE position('"delete_when_done":true' IN schedule) > 0;
