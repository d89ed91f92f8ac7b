-- Which end of a pause or a freeze stands in the log of acts: an end that came by itself is told once.

ALTER TABLE triggers ADD COLUMN pause_told INTEGER;
CREATE INDEX triggers_by_pause_end ON triggers (pause_until, id)
    WHERE enabled = 0 AND pause_until IS NOT NULL AND pause_told IS NOT pause_until;

ALTER TABLE freezes ADD COLUMN told_until INTEGER;
-- What somebody ended was told then.
UPDATE freezes SET told_until = until_at WHERE until_at <= (SELECT max(done_at) FROM acts);
CREATE INDEX freezes_by_end ON freezes (until_at, owner, from_at, id)
    WHERE until_at IS NOT NULL AND told_until IS NOT until_at;
