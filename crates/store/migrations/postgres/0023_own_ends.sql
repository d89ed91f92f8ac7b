-- Which expiry of a trigger stands in the log of acts: one that came by itself is told once. And up to where a trigger's firings were counted against
-- its limit, and what was when a revision of it ended: by that it is known which occurrence was the last that it may have fired at.

ALTER TABLE triggers ADD COLUMN expiry_told BIGINT;
-- What expired before anybody told of such a thing is told by nobody now.
UPDATE triggers SET expiry_told = expires_at WHERE expires_at <= extract(epoch FROM clock_timestamp()) * 1000000;
CREATE INDEX triggers_by_expiry ON triggers (expires_at, id)
    WHERE expires_at IS NOT NULL AND expiry_told IS DISTINCT FROM expires_at;

ALTER TABLE limits ADD COLUMN counted_until BIGINT;
ALTER TABLE former_triggers ADD COLUMN fired BIGINT, ADD COLUMN counted_until BIGINT;
