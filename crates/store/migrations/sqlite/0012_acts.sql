-- Who did what: a line for each change that somebody made, and for what the server did of itself.
CREATE TABLE acts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Whose thing it was done to; 0 for the server's own.
    owner    INTEGER NOT NULL,
    done_at  INTEGER NOT NULL,
    -- Who did it, once more for looking for it.
    by_kind  TEXT NOT NULL,
    by_id    INTEGER,
    made_by  TEXT NOT NULL,
    action   TEXT NOT NULL,
    thing    TEXT NOT NULL,
    thing_id INTEGER,
    name     TEXT,
    details  TEXT
) STRICT;
CREATE INDEX acts_by_owner ON acts (owner, id);
CREATE INDEX acts_by_age ON acts (done_at);
