-- Occurrences that are past and still to fire, consecutive ones in a row each: what a trigger catches up with after an absence, and what
-- somebody asked for once more. The row moves on as they fire and is gone with the last.
CREATE TABLE backlogs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      INTEGER NOT NULL,
    trigger_id INTEGER NOT NULL,
    -- The revision of the trigger that names them.
    revision   INTEGER NOT NULL,
    source     TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    remaining  INTEGER NOT NULL,
    is_held    INTEGER NOT NULL,
    made_at    INTEGER NOT NULL,
    made_by    TEXT NOT NULL,
    -- When something of it fired last: whose turn it is.
    turn       INTEGER NOT NULL DEFAULT 0,
    -- The last event that came of it.
    last_event INTEGER
) STRICT;
CREATE INDEX backlogs_by_turn ON backlogs (is_held, owner, turn, id);
CREATE INDEX backlogs_by_trigger ON backlogs (trigger_id);
CREATE INDEX backlogs_by_owner ON backlogs (owner, id);
CREATE INDEX backlogs_by_age ON backlogs (made_at);
