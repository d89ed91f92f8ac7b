-- Calendars: dates that triggers share. Each trigger has them in its schedule, too, as they were when it was last written.

CREATE TABLE calendars (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       INTEGER NOT NULL,
    -- Counts the changes of name and dates, which triggers take over.
    revision    INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    created_at  INTEGER NOT NULL,
    edited_at   INTEGER NOT NULL,
    -- Dates and ranges of dates, a space between them.
    dates       TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX calendars_by_name ON calendars (owner, name);

-- Which triggers name a calendar.
CREATE TABLE trigger_calendars (
    calendar_id INTEGER NOT NULL,
    trigger_id  INTEGER NOT NULL,
    PRIMARY KEY (calendar_id, trigger_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX trigger_calendars_by_trigger ON trigger_calendars (trigger_id);
