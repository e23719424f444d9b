-- How far changes have come: one row, whose lock puts all changes in one order.
CREATE TABLE head (one BIGINT NOT NULL PRIMARY KEY, revision BIGINT NOT NULL, floor BIGINT NOT NULL);
INSERT INTO head (one, revision, floor) VALUES (1, 0, 0);

-- The latest changes, for whoever follows; older ones are removed and `head.floor` says up to where.
CREATE TABLE change (revision BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE virtual_key (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    hash TEXT NOT NULL,
    previous_hash TEXT,
    name TEXT,
    team TEXT,
    organisation TEXT,
    user_id TEXT,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX virtual_key_hash ON virtual_key (hash);
CREATE INDEX virtual_key_previous ON virtual_key (previous_hash);
CREATE UNIQUE INDEX virtual_key_created ON virtual_key (created);
CREATE INDEX virtual_key_name ON virtual_key (name);
CREATE INDEX virtual_key_team ON virtual_key (team, created);
CREATE INDEX virtual_key_user ON virtual_key (user_id, created);
CREATE INDEX virtual_key_organisation ON virtual_key (organisation, created);

-- Teams, users, organisations, tags, models, providers, everything: `scope` is their text form.
CREATE TABLE owner_group (
    scope TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    created BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    name TEXT,
    organisation TEXT,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX owner_group_created ON owner_group (kind, created);
CREATE INDEX owner_group_name ON owner_group (kind, name);

CREATE TABLE audit (
    revision BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before_body TEXT,
    after_body TEXT
);
CREATE INDEX audit_object ON audit (object, revision);
CREATE INDEX audit_actor ON audit (actor, revision);

-- Money is in two columns, thousandths of a dollar and the pico-dollars below: their sums fit for ever.
CREATE TABLE budget_window (
    budget TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    zone TEXT NOT NULL,
    mode TEXT NOT NULL,
    limit_m BIGINT NOT NULL,
    limit_p BIGINT NOT NULL,
    used_m BIGINT NOT NULL,
    used_p BIGINT NOT NULL,
    PRIMARY KEY (budget, start_ms)
){tight};
CREATE INDEX budget_window_scope ON budget_window (scope, start_ms);
CREATE INDEX budget_window_end ON budget_window (end_ms);

-- `until_ms` is NULL once the lease has expired: what it has left is unknown then.
CREATE TABLE lease (
    budget TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    node TEXT NOT NULL,
    amount_m BIGINT NOT NULL,
    amount_p BIGINT NOT NULL,
    used_m BIGINT NOT NULL,
    used_p BIGINT NOT NULL,
    until_ms BIGINT,
    touched_ms BIGINT NOT NULL,
    PRIMARY KEY (budget, start_ms, node)
){tight};
CREATE INDEX lease_until ON lease (until_ms);
CREATE INDEX lease_touched ON lease (touched_ms);

-- Up to which row the journal of a node's life is in `usage_pack`.
CREATE TABLE journal_mark (node TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL, at_ms BIGINT NOT NULL);

-- Usage rows, as many as were written together: `body` is a JSON array of them, in the order of the journal, as an LZ4
-- block with its length in front. A line of its own for each would cost more than all else that is done for a request.
CREATE TABLE usage_pack (
    node TEXT NOT NULL,
    seq BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    failed_count BIGINT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    first_request TEXT NOT NULL,
    last_request TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (node, seq)
);
CREATE INDEX usage_pack_time ON usage_pack (last_us, node, seq);
CREATE INDEX usage_pack_request ON usage_pack (last_request, first_request);

-- Whom and what the rows of a pack are about: `key:…`, `team:…`, `model:…`.
CREATE TABLE usage_name (
    name TEXT NOT NULL,
    last_us BIGINT NOT NULL,
    node TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (name, last_us, node, seq)
){tight};
CREATE INDEX usage_name_time ON usage_name (last_us);

-- What feedback said of requests, from 0 to 1.
CREATE TABLE usage_quality (request TEXT NOT NULL PRIMARY KEY, quality DOUBLE PRECISION NOT NULL, last_us BIGINT NOT NULL);

-- Sums of rows, kept in the transactions that write them; they outlive the rows.
CREATE TABLE usage_hour (
    hour BIGINT NOT NULL,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    deployment TEXT NOT NULL,
{sums},
    PRIMARY KEY (hour, model_asked, model, provider, deployment)
){tight};

CREATE TABLE usage_day (
    day BIGINT NOT NULL,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    deployment TEXT NOT NULL,
{sums},
    PRIMARY KEY (day, model_asked, model, provider, deployment)
){tight};

CREATE TABLE usage_owner (
    day BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    team TEXT NOT NULL,
    user_id TEXT NOT NULL,
    organisation TEXT NOT NULL,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
{sums},
    PRIMARY KEY (day, key_id, team, user_id, organisation, model_asked, model, provider)
){tight};
CREATE INDEX usage_owner_key ON usage_owner (key_id, day);
CREATE INDEX usage_owner_team ON usage_owner (team, day);
CREATE INDEX usage_owner_user ON usage_owner (user_id, day);
CREATE INDEX usage_owner_organisation ON usage_owner (organisation, day);

CREATE TABLE usage_tag (
    day BIGINT NOT NULL,
    tag TEXT NOT NULL,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
{sums},
    PRIMARY KEY (day, tag, model_asked, model, provider)
){tight};
