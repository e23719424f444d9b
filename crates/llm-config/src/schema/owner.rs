//! `[[keys]]`, `[[teams]]`, `[[users]]`, `[[organisations]]`, `[[budgets]]`, `[[limits]]`: who may call, for how much
//! and how often.
//!
//! What stands here needs no database, and nobody changes it but whoever changes the file.

use llm_types::{PicoUsd, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{secret, usd};

/// A key that clients call with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct VirtualKey {
    /// Its name; what is counted for it hangs on that.
    pub name: String,
    /// The key itself, at least 16 characters; best from a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub key: Option<Secret>,
    /// Its SHA-256 in hexadecimal digits instead, so that the file holds no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
    /// The team that it belongs to, one of `[[teams]]` or of the database's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The user that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The organisation that it belongs to; a team's own wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Words that all of its requests are marked with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// From when it is turned away, such as `"2027-01-01T00:00:00Z"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether it may use the admin API.
    #[serde(default)]
    pub admin: bool,
    /// What it may do and spend.
    #[serde(flatten)]
    pub terms: OwnerTerms,
}

/// A team, user or organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Owner {
    /// Its name for machines.
    pub id: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The organisation that a team belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// What it may do and spend.
    #[serde(flatten)]
    pub terms: OwnerTerms,
}

/// What an owner may do and spend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct OwnerTerms {
    /// Models that may be called, `*` for anything; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Routes that may be called, such as `/v1/chat/completions`; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Addresses that requests may come from, such as `10.0.0.0/8`; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_ranges: Vec<String>,
    /// What may be spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<OwnerBudget>,
    /// How often.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: OwnerLimits,
    /// How often single models, beside `limits`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_limits: Vec<OwnerModelLimits>,
    /// Whether it is turned away.
    pub blocked: bool,
}

fn is_default(limits: &OwnerLimits) -> bool {
    *limits == OwnerLimits::default()
}

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OwnerLimits {
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000_000_000_u64))]
    pub rpm: Option<u64>,
    /// Tokens a minute, prompt and answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000_000_000_u64))]
    pub tpm: Option<u64>,
    /// Requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
}

/// How often a model may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OwnerModelLimits {
    /// The model, as clients call it; with `*` all whose names match, together.
    pub model: String,
    /// How often.
    #[serde(flatten)]
    pub limits: OwnerLimits,
}

/// Limits of everything, a tag or a model, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScopedLimits {
    /// Whose: `global`, `tag:…` or `model:…`. Teams, users, organisations and keys have their own `limits`, deployments
    /// `rpm`, `tpm` and `max_parallel`.
    pub scope: String,
    /// How often.
    #[serde(flatten)]
    pub limits: OwnerLimits,
}

/// What may be spent in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerBudget {
    /// How many dollars, such as `"25.00"`.
    #[schemars(with = "usd::Text")]
    pub limit_usd: PicoUsd,
    /// When it starts again.
    pub window: BudgetWindow,
    /// True (the default): never exceeded. False: it only tells.
    #[serde(default = "yes")]
    pub hard: bool,
    /// Where days end, such as `"Europe/Berlin"`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Models that may answer when the money for the one asked for is gone, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
}

/// A budget of everything, a tag, a model or a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScopedBudget {
    /// Whose: `global`, `tag:…`, `model:…` or `provider:…`. Teams, users, organisations and keys have their own
    /// `budgets`.
    pub scope: String,
    /// How much, and when.
    #[serde(flatten)]
    pub budget: OwnerBudget,
}

/// When a budget starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BudgetWindow {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// Never.
    Total,
}

fn yes() -> bool {
    true
}

fn utc() -> String {
    "UTC".to_owned()
}
