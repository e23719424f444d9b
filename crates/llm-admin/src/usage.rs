//! `/admin/v1/usage`: what was used and what it cost, by whatever it is to be divided by.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use llm_governance::Zone;
use llm_governance::report::{GroupBy, Report, ReportAsk, Sums};
use llm_types::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::terms::dollars;
use super::{Answer, Visit, page};
use crate::form::wrong;
use crate::query::parameter;
use crate::registry::refused;

/// How many days are reported where nobody says.
const DAYS: i64 = 30;

/// A report.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageView {
    /// Always `usage`.
    object: &'static str,
    /// From when it truly is.
    from: String,
    /// Until when it truly is.
    to: String,
    /// What it is divided by.
    group_by: Vec<&'static str>,
    /// Whose days they are.
    time_zone: String,
    /// Its lines.
    data: Vec<LineView>,
    /// All of them together; with `tag`, rows with several tags count several times.
    total: SumsView,
}

/// One line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LineView {
    /// A value for each thing that the report is divided by; empty: there is none.
    group: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    sums: SumsView,
}

/// Sums.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SumsView {
    /// What it cost, in dollars.
    cost_usd: String,
    /// Requests.
    requests: u64,
    /// Attempts, of which a request may have several.
    attempts: u64,
    /// Attempts that failed.
    errors: u64,
    /// Answers from the cache.
    cache_hits: u64,
    /// Prompt tokens that no other class holds.
    input_tokens: u64,
    /// Prompt tokens read from a provider's cache.
    cache_read_tokens: u64,
    /// Prompt tokens written to a provider's cache.
    cache_write_tokens: u64,
    /// Answer tokens that no other class holds.
    output_tokens: u64,
    /// Thinking.
    reasoning_tokens: u64,
    /// Sound and pictures, where they are counted in tokens.
    other_tokens: u64,
    /// Attempts with a price missing: the true cost is higher.
    unpriced: u64,
    /// From an attempt's start to its end, on average, in milliseconds.
    mean_latency_ms: Option<f64>,
    /// From an attempt's start to the first content, on average, in milliseconds.
    mean_first_token_ms: Option<f64>,
}

impl From<&Sums> for SumsView {
    fn from(sums: &Sums) -> Self {
        Self {
            cost_usd: dollars(sums.cost),
            requests: sums.requests,
            attempts: sums.attempts,
            errors: sums.errors,
            cache_hits: sums.cache_hits,
            input_tokens: sums.input,
            cache_read_tokens: sums.cache_read,
            cache_write_tokens: sums.cache_write,
            output_tokens: sums.output,
            reasoning_tokens: sums.reasoning,
            other_tokens: sums.other_tokens,
            unpriced: sums.incomplete,
            mean_latency_ms: mean(sums.latency_us, sums.attempts),
            mean_first_token_ms: mean(sums.first_token_us, sums.first_tokens),
        }
    }
}

/// Microseconds over so many, in milliseconds, to a tenth.
fn mean(micros: u64, count: u64) -> Option<f64> {
    let tenths = micros.checked_div(count)? / 100;
    Some(f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0)
}

/// A report; the last 30 days where nobody says.
pub(crate) async fn get(visit: &Visit<'_>) -> Result<Answer> {
    let ask = asked(visit)?;
    let group_by: Vec<_> = ask.group_by.iter().map(|by| by.name()).collect();
    let Report { from, to, rows } = visit.registry.reports().usage(&ask).await.map_err(refused)?;
    let total = rows.iter().fold(Sums::default(), |total, row| total.and(&row.sums));
    let line = |row: &llm_governance::report::ReportRow| LineView {
        group: group_by.iter().copied().zip(row.group.iter().cloned()).collect(),
        sums: SumsView::from(&row.sums),
    };
    let data = rows.iter().map(line).collect();
    let (from, to, time_zone) = (from.to_string(), to.to_string(), ask.zone.to_string());
    let view =
        UsageView { object: "usage", from, to, group_by, time_zone, data, total: SumsView::from(&total) };
    Ok(Answer::new(StatusCode::OK, &view))
}

fn asked(visit: &Visit<'_>) -> Result<ReportAsk> {
    let now = Timestamp::now();
    let zone = match page::text(visit, "tz") {
        Some(name) => name.parse().map_err(|_| wrong("tz", "must be a time zone, such as Europe/Berlin"))?,
        None => Zone::UTC,
    };
    let moment = |name: &str| {
        // A day begins where it is.
        let day =
            page::text(visit, name).and_then(|text| text.parse::<Date>().ok().filter(|_| text.len() == 10));
        day.map_or_else(|| page::moment(visit, name), |day| Ok(zone.midnight(day)))
    };
    let to = moment("to")?.unwrap_or(now);
    let usual = || to.checked_sub((DAYS * 24).hours()).unwrap_or(Timestamp::MIN);
    let from = moment("from")?.unwrap_or_else(usual);
    if from >= to {
        return Err(wrong("from", "must be before `to`"));
    }
    let words = page::text(visit, "group_by").unwrap_or_default();
    let mut group_by = Vec::new();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let by = GroupBy::of(word).ok_or_else(|| {
            wrong(
                "group_by",
                format!("must be some of {}, with commas", GroupBy::ALL.map(GroupBy::name).join(", ")),
            )
        })?;
        if !group_by.contains(&by) {
            group_by.push(by);
        }
    }
    for (name, example) in [("day", "2026-11-21"), ("hour", "2026-11-21T15:00:00Z")] {
        let value = page::text(visit, name);
        if value.as_ref().is_some_and(|value| !is_as_told(name, value)) {
            return Err(wrong(name, format!("must be written as reports do: {example}")));
        }
    }
    let value = |by: GroupBy| {
        let value = by.names().iter().find_map(|name| parameter(visit.query, name));
        value.map(std::borrow::Cow::into_owned)
    };
    let only = GroupBy::ALL.into_iter().filter_map(|by| Some((by, value(by)?))).collect();
    Ok(ReportAsk { from, to, group_by, only, zone })
}

/// Whether a day or an hour is written as reports write it: any other spelling would be that of no line.
fn is_as_told(name: &str, value: &str) -> bool {
    let told = match name {
        "day" => value.parse::<Date>().map(|day| day.to_string()),
        _ => value.parse::<Timestamp>().map(|hour| hour.to_string()),
    };
    told.is_ok_and(|told| told == value)
}

#[cfg(test)]
mod tests {
    use llm_types::PicoUsd;

    use super::*;

    #[test]
    fn days_and_hours_are_written_in_one_way() {
        let check = |name: &str, value: &str, expect| assert_eq!(is_as_told(name, value), expect, "{value}");
        check("day", "2026-11-20", true);
        check("day", "20261120", false);
        check("day", "2026-11-20T00:00:00", false);
        check("day", "yesterday", false);
        check("hour", "2026-11-20T15:00:00Z", true);
        check("hour", "2026-11-20T16:00:00+01:00", false);
        check("hour", "2026-11-20 15:00:00Z", false);
    }

    #[test]
    fn means_are_of_what_there_is() {
        assert_eq!(mean(0, 0), None);
        assert_eq!(mean(2_500, 2), Some(1.2));
        assert_eq!(SumsView::from(&Sums::default()).cost_usd, dollars(PicoUsd::ZERO));
    }
}
