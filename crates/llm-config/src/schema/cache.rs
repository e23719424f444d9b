//! `[cache]`: answers that are kept for equal requests.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, size};

/// Answers that are kept for equal requests: one that says the same, whatever its white space and the order of its
/// members, is answered without a provider and costs nothing. Only whole answers are kept; streams go past the
/// cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Where answers are kept.
    pub backend: CacheBackend,
    /// How long an answer is good.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub ttl: Duration,
    /// What all answers in memory may take together; those that are asked for seldom go first.
    #[serde(with = "size")]
    #[schemars(with = "size::Text")]
    pub max_bytes: usize,
    /// The largest answer that is kept.
    #[serde(with = "size")]
    #[schemars(with = "size::Text")]
    pub max_answer: usize,
    /// Who shares answers.
    pub scope: CacheScope,
    /// Only conversations that state a temperature of at most this are kept and answered; without it, whatever they
    /// state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub max_temperature: Option<f64>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            backend: CacheBackend::Off,
            ttl: Duration::from_secs(600),
            max_bytes: 256 << 20,
            max_answer: 1 << 20,
            scope: CacheScope::Key,
            max_temperature: None,
        }
    }
}

/// Where answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheBackend {
    /// Nowhere.
    #[default]
    Off,
    /// In the memory of this gateway.
    Memory,
}

/// Who shares answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheScope {
    /// Nobody: each key has its own.
    #[default]
    Key,
    /// The keys of a team; a key without one has its own.
    Team,
    /// Everybody who may call the model.
    Global,
}
