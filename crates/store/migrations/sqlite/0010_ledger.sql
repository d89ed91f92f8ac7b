-- Which records of a trigger's lie over a span: they end after its beginning.

CREATE INDEX skipped_by_last ON skipped (trigger_id, last_at);
