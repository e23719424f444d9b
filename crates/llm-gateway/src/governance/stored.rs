//! Reports and the audit log of a store, behind the port that the admin API asks.

use async_trait::async_trait;
use jiff::Timestamp;
use llm_governance::report::{
    AuditEntry, AuditFilter, GroupBy, Page, PageAsk, Report, ReportAsk, ReportRow, RowFilter, RowView, Sums,
};
use llm_governance::{Error, Reports, Scope, UsageRow};
use llm_store::{RowWriter, SqlStore};
use llm_types::PicoUsd;

/// Reports of a store.
#[derive(Debug)]
pub(super) struct StoredReports {
    pub(super) store: SqlStore,
    pub(super) rows: RowWriter,
}

#[async_trait]
impl Reports for StoredReports {
    fn append(&self, row: UsageRow) {
        // What cannot be kept at once waits in the journal, and the writer's status says so.
        drop(self.rows.try_append(row));
    }

    fn is_durable(&self) -> bool {
        true
    }

    async fn note(&self, entry: AuditEntry) -> Result<(), Error> {
        let AuditEntry { number: _, at: _, actor, action, object, before: _, after, refused } = entry;
        let after = refused.map(|why| serde_json::json!({ REFUSED: why }).to_string()).or(after);
        Ok(self.store.note(&actor, (&action, &object), after).await?)
    }

    async fn usage(&self, ask: &ReportAsk) -> Result<Report, Error> {
        let ReportAsk { from, to, group_by, only } = ask;
        let ask = llm_store::ReportAsk {
            from: *from,
            to: *to,
            group_by: group_by.iter().map(|by| heading(*by)).collect(),
            only: only.iter().map(|(by, value)| (heading(*by), value.clone())).collect(),
        };
        let llm_store::Report { from, to, rows } = self.store.usage(&ask).await.map_err(error)?;
        let rows = rows.into_iter().map(|row| ReportRow { group: row.group, sums: sums(&row.sums) });
        Ok(Report { from, to, rows: rows.collect() })
    }

    async fn rows(&self, filter: &RowFilter, ask: &PageAsk) -> Result<Page<RowView>, Error> {
        let RowFilter {
            from,
            to,
            request,
            key,
            team,
            user,
            organisation,
            model,
            provider,
            deployment,
            failed,
        } = filter.clone();
        let filter = llm_store::RowFilter {
            from,
            to,
            request,
            key,
            team,
            user,
            organisation,
            model,
            provider,
            deployment,
            failed,
        };
        let found = self.store.rows(&filter, &page(ask)).await.map_err(error)?;
        Ok(Page { items: found.items.into_iter().map(view).collect(), next: found.next })
    }

    async fn spent(&self, scope: &Scope) -> Result<PicoUsd, Error> {
        let only = match scope {
            Scope::Global => None,
            Scope::Organisation(id) => Some((GroupBy::Organisation, id.to_string())),
            Scope::Team(id) => Some((GroupBy::Team, id.to_string())),
            Scope::User(id) => Some((GroupBy::User, id.to_string())),
            Scope::Key(id) => Some((GroupBy::Key, id.to_string())),
            Scope::Tag(id) => Some((GroupBy::Tag, id.to_string())),
            Scope::Model(id) => Some((GroupBy::Model, id.to_string())),
            Scope::Provider(id) => Some((GroupBy::Provider, id.to_string())),
        };
        let only = only.into_iter().collect();
        let all = ReportAsk { from: Timestamp::UNIX_EPOCH, to: Timestamp::MAX, group_by: Vec::new(), only };
        let report = self.usage(&all).await?;
        Ok(report.rows.iter().fold(PicoUsd::ZERO, |sum, row| sum.saturating_add(row.sums.cost)))
    }

    async fn audit(&self, filter: &AuditFilter, ask: &PageAsk) -> Result<Page<AuditEntry>, Error> {
        let AuditFilter { from, to, object, actor } = filter.clone();
        let filter = llm_store::AuditFilter { from, to, object, actor };
        let found = self.store.audit(&filter, &page(ask)).await.map_err(error)?;
        Ok(Page { items: found.items.into_iter().map(entry).collect(), next: found.next })
    }
}

/// The member of `after` that says why something was refused.
const REFUSED: &str = "refused";

fn entry(entry: llm_store::AuditEntry) -> AuditEntry {
    let llm_store::AuditEntry { revision, at, actor, action, object, before, after } = entry;
    let why = |text: &str| {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        let why = members.get(REFUSED).filter(|_| members.len() == 1)?;
        why.as_str().map(str::to_owned)
    };
    let refused = after.as_deref().and_then(why);
    let after = after.filter(|_| refused.is_none());
    AuditEntry { number: revision.0, at, actor, action, object, before, after, refused }
}

fn page(ask: &PageAsk) -> llm_store::PageAsk {
    let limit = u32::try_from(ask.limit()).unwrap_or(u32::MAX);
    llm_store::PageAsk { limit, cursor: ask.cursor.clone() }
}

/// An error as the port tells it: what was asked wrongly is not the store's fault.
fn error(error: llm_store::SqlError) -> Error {
    match error {
        llm_store::SqlError::Cursor => Error::Cursor,
        llm_store::SqlError::NoSums => Error::NoSums(error.to_string()),
        other => other.into(),
    }
}

fn heading(by: GroupBy) -> llm_store::GroupBy {
    use llm_store::GroupBy as Of;
    match by {
        GroupBy::Day => Of::Day,
        GroupBy::Hour => Of::Hour,
        GroupBy::Model => Of::Model,
        GroupBy::Served => Of::Served,
        GroupBy::Provider => Of::Provider,
        GroupBy::Deployment => Of::Deployment,
        GroupBy::Key => Of::Key,
        GroupBy::Team => Of::Team,
        GroupBy::User => Of::User,
        GroupBy::Organisation => Of::Organisation,
        GroupBy::Tag => Of::Tag,
    }
}

fn sums(sums: &llm_store::Sums) -> Sums {
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Sums {
        attempts: number(sums.attempts),
        requests: number(sums.requests),
        errors: number(sums.errors),
        cache_hits: number(sums.cache_hits),
        input: number(sums.input),
        cache_read: number(sums.cache_read),
        cache_write: number(sums.cache_write),
        output: number(sums.output),
        reasoning: number(sums.reasoning),
        other_tokens: number(sums.other_tokens),
        cost: sums.cost,
        incomplete: number(sums.incomplete),
        latency_us: number(sums.latency_us),
        first_token_us: number(sums.first_token_us),
        first_tokens: number(sums.first_tokens),
    }
}

fn view(row: llm_store::RowView) -> RowView {
    RowView {
        request: row.request,
        attempt: row.attempt,
        time: row.time,
        key: row.key,
        team: row.team,
        user: row.user,
        organisation: row.organisation,
        tags: row.tags,
        model_asked: row.model_asked,
        model: row.model,
        provider: row.provider,
        deployment: row.deployment,
        usage: row.usage,
        items: row.items,
        cost: row.cost,
        basis: row.basis,
        cost_incomplete: row.cost_incomplete,
        overrun: row.overrun,
        booked: row.booked,
        latency: row.latency,
        first_token: row.first_token,
        status: row.status,
        error: row.error,
        cache: row.cache,
        quality: row.quality,
    }
}
