//! `/admin/v1/audit`: who administered what.

use http::StatusCode;
use llm_governance::report::{AuditEntry, AuditFilter};
use llm_types::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::page::{self, ListView};
use super::{Answer, Visit};
use crate::registry::refused;

/// One action.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditView {
    /// Its place in the log.
    number: u64,
    /// When.
    at: String,
    /// Who: `master`, `local`, or a key's id.
    actor: String,
    /// What: `create`, `update`, `delete`, `rotate`, `block`, ….
    action: String,
    /// Of what: `key:key_…`, `team:…`.
    object: String,
    /// How it was, without secrets.
    #[schemars(with = "Option<serde_json::Value>")]
    before: Option<Box<RawValue>>,
    /// How it is since, without secrets.
    #[schemars(with = "Option<serde_json::Value>")]
    after: Option<Box<RawValue>>,
    /// Why it was refused; `null`: it was done.
    refused: Option<String>,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { number, at, actor, action, object, before, after, refused } = entry;
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        Self {
            number,
            at: at.to_string(),
            actor,
            action,
            object,
            before: raw(before),
            after: raw(after),
            refused,
        }
    }
}

/// A page, the newest first; `from`, `to`, `object` and `actor` narrow it.
pub(crate) async fn list(visit: &Visit<'_>) -> Result<Answer> {
    let filter = AuditFilter {
        from: page::moment(visit, "from")?,
        to: page::moment(visit, "to")?,
        object: page::text(visit, "object"),
        actor: page::text(visit, "actor"),
    };
    let found = visit.registry.reports().audit(&filter, &page::ask(visit)?).await.map_err(refused)?;
    let data = found.items.into_iter().map(AuditView::from).collect();
    Ok(Answer::new(StatusCode::OK, &ListView::new(data, found.next)))
}
