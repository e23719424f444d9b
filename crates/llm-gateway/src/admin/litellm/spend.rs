//! `/spend/logs`: the attempts that were booked, the newest first; or, between two days, sums by day.

use std::time::Duration;

use http::{Response, StatusCode};
use llm_admin::form::wrong;
use llm_admin::page;
use llm_admin::query::parameter;
use llm_admin::refused;
use llm_governance::report::{GroupBy, PageAsk, ReportAsk, ReportRow, RowFilter, RowView};
use llm_governance::{Directory, KeyId, Zone};
use llm_types::{PicoUsd, Result};
use serde_json::{Map, Value, json};

use super::shape::number;
use crate::admin::Visit;
use crate::body::ClientBody;
use crate::respond;

/// The rows that are read at once.
const PAGE: usize = 1000;
/// The most rows of an answer.
const MOST: usize = 50_000;
/// The most days of sums.
const DAYS: usize = 3660;

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
    let summarize = match parameter(visit.query, "summarize").as_deref() {
        None | Some("" | "true" | "True" | "1") => true,
        Some("false" | "False" | "0") => false,
        Some(_) => return Err(wrong("summarize", "must be true or false")),
    };
    let sums = summarize && filter.request.is_none() && filter.from.is_some() && filter.to.is_some();
    let answer = if sums { days(visit, &filter).await? } else { rows(visit, &filter).await? };
    Ok(respond::value(StatusCode::OK, &answer))
}

/// All rows, one by one.
async fn rows(visit: &Visit<'_>, filter: &RowFilter) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let directory = visit.registry.directory();
    let mut ask = Some(PageAsk::first(PAGE));
    while let Some(next) = ask {
        let page = visit.registry.reports().rows(filter, &next).await.map_err(refused)?;
        ask = next.after(&page);
        found.extend(page.items.into_iter().map(|row| shape(directory, row)));
        if ask.is_some() && found.len() >= MOST {
            let message = format!(
                "and `end_date` hold more than {MOST} rows: ask for less time, or GET /admin/v1/requests page by page"
            );
            return Err(wrong("start_date", message));
        }
    }
    Ok(found)
}

/// Sums by day, as LiteLLM gives them between two dates: in all, by key, by user, by model.
async fn days(visit: &Visit<'_>, filter: &RowFilter) -> Result<Vec<Value>> {
    let RowFilter { from, to, key, user, team, .. } = filter;
    let (Some(from), Some(to)) = (*from, *to) else { return Ok(Vec::new()) };
    if from > to {
        return Err(wrong("start_date", "must not be after `end_date`"));
    }
    let only = [
        (GroupBy::Key, key.map(|id: KeyId| id.to_string())),
        (GroupBy::User, user.clone()),
        (GroupBy::Team, team.clone()),
    ];
    let ask = ReportAsk {
        from,
        to,
        group_by: vec![GroupBy::Day, GroupBy::Key, GroupBy::User, GroupBy::Served],
        only: only.into_iter().filter_map(|(by, value)| Some((by, value?))).collect(),
        zone: Zone::UTC,
    };
    let report = visit.registry.reports().usage(&ask).await.map_err(refused)?;
    let mut days: Vec<Day> = Vec::new();
    for ReportRow { group, sums } in report.rows {
        let mut group = group.into_iter();
        let [date, key, user, model] = std::array::from_fn(|_| group.next().unwrap_or_default());
        if days.last().is_none_or(|day| day.date != date) {
            days.push(Day { date, ..Day::default() });
        }
        if let Some(day) = days.last_mut() {
            let key = token(visit.registry.directory(), key);
            day.add([key, user, model], sums.cost);
        }
    }
    pad(&mut days, to);
    Ok(days.into_iter().map(Day::shape).collect())
}

/// Days without anything follow to the end of the time, as long as there was something before.
fn pad(days: &mut Vec<Day>, to: jiff::Timestamp) {
    let end = to.to_zoned(jiff::tz::TimeZone::UTC).date();
    while days.len() < DAYS
        && let Some(next) =
            days.last().and_then(|day| day.date.parse::<jiff::civil::Date>().ok()?.tomorrow().ok())
        && next <= end
    {
        days.push(Day { date: next.to_string(), ..Day::default() });
    }
}

