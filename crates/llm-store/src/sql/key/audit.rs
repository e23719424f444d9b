//! Who did what, when: one entry for each change, in the transaction that makes it.
//!
//! Hashes of keys are left out. They tell nobody a key, but whoever reads the log has no use for them either.

use jiff::Timestamp;
use llm_governance::Revision;
use sqlx::{AnyConnection, Row as _};

use super::super::backend::within;
use super::super::cursor::{Page, PageAsk};
use super::super::error::SqlError;
use super::super::statement::Statement;
use super::super::store::SqlStore;
use super::unsigned;

/// One action of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The revision that it made.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: `create`, `update`, `delete`, `release_unknown`.
    pub action: String,
    /// Of what: `key:key_…`, `team:…`.
    pub object: String,
    /// How it was: a JSON object without secrets.
    pub before: Option<String>,
    /// How it is since.
    pub after: Option<String>,
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Of this object alone.
    pub object: Option<String>,
    /// By this actor alone.
    pub actor: Option<String>,
}

/// An entry to be written.
pub(in super::super) struct Entry<'a> {
    pub(in super::super) action: &'a str,
    pub(in super::super) object: &'a str,
    pub(in super::super) before: Option<String>,
    pub(in super::super) after: Option<String>,
}

impl Entry<'_> {
    pub(in super::super) async fn write(
        self,
        on: &mut AnyConnection,
        (revision, now): (i64, i64),
        by: &str,
    ) -> Result<(), SqlError> {
        let Self { action, object, before, after } = self;
        sqlx::query(
            "INSERT INTO audit (revision, at_ms, actor, action, object, before_body, after_body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(revision)
        .bind(now)
        .bind(&*super::super::text::clean(&by.into()))
        .bind(action)
        .bind(object)
        .bind(before)
        .bind(after)
        .execute(on)
        .await?;
        Ok(())
    }
}

/// A key as the log has it.
pub(super) fn key_body(body: &str) -> String {
    let Ok(mut key) = serde_json::from_str::<serde_json::Value>(body) else { return "{}".to_owned() };
    if let Some(key) = key.as_object_mut() {
        key.remove("hash");
        let more = key.get_mut("more").and_then(serde_json::Value::as_object_mut);
        if let Some(previous) = more.and_then(|more| more.get_mut("previous")) {
            // Until when the secret before is good.
            *previous = previous.get(1).cloned().unwrap_or_default();
        }
    }
    key.to_string()
}

impl SqlStore {
    /// Writes an action to the audit log that changed no key or group, or was refused: then `after` says why.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note(
        &self,
        by: &str,
        (action, object): (&str, &str),
        after: Option<String>,
    ) -> Result<(), SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            let revision = super::keep::next_revision(&mut transaction).await?;
            let entry = Entry { action, object, before: None, after };
            entry.write(&mut transaction, (revision, now), by).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// The audit log, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    pub async fn audit(&self, filter: &AuditFilter, ask: &PageAsk) -> Result<Page<AuditEntry>, SqlError> {
        let AuditFilter { from, to, object, actor } = filter;
        let mut sql = Statement::new(
            "SELECT revision, at_ms, actor, action, object, before_body, after_body FROM audit WHERE 1 = 1",
        );
        if let Some(before) = ask.place::<i64>("audit")? {
            sql.push(" AND revision < ").bind(before)?;
        }
        if let Some(from) = from {
            sql.push(" AND at_ms >= ").bind(from.as_millisecond())?;
        }
        if let Some(to) = to {
            sql.push(" AND at_ms < ").bind(to.as_millisecond())?;
        }
        if let Some(object) = object {
            sql.push(" AND object = ").bind(&**object)?;
        }
        if let Some(actor) = actor {
            sql.push(" AND actor = ").bind(&**actor)?;
        }
        sql.push(" ORDER BY revision DESC LIMIT ").bind(i64::from(ask.limit()) + 1)?;
        let rows = self.fetch(sql).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok::<_, SqlError>(AuditEntry {
                revision: unsigned(row.try_get("revision")?),
                at: Timestamp::from_millisecond(row.try_get("at_ms")?).unwrap_or_default(),
                actor: row.try_get("actor")?,
                action: row.try_get("action")?,
                object: row.try_get("object")?,
                before: row.try_get("before_body")?,
                after: row.try_get("after_body")?,
            })
        };
        let entries = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(ask.page("audit", entries, |entry| super::signed(entry.revision)))
    }
}
