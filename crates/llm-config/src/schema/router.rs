//! `[router]`: how deployments are chosen and failures retried.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::duration;

/// How deployments are chosen and failures retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Router {
    /// How one of several deployments is chosen.
    pub strategy: Strategy,
    /// Further attempts after the first one failed.
    #[schemars(range(max = 20))]
    pub retries: u32,
    /// The pause before a retry on a deployment that was tried already.
    pub backoff: Backoff,
    /// How long one attempt may take.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
    /// How long a stream may take to its first token.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub first_token_timeout: Duration,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            strategy: Strategy::Weighted,
            retries: 2,
            backoff: Backoff::default(),
            timeout: Duration::from_secs(600),
            first_token_timeout: Duration::from_secs(60),
        }
    }
}

/// How one of several deployments is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// In turn, each as often as its weight says.
    #[default]
    Weighted,
}

/// Exponential backoff with full jitter; a provider's `Retry-After` is obeyed up to 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The longest first pause; doubled for each further one.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub base: Duration,
    /// The longest pause of all.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(250), max: Duration::from_secs(8) }
    }
}
