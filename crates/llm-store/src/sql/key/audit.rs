//! Who did what, when: one entry for each change, in the transaction that makes it.
//!
//! Hashes of keys are left out. They tell nobody a key, but whoever reads the log has no use for them either.

use jiff::Timestamp;
use llm_governance::report::{AuditEntry, AuditFilter, Page, PageAsk};
use sqlx::{AnyConnection, Row as _};

use super::super::backend::within;
use super::super::error::SqlError;
use super::super::statement::{Statement, rows};
use super::super::store::SqlStore;
use super::next_revision;

/// An entry to be written.
pub(in super::super) struct Entry<'a> {
    pub(in super::super) action: &'a str,
    pub(in super::super) object: &'a str,
    pub(in super::super) before: Option<String>,
    pub(in super::super) after: Option<String>,
    pub(in super::super) refused: Option<String>,
}

impl Entry<'_> {
    pub(in super::super) async fn write(
        self,
        on: &mut AnyConnection,
        (revision, now): (i64, i64),
        by: &str,
    ) -> Result<(), SqlError> {
        let Self { action, object, before, after, refused } = self;
        sqlx::query(
            "INSERT INTO audit (revision, at_ms, actor, action, object, before_body, after_body, refused) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(revision)
        .bind(now)
        .bind(&*super::super::text::clean(&by.into()))
        .bind(action)
        .bind(&*super::super::text::clean(&object.into()))
        .bind(before)
        .bind(after)
        .bind(refused)
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
    /// Writes an action into the log that changed no key or group, or was refused. Its place and its time are given
    /// here.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note(&self, entry: AuditEntry) -> Result<(), SqlError> {
        let AuditEntry { number: _, at: _, actor, action, object, before, after, refused } = entry;
        within(async {
            let mut transaction = self.db.begin().await?;
            let on = &mut *transaction;
            let revision = next_revision(on).await?;
            let now = self.db.now(on).await?;
            let refused = refused.map(|why| super::super::text::clean(&why.into()).to_string());
            let entry = Entry { action: &action, object: &object, before, after, refused };
            entry.write(on, (revision, now), &actor).await?;
            Ok(transaction.commit().await?)
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
            "SELECT revision, at_ms, actor, action, object, before_body, after_body, refused FROM audit WHERE 1 = 1",
        );
        if let Some(before) =
            ask.place::<u64>("audit")?.map(|before| i64::try_from(before).unwrap_or(i64::MAX))
        {
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
        sql.push(" ORDER BY revision DESC LIMIT ").bind(rows(ask))?;
        let rows = self.fetch(sql).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let number: i64 = row.try_get("revision")?;
            Ok::<_, SqlError>(AuditEntry {
                number: u64::try_from(number).unwrap_or_default(),
                at: Timestamp::from_millisecond(row.try_get("at_ms")?).unwrap_or_default(),
                actor: row.try_get("actor")?,
                action: row.try_get("action")?,
                object: row.try_get("object")?,
                before: row.try_get("before_body")?,
                after: row.try_get("after_body")?,
                refused: row.try_get("refused")?,
            })
        };
        let entries = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(ask.page("audit", entries, |entry| entry.number))
    }
}
