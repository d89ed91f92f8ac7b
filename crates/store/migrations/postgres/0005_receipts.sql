-- Receipts of attempts: what was sent, how long the parts of the way took, what the answer's headers said. Both are null for what
-- was tried before receipts were kept.
ALTER TABLE attempts
    -- Everything but the body.
    ADD COLUMN receipt BYTEA,
    -- Null as well where nothing was sent, and where it is that of the latest attempt before with one.
    ADD COLUMN body    BYTEA;
