-- Which release of the zone data is in use, which one was before, and since when: one row.
CREATE TABLE zone_data (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    release        TEXT NOT NULL,
    release_before TEXT,
    since_at       INTEGER NOT NULL
) STRICT;
