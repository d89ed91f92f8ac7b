-- How often the schedules of triggers have fired them that may fire only so often. A trigger without a limit has no row, and one that
-- has not fired under its limit none either.
CREATE TABLE limits (
    trigger_id INTEGER PRIMARY KEY,
    fired      INTEGER NOT NULL
) STRICT;
