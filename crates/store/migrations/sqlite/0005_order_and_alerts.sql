-- Exactly the destinations that are failing: the attempts in a row that failed, from the first one on.
CREATE TABLE streaks (
    destination_id INTEGER PRIMARY KEY,
    failures       INTEGER NOT NULL,
    since          INTEGER NOT NULL,
    -- The destination that was told of it last, and when; both or neither.
    told           INTEGER,
    told_at        INTEGER
) STRICT;

-- Whether a destination takes deliveries in order, as its definition says.
ALTER TABLE destinations ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;

-- The same of what is owed to it. What waits there for those before it is due in the year 9999.
ALTER TABLE outbox ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_in_order ON outbox (destination, event_id, slot) WHERE in_order;
CREATE INDEX outbox_under_way ON outbox (destination, due_at) WHERE in_order AND is_held;
