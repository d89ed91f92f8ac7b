-- By what triggers are tallied stands beside their numbers, so that the first so many of an owner are counted in order, and no payload is
-- stepped over.

DROP INDEX triggers_by_state;
DROP INDEX triggers_by_owner;
CREATE INDEX triggers_by_owner ON triggers (owner, id, enabled, is_test, expires_at, (schedule IS NULL), pause_until);
