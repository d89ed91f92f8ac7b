-- Exactly the destinations that are failing: the attempts in a row that failed, from the first one on.
CREATE TABLE streaks (
    destination_id BIGINT PRIMARY KEY,
    failures       BIGINT NOT NULL,
    since          BIGINT NOT NULL,
    -- The destination that was told of it last, and when; both or neither.
    told           BIGINT,
    told_at        BIGINT
);

-- Whether a destination takes deliveries in order, as its definition says.
ALTER TABLE destinations ADD COLUMN in_order BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX destinations_in_order ON destinations (id) WHERE in_order;

-- The same of what is owed to it. What waits there for those before it is due in the year 9999.
ALTER TABLE outbox ADD COLUMN in_order BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX outbox_in_order ON outbox (destination, event_id, slot) WHERE in_order;
CREATE INDEX outbox_in_order_due ON outbox (due_at) WHERE in_order;
CREATE INDEX outbox_under_way ON outbox (destination, due_at) WHERE in_order AND held_by IS NOT NULL;
