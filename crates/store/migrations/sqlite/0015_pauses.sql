-- Why a trigger is paused, and until when. A pause is over when that has come; nobody writes that down.

ALTER TABLE triggers ADD COLUMN pause_reason TEXT;
ALTER TABLE triggers ADD COLUMN pause_until INTEGER;
ALTER TABLE former_triggers ADD COLUMN pause_reason TEXT;
ALTER TABLE former_triggers ADD COLUMN pause_until INTEGER;

-- Everything by which triggers are tallied, so that no payload is stepped over.
DROP INDEX triggers_by_state;
CREATE INDEX triggers_by_state ON triggers (owner, enabled, is_test, expires_at, (schedule IS NULL), pause_until);
