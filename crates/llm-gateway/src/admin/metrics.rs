//! `/metrics`: budgets, refusals, alerts and the way of the rows, as Prometheus reads them.
//!
//! Everything is read where it is counted anyhow, and put into words when somebody asks. How many budgets are listed is
//! bounded: a gateway may have a million keys.

use std::fmt::{Display, Write as _};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use llm_governance::{BudgetView, Now, RefusalCounts, Scope};
use llm_types::PicoUsd;

use super::Visit;
use crate::belief;
use crate::body::ClientBody;
use crate::governance::AlertCounts;
use crate::respond;

/// The most budgets that are listed: first those of groups, then those of keys, the most used first.
const MOST: usize = 1000;
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The metrics of the moment.
pub(super) fn get(visit: &Visit<'_>) -> Response<ClientBody> {
    let governance = visit.governance();
    let mut page = Page::default();
    page.one("gateway_keys", "gauge", "Keys that are known.", governance.directory().key_count());
    budgets(&mut page, governance.gate().all_budgets(Now::read()));
    let RefusalCounts { access, limit, limits_unavailable, budget, budget_unavailable } =
        governance.gate().refusals();
    let refusals = [
        ("access", access),
        ("limit", limit),
        ("limits_unavailable", limits_unavailable),
        ("budget", budget),
        ("budget_unavailable", budget_unavailable),
    ];
    page.head("gateway_refusals_total", "counter", "Requests and attempts that were refused.");
    refusals.iter().for_each(|(why, count)| page.line("gateway_refusals_total", &[("reason", why)], count));
    alerts(&mut page, governance.alert_counts());
    let about = "Answers whose provider told a usage that is not possible: they are estimated.";
    page.one("gateway_usage_doubted_total", "counter", about, belief::doubted());
    rows(&mut page, visit);
    let mut response = respond::json(StatusCode::OK, page.0);
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

fn budgets(page: &mut Page, mut views: Vec<BudgetView>) {
    let used = |view: &BudgetView| {
        let used = view.settled.saturating_add(view.elsewhere).saturating_add(view.reserved);
        used.pico().saturating_mul(1000).checked_div(view.limit.pico()).unwrap_or(i128::MAX)
    };
    views.sort_by_cached_key(|view| {
        let of_a_key = matches!(view.id.scope, Scope::Key(_));
        (of_a_key, std::cmp::Reverse(used(view)), view.id.to_string())
    });
    let left_out = views.len().saturating_sub(MOST);
    views.truncate(MOST);
    let about = "Budgets in use that are not listed here.";
    page.one("gateway_budgets_unlisted", "gauge", about, left_out);
    type Of = fn(&BudgetView) -> PicoUsd;
    let metrics: [(&str, &str, Of); 6] = [
        ("gateway_budget_limit_usd", "What may be spent in a window.", |view| view.limit),
        ("gateway_budget_spent_usd", "What is spent in the present window.", spent),
        ("gateway_budget_reserved_usd", "What requests under way may yet cost.", |view| {
            view.reserved.saturating_add(view.reserved_earlier)
        }),
        ("gateway_budget_unknown_usd", "What gateways that died may have spent.", |view| view.unknown),
        ("gateway_budget_left_usd", "What is left in the present window.", |view| {
            let taken = spent(view).saturating_add(view.reserved).saturating_add(view.unknown);
            view.limit.saturating_sub(taken).max(PicoUsd::ZERO)
        }),
        ("gateway_budget_overrun_usd", "What was spent beyond what had been reserved.", |view| view.overrun),
    ];
    for (name, about, of) in metrics {
        page.head(name, "gauge", about);
        for view in &views {
            page.line(name, &[("budget", &view.id.to_string())], of(view));
        }
    }
}

fn spent(view: &BudgetView) -> PicoUsd {
    view.settled.saturating_add(view.elsewhere)
}

fn alerts(page: &mut Page, counts: AlertCounts) {
    let AlertCounts { thresholds, overruns, unreachable, told, failed, lost } = counts;
    let name = "gateway_budget_thresholds_total";
    page.head(name, "counter", "Budgets that reached a share of their limit.");
    for (percent, count) in thresholds {
        page.line(name, &[("percent", &percent.to_string())], count);
    }
    let about = "Attempts that cost more than was reserved, by each budget.";
    page.one("gateway_budget_overruns_total", "counter", about, overruns);
    let about = "Batches that no deployment is configured to ask for: their cost is not known.";
    page.one("gateway_batches_unreachable_total", "counter", about, unreachable);
    let name = "gateway_alerts_total";
    page.head(name, "counter", "Alerts for the webhook.");
    for (outcome, count) in [("told", told), ("failed", failed), ("lost", lost)] {
        page.line(name, &[("outcome", outcome)], count);
    }
}

#[cfg(feature = "sql")]
fn rows(page: &mut Page, visit: &Visit<'_>) {
    let Some(status) = visit.governance().row_status() else { return };
    let counters = [
        ("gateway_rows_appended_total", "Usage rows that were handed over.", status.appended),
        ("gateway_rows_stored_total", "Usage rows in the database.", status.stored),
        ("gateway_rows_replayed_total", "Usage rows of earlier lives found in the journal.", status.replayed),
        ("gateway_rows_duplicate_total", "Usage rows that the database had already.", status.duplicates),
        ("gateway_rows_lost_total", "Usage rows that are nowhere.", status.lost),
        ("gateway_rows_refused_total", "Usage rows that the database refused.", status.refused),
    ];
    counters.into_iter().for_each(|(name, about, count)| page.one(name, "counter", about, count));
    page.one("gateway_rows_waiting", "gauge", "Usage rows that wait for the database.", status.waiting);
    let about = "Usage rows that neither the database nor the journal has yet.";
    page.one("gateway_rows_in_memory", "gauge", about, status.memory);
    page.one("gateway_journal_bytes", "gauge", "How long the journal is.", status.journal_bytes);
    let is = |trouble: Option<String>| u8::from(trouble.is_some());
    let about = "Whether the journal cannot be written.";
    page.one("gateway_journal_degraded", "gauge", about, is(status.degraded));
    page.one("gateway_store_away", "gauge", "Whether the database is away.", is(status.store_away));
}

#[cfg(not(feature = "sql"))]
fn rows(_: &mut Page, _: &Visit<'_>) {}

/// The text.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, about: &str) {
        // A `String` takes everything.
        let _ = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (nth, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if nth == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, about: &str, value: impl Display) {
        self.head(name, kind, about);
        self.line(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_end_their_line() {
        let mut page = Page::default();
        page.line("m", &[("budget", "tag:a\"} 1\nb\\/day"), ("x", "y")], 2);
        page.line("n", &[], "0.5");
        assert_eq!(page.0, "m{budget=\"tag:a\\\"} 1\\nb\\\\/day\",x=\"y\"} 2\nn 0.5\n");
    }
}
