-- Where this database was copied to. Once one of the copies has taken over, nobody serves this file any more.
CREATE TABLE moves (
    -- The other database knows the copy by it.
    id       TEXT PRIMARY KEY,
    -- Where the data went, for people.
    target   TEXT NOT NULL,
    moved_at INTEGER
) STRICT, WITHOUT ROWID;
