-- What was done under keys by which callers say that two calls are one.

CREATE TABLE idempotency (
    owner   INTEGER NOT NULL,
    key     TEXT    NOT NULL,
    -- Which item of the call; 0 where it has none.
    item    INTEGER NOT NULL,
    -- A hash of what the whole call said.
    print   BLOB    NOT NULL,
    done_at INTEGER NOT NULL,
    -- The event or the trigger that was made in the same transaction; null where the answer is kept instead.
    number  INTEGER,
    -- What was answered. Both are null while it is under way; the answer also where it must not be kept.
    status  INTEGER,
    answer  BLOB,
    PRIMARY KEY (owner, key, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (done_at);
CREATE INDEX idempotency_answers ON idempotency (owner, done_at) WHERE number IS NULL;
