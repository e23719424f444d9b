//! Keeping changes: the objects, the changes themselves for whoever follows, and the audit log, in one transaction.

use llm_governance::{Change, Error, Group, Key, KeyId, Revision, Scope};
use sqlx::{AnyConnection, Row as _};

use super::super::backend::{Backend, within};
use super::super::error::SqlError;
use super::super::store::SqlStore;
use super::super::text;
use super::audit::{Entry, key_body};
use super::changes::CHANNEL;
use super::{signed, unsigned};

/// How many changes are kept for those who follow; who is further behind loads everything.
const FOLLOWED: i64 = 10_000;
/// After how many changes older ones are removed.
const SWEEP: i64 = 256;

/// What a transaction of changes knows.
struct Keeping<'a> {
    on: &'a mut AnyConnection,
    revision: i64,
    now: i64,
    by: Author<'a>,
}

/// Who makes changes, and how the audit log calls that; `None`: by what becomes of the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author<'a> {
    pub(super) name: &'a str,
    pub(super) action: Option<&'a str>,
}

impl SqlStore {
    /// Keeps several changes, all or none, with a word on who made them. They are in force once this returns.
    ///
    /// # Errors
    /// When the store cannot be written, or a change contradicts what is kept.
    pub async fn keep_all(&self, changes: &[Change], by: &str) -> Result<Revision, SqlError> {
        within(self.keep_in_one(changes, None, Author { name: by, action: None })).await
    }

    /// Keeps a change of something that was read at `seen`, unless somebody else has changed it since.
    ///
    /// # Errors
    /// [`SqlError::Conflict`] when it was changed since; else as [`keep_all`](Self::keep_all).
    pub async fn keep_if(&self, change: &Change, seen: Revision, by: &str) -> Result<Revision, SqlError> {
        let by = Author { name: by, action: None };
        within(self.keep_in_one(std::slice::from_ref(change), Some(seen), by)).await
    }

