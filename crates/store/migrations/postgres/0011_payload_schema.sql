-- What the payloads of calls have to be like: JSON Schema, as its user wrote it; null where anything goes.
ALTER TABLE triggers ADD COLUMN payload_schema TEXT;
ALTER TABLE former_triggers ADD COLUMN payload_schema TEXT;
