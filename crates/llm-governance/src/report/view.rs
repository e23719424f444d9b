//! A row as people and programs look at it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_types::{ErrorKind, PicoUsd, Usage};
use serde::Serialize as _;

use crate::budget::Basis;
use crate::row::{RowCache, UsageRow};

/// A row as it is kept. Names that are not there are empty.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is as in `UsageRow`")]
pub struct RowView {
    pub request: String,
    pub attempt: u32,
    pub time: Timestamp,
    /// The life of the node that answered; empty where there is one alone.
    pub node: String,
    pub key: String,
    pub team: String,
    pub user: String,
    pub organisation: String,
    pub tags: Vec<String>,
    pub model_asked: String,
    pub model: String,
    pub provider: String,
    pub deployment: String,
    pub usage: Usage,
    /// Class, count, amount.
    pub items: Vec<(String, u64, Option<PicoUsd>)>,
    pub cost: PicoUsd,
    /// `reported`, `received`, `estimated`, `reserved`.
    pub basis: String,
    pub cost_incomplete: bool,
    pub overrun: bool,
    /// The budgets' windows, as `team:search/day/hard@2026-11-21T00:00:00Z`.
    pub booked: Vec<String>,
    pub latency: Duration,
    pub first_token: Option<Duration>,
    pub status: u16,
    /// The kind's name, such as `rate_limit`.
    pub error: Option<String>,
    /// `bypass`, `miss`, `hit`.
    pub cache: String,
    pub quality: Option<f64>,
}

impl From<&UsageRow> for RowView {
    fn from(row: &UsageRow) -> Self {
        let text = |name: &Option<Arc<str>>| name.as_deref().unwrap_or_default().to_owned();
        let booked = |window: &crate::BudgetWindow| format!("{}@{}", window.budget, window.start);
        Self {
            request: row.request.to_string(),
            attempt: row.attempt,
            time: row.time,
            node: String::new(),
            key: row.who.key.map(|id| id.to_string()).unwrap_or_default(),
            team: text(&row.who.team),
            user: text(&row.who.user),
            organisation: text(&row.who.organisation),
            tags: row.tags.iter().map(|tag| tag.to_string()).collect(),
            model_asked: row.served.model_asked.to_string(),
            model: row.served.model.to_string(),
            provider: row.served.provider.to_string(),
            deployment: row.served.deployment.to_string(),
            usage: row.usage.clone(),
            items: row.items.iter().map(|item| (item.class.to_owned(), item.count, item.amount)).collect(),
            cost: row.cost,
            basis: basis(row.basis).to_owned(),
            cost_incomplete: row.cost_incomplete,
            overrun: row.overrun,
            booked: row.bookings.iter().map(booked).collect(),
            latency: row.latency,
            first_token: row.first_token,
            status: row.status,
            error: row.error.map(|kind| Kind(kind).to_string()),
            cache: cache(row.cache).to_owned(),
            quality: row.quality,
        }
    }
}

/// A kind by its name, as it is serialised everywhere.
struct Kind(ErrorKind);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Reported => "reported",
        Basis::Received => "received",
        Basis::Estimated => "estimated",
        Basis::Reserved => "reserved",
    }
}

fn cache(cache: RowCache) -> &'static str {
    match cache {
        RowCache::Bypass => "bypass",
        RowCache::Miss => "miss",
        RowCache::Hit => "hit",
    }
}
