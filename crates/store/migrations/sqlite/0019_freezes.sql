-- Times in which nothing fires that schedules name.
CREATE TABLE freezes (
    id       INTEGER PRIMARY KEY,
    -- Whose triggers; 0 for everybody's.
    owner    INTEGER NOT NULL,
    reason   TEXT,
    from_at  INTEGER NOT NULL,
    -- When it is or was over; null for one that somebody has to end.
    until_at INTEGER,
    made_by  TEXT NOT NULL
) STRICT;
CREATE INDEX freezes_by_owner ON freezes (owner, from_at);

-- One row: how often somebody froze or thawed. Plans say what it was when they were made.
CREATE TABLE freezing (
    edition INTEGER NOT NULL
) STRICT;
INSERT INTO freezing (edition) VALUES (0);
