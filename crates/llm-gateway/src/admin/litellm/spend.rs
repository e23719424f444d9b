//! `/spend/logs`: the attempts that were booked, the newest first.
//!
//! Always one by one: LiteLLM's sums by day are `GET /admin/v1/usage`.

use std::time::Duration;

use http::{Response, StatusCode};
use llm_admin::page;
use llm_admin::refused;
use llm_governance::report::{PageAsk, RowFilter, RowView};
use llm_types::Result;
use serde_json::{Value, json};

use super::shape::number;
use crate::admin::Visit;
use crate::body::ClientBody;
use crate::respond;

/// The most rows of an answer.
const MOST: usize = 1000;

pub(super) async fn logs(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let directory = visit.registry.directory();
    let key = page::text(visit, "api_key").map(|name| super::key::named(directory, &name)).transpose()?;
    let filter = RowFilter {
        from: page::moment(visit, "start_date")?,
        to: page::moment(visit, "end_date")?,
        request: page::text(visit, "request_id"),
        key: key.map(|key| key.id),
        user: page::text(visit, "user_id"),
        team: page::text(visit, "team_id"),
        ..RowFilter::default()
    };
    let ask = PageAsk { limit: MOST, cursor: None };
    let rows = visit.registry.reports().rows(&filter, &ask).await.map_err(refused)?;
    let rows: Vec<Value> = rows.items.into_iter().map(shape).collect();
    Ok(respond::value(StatusCode::OK, &rows))
}

fn shape(row: RowView) -> Value {
    let end = |time: Duration| row.time.checked_add(time).unwrap_or(row.time).to_string();
    json!({
        "request_id": row.request,
        "api_key": row.key,
        "user": row.user,
        "team_id": row.team,
        "organization_id": row.organisation,
        "model": row.model,
        "model_group": row.model_asked,
        "model_id": row.deployment,
        "custom_llm_provider": row.provider,
        "spend": number(row.cost),
        "prompt_tokens": row.usage.prompt_tokens(),
        "completion_tokens": row.usage.completion_tokens(),
        "total_tokens": row.usage.total_tokens(),
        "startTime": row.time.to_string(),
        "completionStartTime": row.first_token.map(end),
        "endTime": end(row.latency),
        "cache_hit": if row.cache == "hit" { "True" } else { "False" },
        "request_tags": row.tags,
        "status": if row.error.is_some() { "failure" } else { "success" },
        "metadata": { "attempt": row.attempt, "basis": row.basis, "status_code": row.status },
    })
}
