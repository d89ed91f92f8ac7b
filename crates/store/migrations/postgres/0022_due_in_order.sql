-- What is due is gone along by instant and number, so that whoever goes on from one of them meets nothing twice and passes nothing over.

DROP INDEX cursors_due;
CREATE INDEX cursors_due ON cursors (next_at, trigger_id) WHERE NOT waits;
