-- What has ended may be sent again, and an event may carry again what another one carried.

ALTER TABLE outbox
    -- How many attempts were made before the delivery was last sent again: its ladder begins after these.
    ADD COLUMN ladder_from BIGINT NOT NULL DEFAULT 0,
    -- Whether it was delivered before it was sent again: then it is when it ends, whatever comes of that.
    ADD COLUMN has_arrived BOOLEAN NOT NULL DEFAULT FALSE,
    -- How the event was counted when nothing of it was owed: 0 that never was so, 1 as failed, 2 as delivered. The same in all rows of
    -- an event.
    ADD COLUMN counted BIGINT NOT NULL DEFAULT 0;

-- Counts what was sent again. Each time the claims of a delivery are counted from higher up than ever before, so that none of a
-- former row of its may settle this one.
CREATE SEQUENCE redeliveries AS BIGINT;

-- The event whose payload this one carries again; it may be gone.
ALTER TABLE events ADD COLUMN parent BIGINT;

CREATE INDEX undelivered_by_destination ON undelivered (owner, destination, failed_at, event_id, slot);
CREATE INDEX undelivered_by_trigger ON undelivered (owner, trigger_id, failed_at, event_id, slot);
