-- When an occurrence fell due, where that was later than its nominal time, because its trigger's schedule is spread.

ALTER TABLE events ADD COLUMN due_at INTEGER;
ALTER TABLE firings ADD COLUMN due_at INTEGER;
