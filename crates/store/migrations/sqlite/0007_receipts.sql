-- Receipts of attempts: what was sent, how long the parts of the way took, what the answer's headers said.

-- They are far wider than attempts, which lists read, so they stand apart from them, each behind the one before.
CREATE TABLE receipts (
    id   INTEGER PRIMARY KEY,
    -- Everything but the body.
    head BLOB NOT NULL,
    -- Null where nothing was sent, and where it is that of the latest attempt before with one.
    body BLOB
) STRICT;

-- Null for what was tried before receipts were kept.
ALTER TABLE attempts ADD COLUMN receipt INTEGER;
