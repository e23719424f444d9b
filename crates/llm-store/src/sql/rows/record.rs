//! A usage row as it is read from the journal or the database.

use std::sync::Arc;

use llm_governance::report::Sums;
use llm_governance::{Basis, BudgetWindow};
use llm_types::{ErrorKind, PicoUsd};
use serde::Deserialize;

use super::counts::Counts;

/// A row. Names that are not there are empty: they are part of the keys of sums.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Record {
    pub(super) request: Arc<str>,
    pub(super) attempt: u32,
    pub(super) time_us: i64,
    #[serde(default)]
    pub(super) key: Arc<str>,
    #[serde(default)]
    pub(super) user: Arc<str>,
    #[serde(default)]
    pub(super) team: Arc<str>,
    #[serde(default)]
    pub(super) organisation: Arc<str>,
    pub(super) model_asked: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) provider: Arc<str>,
    pub(super) deployment: Arc<str>,
    pub(super) cost: PicoUsd,
    pub(super) basis: Basis,
    #[serde(default)]
    pub(super) incomplete: bool,
    #[serde(default)]
    pub(super) overrun: bool,
    pub(super) latency_us: i64,
    #[serde(default)]
    pub(super) first_token_us: Option<i64>,
    pub(super) status: u16,
    #[serde(default)]
    pub(super) error: Option<ErrorKind>,
    pub(super) cache: Cache,
    #[serde(default)]
    pub(super) quality: Option<f64>,
    #[serde(default)]
    pub(super) bookings: Vec<BudgetWindow>,
    pub(super) detail: Detail,
}

/// What nothing is searched or summed by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Detail {
    #[serde(default)]
    pub(super) usage: Counts,
    /// Class, count, amount.
    #[serde(default)]
    pub(super) items: Vec<(String, u64, Option<PicoUsd>)>,
    #[serde(default)]
    pub(super) tags: Vec<Arc<str>>,
}

/// [`RowCache`] in the journal and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cache {
    Bypass,
    Miss,
    Hit,
}

impl Cache {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Miss => "miss",
            Self::Hit => "hit",
        }
    }
}

/// The longest time that a row is believed to have taken, in microseconds: nine million such rows can be added up.
const MOST: u64 = 1_000_000_000_000;

impl Record {
    /// By what it is found, beside its request and its time; nobody has an empty name.
    pub(super) fn names(&self) -> [(&'static str, &str); 7] {
        let Self { key, user, team, organisation, model_asked, provider, deployment, .. } = self;
        [
            ("key", key),
            ("user", user),
            ("team", team),
            ("organisation", organisation),
            ("model", model_asked),
            ("provider", provider),
            ("deployment", deployment),
        ]
    }

    /// What it adds to sums.
    pub(super) fn sums(&self) -> Sums {
        let usage = &self.detail.usage.0;
        let micros = |micros: i64| u64::try_from(micros).unwrap_or_default();
        let others = [usage.input_audio, usage.input_image, usage.output_audio, usage.output_image];
        bounded(Sums {
            attempts: 1,
            requests: u64::from(self.attempt <= 1),
            errors: u64::from(self.error.is_some()),
            cache_hits: u64::from(self.cache == Cache::Hit),
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write(),
            output: usage.output,
            reasoning: usage.reasoning,
            other_tokens: others.iter().fold(0, |sum, other| sum.saturating_add(*other)),
            cost: self.cost,
            incomplete: u64::from(self.incomplete),
            latency_us: micros(self.latency_us),
            first_token_us: self.first_token_us.map(micros).unwrap_or_default(),
            first_tokens: u64::from(self.first_token_us.is_some()),
        })
    }
}

/// The name of how a cost is known, as it is stored.
pub(super) fn basis_name(basis: Basis) -> &'static str {
    match basis {
        Basis::Reported => "reported",
        Basis::Received => "received",
        Basis::Estimated => "estimated",
        Basis::Reserved => "reserved",
    }
}

/// No time is longer than what is believed. Tokens are added up as they are told, as money is.
pub(super) fn bounded(sums: Sums) -> Sums {
    let most = |count: u64| count.min(MOST);
    Sums { latency_us: most(sums.latency_us), first_token_us: most(sums.first_token_us), ..sums }
}
