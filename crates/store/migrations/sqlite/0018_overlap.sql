-- What becomes of what falls due while an event of the trigger is under way; null where it fires all the same.
ALTER TABLE triggers ADD COLUMN overlap TEXT;
ALTER TABLE former_triggers ADD COLUMN overlap TEXT;

-- The trigger whose occurrences are not to overlap this; null where they may.
ALTER TABLE outbox ADD COLUMN overlap_of INTEGER;
ALTER TABLE runs ADD COLUMN overlap_of INTEGER;
CREATE INDEX outbox_by_overlap ON outbox (overlap_of) WHERE overlap_of IS NOT NULL;
CREATE INDEX runs_by_overlap ON runs (overlap_of) WHERE overlap_of IS NOT NULL AND due_at IS NOT NULL;

-- Whether the trigger waits for an event of its own to end: then it is not looked at.
ALTER TABLE cursors ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
-- When that ended, until a plan has made use of it.
ALTER TABLE cursors ADD COLUMN waited_until INTEGER;
DROP INDEX cursors_due;
CREATE INDEX cursors_due ON cursors (next_at) WHERE NOT waits;
CREATE INDEX cursors_waiting ON cursors (next_at) WHERE waits;
