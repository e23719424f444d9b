//! `/admin/v1/requests?source=usage`: the attempts that were booked, each with its cost item by item.

use http::{Response, StatusCode};
use llm_admin::form::wrong;
use llm_admin::page::{self, ListView};
use llm_admin::query;
use llm_admin::terms::dollars;
use llm_governance::report::{RowFilter, RowView};
use llm_types::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::Visit;
use crate::body::ClientBody;
use crate::governance::refused;
use crate::respond;

/// One attempt.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AttemptView {
    /// The request's id, as the client was told.
    request_id: String,
    /// Which attempt of it, from 1; 0: it was answered without one.
    attempt: u32,
    /// When its money was reserved.
    time: String,
    key_id: Option<String>,
    team_id: Option<String>,
    user_id: Option<String>,
    organisation_id: Option<String>,
    tags: Vec<String>,
    /// The model, as the client called it.
    model: String,
    /// The model, as the provider calls it.
    served_model: String,
    provider: String,
    deployment: String,
    /// All prompt tokens.
    prompt_tokens: u64,
    /// All answer tokens, thinking included.
    completion_tokens: u64,
    /// What was booked, in dollars.
    cost_usd: String,
    /// How the cost is known: `reported`, `received`, `estimated`, `reserved`.
    basis: String,
    /// Whether a price was missing, so that the true cost is higher.
    unpriced: bool,
    /// Whether more was booked than had been reserved.
    overrun: bool,
    /// What it cost, item by item.
    items: Vec<ItemView>,
    /// The budgets' windows that it is booked on.
    budgets: Vec<String>,
    latency_ms: f64,
    first_token_ms: Option<f64>,
    /// The HTTP status that the client saw.
    status: u16,
    /// What failed.
    error: Option<String>,
    /// `bypass`, `miss` or `hit`.
    cache: String,
    /// What feedback said of the answer, from 0 to 1.
    quality: Option<f64>,
}

/// One line of a cost.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ItemView {
    /// The class: `input`, `cache_read`, ….
    class: String,
    /// How much: tokens, pieces, milliseconds.
    count: u64,
    /// What it costs, in dollars; `null`: its price is unknown.
    usd: Option<String>,
}

impl From<RowView> for AttemptView {
    fn from(row: RowView) -> Self {
        let name = |name: String| (!name.is_empty()).then_some(name);
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        let item = |(class, count, usd): (String, u64, Option<llm_types::PicoUsd>)| ItemView {
            class,
            count,
            usd: usd.map(dollars),
        };
        Self {
            request_id: row.request,
            attempt: row.attempt,
            time: row.time.to_string(),
            key_id: name(row.key),
            team_id: name(row.team),
            user_id: name(row.user),
            organisation_id: name(row.organisation),
            tags: row.tags,
            model: row.model_asked,
            served_model: row.model,
            provider: row.provider,
            deployment: row.deployment,
            prompt_tokens: row.usage.prompt_tokens(),
            completion_tokens: row.usage.completion_tokens(),
            cost_usd: dollars(row.cost),
            basis: row.basis,
            unpriced: row.cost_incomplete,
            overrun: row.overrun,
            items: row.items.into_iter().map(item).collect(),
            budgets: row.booked,
            latency_ms: ms(row.latency),
            first_token_ms: row.first_token.map(ms),
            status: row.status,
            error: row.error,
            cache: row.cache,
            quality: row.quality,
        }
    }
}

/// The parameters that narrow the list; decisions know none of them.
pub(super) const NARROW: [&str; 11] = [
    "from",
    "to",
    "request_id",
    "key_id",
    "team_id",
    "user_id",
    "organisation_id",
    "model",
    "provider",
    "deployment",
    "failed",
];

/// The first parameter that asks for some rows and not for others, or for further ones.
pub(super) fn narrowed(visit: &Visit<'_>) -> Option<&'static str> {
    NARROW.into_iter().chain(["cursor"]).find(|name| query::parameter(visit.query, name).is_some())
}

/// Which rows a query asks for.
///
/// # Errors
/// For moments and ids that cannot be read.
pub(super) fn filter(visit: &Visit<'_>) -> Result<RowFilter> {
    let key = page::text(visit, "key_id").map(|id| id.parse()).transpose();
    Ok(RowFilter {
        from: page::moment(visit, "from")?,
        to: page::moment(visit, "to")?,
        request: page::text(visit, "request_id"),
        key: key
            .map_err(|error: llm_governance::Error| wrong("key_id", format!("cannot be used: {error}")))?,
        team: page::text(visit, "team_id"),
        user: page::text(visit, "user_id"),
        organisation: page::text(visit, "organisation_id"),
        model: page::text(visit, "model"),
        provider: page::text(visit, "provider"),
        deployment: page::text(visit, "deployment"),
        failed: query::is_on(visit.query, "failed"),
    })
}

/// A page, the newest first.
pub(super) async fn list(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let filter = filter(visit)?;
    let found = visit.governance().reports().rows(&filter, &page::ask(visit)?).await.map_err(refused)?;
    let data = found.items.into_iter().map(AttemptView::from).collect();
    Ok(respond::value(StatusCode::OK, &ListView::new(data, found.next)))
}
