-- What was told of budgets and batches: of several gateways, and lives of one, whoever writes it here tells, and then writes
-- that it did.
CREATE TABLE alert_told (
    name TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    percent BIGINT NOT NULL,
    limit_m BIGINT NOT NULL,
    limit_p BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    told_ms BIGINT,
    PRIMARY KEY (name, start_ms, percent, limit_m, limit_p)
){tight};
CREATE INDEX alert_told_at ON alert_told (at_ms);