/// What was spent on a day.
#[derive(Debug, Default)]
struct Day {
    date: String,
    spend: PicoUsd,
    /// By key, user, model.
    parts: [Vec<(String, PicoUsd)>; 3],
}

impl Day {
    fn add(&mut self, names: [String; 3], cost: PicoUsd) {
        self.spend = self.spend.saturating_add(cost);
        for (part, name) in self.parts.iter_mut().zip(names) {
            match part.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(cost),
                None => part.push((name, cost)),
            }
        }
    }

    fn shape(self) -> Value {
        let Self { date, spend, parts: [keys, users, models] } = self;
        let sums = |part: Vec<(String, PicoUsd)>| {
            part.into_iter().map(|(name, sum)| (name, number(sum))).collect::<Map<String, Value>>()
        };
        let mut shape = sums(keys);
        shape.insert("startTime".to_owned(), date.into());
        shape.insert("spend".to_owned(), number(spend));
        shape.insert("users".to_owned(), sums(users).into());
        shape.insert("models".to_owned(), sums(models).into());
        shape.into()
    }
}

/// A key's token, by its id.
fn token(directory: &Directory, id: String) -> String {
    id.parse().map_or(id, |id| super::key::token(directory, id))
}

fn shape(directory: &Directory, row: RowView) -> Value {
    let end = |time: Duration| row.time.checked_add(time).unwrap_or(row.time).to_string();
    json!({
        "request_id": row.request,
        "call_type": "",
        "api_key": token(directory, row.key),
        "user": row.user,
        "end_user": "",
        "team_id": row.team,
        "organization_id": row.organisation,
        "model": row.model,
        "model_group": row.model_asked,
        "model_id": row.deployment,
        "custom_llm_provider": row.provider,
        "api_base": "",
        "spend": number(row.cost),
        "prompt_tokens": row.usage.prompt_tokens(),
        "completion_tokens": row.usage.completion_tokens(),
        "total_tokens": row.usage.total_tokens(),
        "startTime": row.time.to_string(),
        "completionStartTime": row.first_token.map(end),
        "endTime": end(row.latency),
        "request_duration_ms": u64::try_from(row.latency.as_millis()).unwrap_or(u64::MAX),
        "cache_hit": if row.cache == "hit" { "True" } else { "False" },
        "cache_key": Value::Null,
        "request_tags": row.tags,
        "requester_ip_address": Value::Null,
        "messages": {},
        "response": {},
        "status": if row.error.is_some() { "failure" } else { "success" },
        "metadata": { "attempt": row.attempt, "basis": row.basis, "status_code": row.status },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_summed_up_and_followed_by_empty_ones() {
        let cost = PicoUsd::from_pico;
        let mut days = vec![Day { date: "2026-02-27".to_owned(), ..Day::default() }];
        let words = |names: [&str; 3]| names.map(str::to_owned);
        days[0].add(words(["key_1", "ann", "gpt-4o"]), cost(1_000_000_000_000));
        days[0].add(words(["key_1", "", "mini"]), cost(500_000_000_000));
        pad(&mut days, "2026-03-01T00:00:00Z".parse().unwrap());
        let shapes: Vec<_> = days.into_iter().map(Day::shape).collect();
        let first = json!({"startTime": "2026-02-27", "spend": 1.5, "key_1": 1.5, "users": {"ann": 1, "": 0.5},
            "models": {"gpt-4o": 1, "mini": 0.5}});
        assert_eq!(shapes[0], first);
        assert_eq!(shapes[2], json!({"startTime": "2026-03-01", "spend": 0, "users": {}, "models": {}}));
        assert_eq!(shapes.len(), 3);
        let mut none = Vec::new();
        pad(&mut none, "2026-03-01T00:00:00Z".parse().unwrap());
        assert!(none.is_empty());
    }
}