    pub(super) async fn keep_in_one(
        &self,
        changes: &[Change],
        seen: Option<Revision>,
        by: Author<'_>,
    ) -> Result<Revision, SqlError> {
        let mut transaction = self.db.begin().await?;
        let now = self.db.now(&mut transaction).await?;
        let mut newest = 0;
        for change in changes {
            let revision = next_revision(&mut transaction).await?;
            let mut keeping = Keeping { on: &mut transaction, revision, now, by };
            keeping.keep(change, seen.map(signed)).await?;
            newest = revision;
        }
        if newest == 0 {
            return Ok(super::head(&mut transaction).await?.0);
        }
        sweep(&mut transaction, newest, changes.len()).await?;
        if self.db.backend == Backend::Postgres {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(newest.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        let newest = unsigned(newest);
        self.newest.send_modify(|known| *known = newest.max(*known));
        Ok(newest)
    }
}

/// Takes the next revision, and with it the lock that puts changes in one order: who reads up to a revision has read
/// all before it.
pub(in super::super) async fn next_revision(on: &mut AnyConnection) -> Result<i64, SqlError> {
    let sql = "UPDATE head SET revision = revision + 1 WHERE one = 1 RETURNING revision";
    Ok(sqlx::query_scalar(sql).fetch_one(on).await?)
}

async fn sweep(on: &mut AnyConnection, newest: i64, changes: usize) -> Result<(), SqlError> {
    let floor = newest - FOLLOWED;
    let due = newest % SWEEP == 0 || i64::try_from(changes).unwrap_or(i64::MAX) >= SWEEP;
    if floor <= 0 || !due {
        return Ok(());
    }
    sqlx::query("DELETE FROM change WHERE revision <= $1").bind(floor).execute(&mut *on).await?;
    sqlx::query("UPDATE head SET floor = $1 WHERE one = 1 AND floor < $1").bind(floor).execute(on).await?;
    Ok(())
}

impl Keeping<'_> {
    async fn keep(&mut self, change: &Change, seen: Option<i64>) -> Result<(), SqlError> {
        match change {
            Change::PutKey(key) => self.put_key(key, seen).await?,
            Change::RemoveKey(id) => self.remove_key(*id, seen).await?,
            Change::Put(scope, group) => self.put(scope, group, seen).await?,
            Change::Remove(scope) => self.remove(scope, seen).await?,
        }
        let body = json("change", change)?;
        sqlx::query("INSERT INTO change (revision, body) VALUES ($1, $2)")
            .bind(self.revision)
            .bind(body)
            .execute(&mut *self.on)
            .await?;
        Ok(())
    }

    async fn put_key(&mut self, key: &Key, seen: Option<i64>) -> Result<(), SqlError> {
        key.terms.check()?;
        let (id, hash) = (key.id.to_string(), key.hash.to_string());
        let name = key.more.as_ref().and_then(|more| more.name.as_deref());
        for (what, text) in [
            ("key's name", name),
            ("team", key.team.as_deref()),
            ("organisation", key.organisation.as_deref()),
            ("user", key.user.as_deref()),
        ] {
            text::check(what, text.unwrap_or_default())?;
        }
        self.only_one(key.id, &hash).await?;
        let before = self.before("SELECT updated, body FROM virtual_key WHERE id = $1", &id, seen).await?;
        sqlx::query(
            "INSERT INTO virtual_key (id, created, created_ms, updated, updated_ms, hash, previous_hash, name, \
             team, organisation, user_id, body) VALUES ($1, $2, $3, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (id) DO UPDATE SET updated = excluded.updated, updated_ms = excluded.updated_ms, \
             hash = excluded.hash, previous_hash = excluded.previous_hash, name = excluded.name, \
             team = excluded.team, organisation = excluded.organisation, user_id = excluded.user_id, \
             body = excluded.body",
        )
        .bind(&id)
        .bind(self.revision)
        .bind(self.now)
        .bind(hash)
        .bind(key.previous().map(|(hash, _)| hash.to_string()))
        .bind(name)
        .bind(key.team.as_deref())
        .bind(key.organisation.as_deref())
        .bind(key.user.as_deref())
        .bind(json("key", key)?)
        .execute(&mut *self.on)
        .await?;
        let (action, object) = (put_word(before.is_none()), format!("key:{id}"));
        let (before, after) = (before.map(|body| key_body(&body)), Some(key_body(&json("key", key)?)));
        self.log(Entry { action, object: &object, before, after, refused: None }).await
    }

    /// No two keys may have one secret, the one before included.
    async fn only_one(&mut self, id: KeyId, hash: &str) -> Result<(), SqlError> {
        let other: Option<String> = sqlx::query_scalar(
            "SELECT id FROM virtual_key WHERE (hash = $1 OR previous_hash = $1) AND id <> $2 LIMIT 1",
        )
        .bind(hash)
        .bind(id.to_string())
        .fetch_optional(&mut *self.on)
        .await?;
        match other {
            Some(other) => Err(Error::DuplicateKey(other.parse()?).into()),
            None => Ok(()),
        }
    }

    async fn remove_key(&mut self, id: KeyId, seen: Option<i64>) -> Result<(), SqlError> {
        let text = id.to_string();
        let before = self.before("SELECT updated, body FROM virtual_key WHERE id = $1", &text, seen).await?;
        let Some(before) = before else { return Err(Error::NotFound(text).into()) };
        sqlx::query("DELETE FROM virtual_key WHERE id = $1").bind(&text).execute(&mut *self.on).await?;
        let object = format!("key:{text}");
        self.log(Entry {
            action: "delete",
            object: &object,
            before: Some(key_body(&before)),
            after: None,
            refused: None,
        })
        .await
    }

    async fn put(&mut self, scope: &Scope, group: &Group, seen: Option<i64>) -> Result<(), SqlError> {
        if matches!(scope, Scope::Key(_)) {
            return Err(Error::NotFound(scope.to_string()).into());
        }
        group.terms.check()?;
        let object = scope.to_string();
        text::check("id", &object)?;
        text::check("name", group.name.as_deref().unwrap_or_default())?;
        text::check("organisation", group.organisation.as_deref().unwrap_or_default())?;
        let body = json("group", group)?;
        let before =
            self.before("SELECT updated, body FROM owner_group WHERE scope = $1", &object, seen).await?;
        sqlx::query(
            "INSERT INTO owner_group (scope, kind, created, created_ms, updated, updated_ms, name, organisation, \
             body) VALUES ($1, $2, $3, $4, $3, $4, $5, $6, $7) \
             ON CONFLICT (scope) DO UPDATE SET updated = excluded.updated, updated_ms = excluded.updated_ms, \
             name = excluded.name, organisation = excluded.organisation, body = excluded.body",
        )
        .bind(&object)
        .bind(scope.kind())
        .bind(self.revision)
        .bind(self.now)
        .bind(group.name.as_deref())
        .bind(group.organisation.as_deref())
        .bind(&body)
        .execute(&mut *self.on)
        .await?;
        let action = put_word(before.is_none());
        self.log(Entry { action, object: &object, before, after: Some(body), refused: None }).await
    }

    async fn remove(&mut self, scope: &Scope, seen: Option<i64>) -> Result<(), SqlError> {
        let object = scope.to_string();
        let before =
            self.before("SELECT updated, body FROM owner_group WHERE scope = $1", &object, seen).await?;
        if before.is_none() {
            return Err(Error::NotFound(object).into());
        }
        sqlx::query("DELETE FROM owner_group WHERE scope = $1").bind(&object).execute(&mut *self.on).await?;
        self.log(Entry { action: "delete", object: &object, before, after: None, refused: None }).await
    }

    /// What was kept before, where nobody has changed it since it was seen.
    async fn before(
        &mut self,
        sql: &'static str,
        id: &str,
        seen: Option<i64>,
    ) -> Result<Option<String>, SqlError> {
        let Some(row) = sqlx::query(sql).bind(id).fetch_optional(&mut *self.on).await? else {
            return match seen {
                Some(_) => Err(Error::NotFound(id.to_owned()).into()),
                None => Ok(None),
            };
        };
        let updated: i64 = row.try_get("updated")?;
        if seen.is_some_and(|seen| updated > seen) {
            return Err(SqlError::Conflict { object: id.to_owned() });
        }
        Ok(Some(row.try_get("body")?))
    }

    async fn log(&mut self, entry: Entry<'_>) -> Result<(), SqlError> {
        let Author { name, action } = self.by;
        let entry = Entry { action: action.unwrap_or(entry.action), ..entry };
        entry.write(self.on, (self.revision, self.now), name).await
    }
}

fn put_word(new: bool) -> &'static str {
    if new { "create" } else { "update" }
}

fn json(what: &'static str, value: &impl serde::Serialize) -> Result<String, SqlError> {
    serde_json::to_string(value).map_err(|error| SqlError::unreadable(what)(error.into()))
}
