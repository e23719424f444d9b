//! `[router] health_check`: looking after deployments while nobody calls them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::duration;

/// Active health checks: a minimal call, which the provider bills, to each deployment that has not answered a
/// request since the last round. An answer ends a cooldown, a failure counts as a request's would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthCheck {
    /// The time between two rounds.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub interval: Duration,
    /// How long one check may take.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(5) }
    }
}
