-- What was told of budgets and batches: of several gateways, and lives of one, whoever writes it here tells.
CREATE TABLE alert_told (
    name TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    percent BIGINT NOT NULL,
    limit_m BIGINT NOT NULL,
    limit_p BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (name, start_ms, percent, limit_m, limit_p)
){tight};
CREATE INDEX alert_told_at ON alert_told (at_ms);
