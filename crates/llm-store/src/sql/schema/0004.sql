-- Who books a batch, and since when: gateways that see its end in the same moment ask here first.
CREATE TABLE batch_booked (
    request TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    claimed_ms BIGINT NOT NULL
){tight};
