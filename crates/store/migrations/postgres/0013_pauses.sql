-- Why a trigger is paused, and until when. A pause is over when that has come; nobody writes that down.

ALTER TABLE triggers
    ADD COLUMN pause_reason TEXT,
    ADD COLUMN pause_until  BIGINT;
ALTER TABLE former_triggers
    ADD COLUMN pause_reason TEXT,
    ADD COLUMN pause_until  BIGINT;

-- Everything by which triggers are tallied, so that no payload is stepped over.
DROP INDEX triggers_by_owner;
CREATE INDEX triggers_by_owner ON triggers (owner, id) INCLUDE (enabled, is_test, expires_at, is_api, pause_until);
