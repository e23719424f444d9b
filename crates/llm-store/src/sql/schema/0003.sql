-- Sums by tag and owner together. Here and in `usage_tag` the lines of no tag hold what rows with tags add to all
-- others, with a minus: together with the sums of all rows they are those of rows without tags, which cost nothing more.
CREATE TABLE usage_owner_tag (
    day BIGINT NOT NULL,
    tag TEXT NOT NULL,
    key_id TEXT NOT NULL,
    team TEXT NOT NULL,
    user_id TEXT NOT NULL,
    organisation TEXT NOT NULL,
    model_asked TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
{sums},
    PRIMARY KEY (day, tag, key_id, team, user_id, organisation, model_asked, model, provider)
){tight};
