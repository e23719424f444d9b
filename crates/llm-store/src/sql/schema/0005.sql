-- Batches whose money is not booked yet. What their hard budgets hold for them are leases under their own names.
CREATE TABLE batch_open (
    request TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    made_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    pause_ms BIGINT NOT NULL
){tight};
CREATE INDEX batch_open_due ON batch_open (due_ms);
