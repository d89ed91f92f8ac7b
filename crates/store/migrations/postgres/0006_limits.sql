-- How often the schedules of triggers have fired them that may fire only so often. A trigger without a limit has no row, and one that
-- has not fired under its limit none either. It stands apart from the trigger, so that plans, which lock cursors, never wait for
-- whoever locks triggers.
CREATE TABLE limits (
    trigger_id BIGINT PRIMARY KEY,
    fired      BIGINT NOT NULL
);
