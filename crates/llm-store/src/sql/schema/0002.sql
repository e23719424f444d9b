-- Why an action was refused; NULL: it was done.
ALTER TABLE audit ADD COLUMN refused TEXT;

-- Why requests went where they went, as JSON.
CREATE TABLE decision (
    request TEXT NOT NULL PRIMARY KEY,
    time_us BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX decision_time ON decision (time_us);
